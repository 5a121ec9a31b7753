"""The error that each photo brings into the similarity of two people's faces, by what a calibration knows."""

from __future__ import annotations

import numpy as np

from facevalue.confidence.expected_error import expected_error
from facevalue.confidence.verdict import Verifier
from facevalue.data.errors import NotCalibrated
from facevalue.data.people import People
from facevalue.studies.face_similarity import PhotoErrors

DIFFERENT = "different"


def calibrated_errors(people: People, verifier: Verifier) -> PhotoErrors:
    """Return the variance that each photo brings into the cosine of its face with another person's, by a calibration.

    `mean R^2 / 2 * sigma_a^2 * mean_b sin^2 theta_ab`. R are the calibration's scores of two people's pairs of photos, the
    angle between the pairs over `sqrt(sigma_a^2 + sigma_b^2)`; sigma_a is the error to expect of the photo, deg; sin theta is
    the slope of the cosine of the angle, over the photos of everybody else. It holds for photos of the calibration's kind: of
    photos that are all good, a calibration on good and bad ones says too much, and then a correction corrects too far.

    Parameters
    ----------
    people
        n photos with the columns of the calibration.
    verifier
        A calibration.

    Returns
    -------
    PhotoErrors
        NaN of photos without an embedding, or of nobody; and of all, where there is only one person.

    Raises
    ------
    NotCalibrated
        The calibration has no pairs of different people.
    SchemaError
        The photos were measured by other instruments than those of the calibration.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, JASA 113, 2018, section 5.2: the scale; Carroll, Ruppert, Stefanski,
    Crainiceanu, Measurement Error in Nonlinear Models, 2006, section 4.4: half the variance of the difference of replicates.
    """
    band, model = verifier.pair_band, verifier.origin.model
    parts = [part for name, part in zip(band.cells, band.scores, strict=True) if name.partition("/")[0] == DIFFERENT]
    if not parts:
        raise NotCalibrated(f"expected pairs of different people in the calibration on {verifier.origin.data}, it has none")
    squares = np.concatenate(parts) ** 2
    usable = people.usable(model)
    variance = squares.mean() / 2 * np.radians(expected_error(people, verifier)) ** 2
    variance[usable] *= _slopes(people.embedding(model)[usable], people.person[usable])
    variance[~usable] = np.nan
    words = f"from the calibration on {verifier.origin.data}: {len(squares)} pairs of people photographed twice, by quality"
    doubt = squares.std(ddof=1) / np.sqrt(len(squares)) / squares.mean() if len(squares) > 1 else np.nan
    return PhotoErrors(variance, words, float(doubt))


def _slopes(embeddings: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return `1 - cos^2` of each photo, a mean over the photos of all other people, (n,)."""
    u = embeddings.astype(np.float64)
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    who = np.unique(person.astype(str), return_inverse=True)[1]
    squares, photos = ((u @ (u.T @ u)) * u).sum(1), np.bincount(who)
    order = np.argsort(who, kind="stable")
    for own in np.split(order, np.cumsum(photos)[:-1]):
        squares[own] -= ((u[own] @ u[own].T) ** 2).sum(1)
    others = len(u) - photos[who]
    mean: np.ndarray = np.divide(squares, others, out=np.full(len(u), np.nan), where=others > 0)
    return 1 - mean
