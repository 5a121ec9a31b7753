"""What scikit-learn expects of an estimator whose rows are answers about faces, not vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from facevalue.data import _frames
from facevalue.data.errors import SchemaError
from facevalue.data.similarities import Similarities
from facevalue.data.triplets import Triplets

OUTPUTS = ("default", "pandas", "polars")


class OfJudgments(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg]
    """Names, frames and tags of an estimator of judgments; `model_` is what it fitted."""

    def set_output(self, *, transform: str | None = None) -> Any:
        """Let `transform` return arrays ("default"), or frames of "pandas", a row a face by its name, or "polars".

        Parameters
        ----------
        transform
            One of the three; None leaves it as it is.

        Raises
        ------
        SchemaError
            Another word.
        """
        if transform not in (None, *OUTPUTS):
            raise SchemaError(f"expected transform out of {', '.join(OUTPUTS)}; got {transform!r}")
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the dimensions, (d,) str: dimension0 and on, the weightiest first."""
        check_is_fitted(self, "model_")
        return np.array([f"dimension{i}" for i in range(self.model_.d)], object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _given(self, embedding: np.ndarray, names: np.ndarray | None) -> np.ndarray:
        """Return an embedding, (n, d), as `set_output`, or scikit-learn's own setting, asks for it: an array or a frame."""
        configured = getattr(self, "_sklearn_output_config", {}).get("transform")
        kind = configured or get_config()["transform_output"]
        if kind == "default":
            return embedding
        frame: Any
        flat = dict(zip(self.get_feature_names_out(), embedding.T, strict=True))
        frame = _frames.polars_frame(flat) if kind == "polars" else _frames.pandas_frame(flat, {})
        return frame if names is None or kind == "polars" else frame.set_axis(names, axis=0)  # type: ignore[no-any-return]


def is_judgments(given: Any) -> bool:
    """Return whether something is answers, several sets of them, or similarities.

    Examples
    --------
    >>> is_judgments([[0.5]]), is_judgments(np.zeros((2, 3)))
    (False, False)
    """
    if isinstance(given, list | tuple):
        return all(isinstance(part, Triplets) for part in given)
    return isinstance(given, Triplets | Similarities)


def rows_of(items: np.ndarray, given: Any) -> np.ndarray:
    """Return the row of a model's items for each face that judgments name, (n,) int.

    Raises
    ------
    SchemaError
        A face that the model does not know.
    """
    parts = given if isinstance(given, list | tuple) else [given]
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    row = {name: i for i, name in enumerate(items)}
    if lacking := [name for name in names if name not in row]:
        raise SchemaError(f"expected answers about faces of the fit; {len(lacking)} were not in it, {lacking[0]} the first")
    return np.array([row[name] for name in names], int)
