"""The error to expect of a face's embedding, in degrees: by a calibration, or by the other people on the same photos."""

from __future__ import annotations

import numpy as np

from facevalue.confidence.calibration import LEAST, fitted_band, halves, references_of
from facevalue.confidence.defaults import default_verifier
from facevalue.confidence.features import face_features
from facevalue.confidence.verdict import Verifier
from facevalue.data.errors import NotCalibrated
from facevalue.data.people import People


def expected_error(people: People, verifier: Verifier) -> np.ndarray:
    """Return the angle between embedding and template that a calibration expects of each photo.

    Parameters
    ----------
    people
        n photos with the columns of the calibration.
    verifier
        A calibration.

    Returns
    -------
    (n,) float64, deg, above 0; NaN where the model has no embedding

    Raises
    ------
    SchemaError
        The photos were measured by other instruments than those of the calibration.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, JASA 113, 2018, section 5.2: the scale of a band.
    """
    verifier.origin.check(people.faces)
    model = verifier.origin.model
    features = face_features(people.faces, model, verifier.references)
    known = np.isfinite(people.embedding(model)).all(1)
    return np.where(known, verifier.embedding_band.sigma(features), np.nan)


def cross_fitted_error(people: People, model: str, *, seed: int) -> np.ndarray:
    """Return the angle to the template that a scale, fitted to the other half of the people, expects of each photo.

    Nobody's photos tell of their own error: what the scale saves when photos are left out is what it would save on new people.

    Parameters
    ----------
    people
        n photos with the columns of the model, of its `_spread`, and `quality`.
    model
        Its name.
    seed
        Of the halves.

    Returns
    -------
    (n,) float64, deg, above 0; NaN where the model cannot compare the photo

    Raises
    ------
    NotCalibrated
        There are fewer than 24 people with two photos.
    MissingColumn
        The photos were not measured by the model's spread.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, JASA 113, 2018, section 5.2: the scale, and that it is fitted elsewhere.
    """
    rows = np.flatnonzero(people.usable(model))
    seen = people[rows]
    several = int((np.unique(seen.person.astype(str), return_counts=True)[1] > 1).sum())
    if several < LEAST:
        raise NotCalibrated(f"an error to expect needs {LEAST} people with two comparable photos; there are {several}")
    error = np.full(len(people), np.nan)
    first = np.isin(seen.person.astype(str), halves(seen, seed)[0].person.astype(str))
    for fit in (first, ~first):
        references = references_of(seen[fit], model, seed)
        band = fitted_band(seen[fit], model, references)
        error[rows[~fit]] = band.sigma(face_features(seen[~fit].faces, model, references))
    return error


def default_error(people: People, model: str, detector: str, *, seed: int) -> tuple[np.ndarray, str]:
    """Return the cross-fitted error or, of too few people, that of the package's calibration; and in words which it is.

    Parameters
    ----------
    people, model, seed
        As for `cross_fitted_error`.
    detector
        That found the faces.

    Raises
    ------
    NotCalibrated
        There are too few people, and the package carries no calibration for the model and the detector.
    MissingColumn, SchemaError
        The photos were measured by other instruments.
    """
    try:
        return cross_fitted_error(people, model, seed=seed), "fitted to one half of the people and told of the other"
    except NotCalibrated as few:
        try:
            verifier = default_verifier(model, detector)
        except NotCalibrated as none:
            raise NotCalibrated(f"{few}; {none}") from none
    words = f"by the calibration on {verifier.origin.data}; photos that are among those look better than new ones"
    return expected_error(people, verifier), words
