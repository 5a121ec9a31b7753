"""Sparse weights of a tflite file, made dense."""

from __future__ import annotations

from typing import Any

import numpy as np

DENSE, SPARSE_CSR = 0, 1
INDEX_VECTORS = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}


def densify(values: np.ndarray, shape: tuple[int, ...], sparsity: Any) -> np.ndarray:
    """Return the dense array of a sparse tensor.

    The stored values are the leaves of a tree with one level a dimension, in `traversal order`: the tensor's own
    dimensions, then one for each that is cut into blocks. A dense level gives every node `size` children; a sparse one
    gives node p the coordinates `indices[segments[p]:segments[p + 1]]`.

    Parameters
    ----------
    values : (leaves,)
        What the file stores.
    shape
        Of the dense array.
    sparsity
        The tensor's `SparsityParameters`.

    References
    ----------
    TensorFlow Lite's schema.fbs, `SparsityParameters` and `DimensionMetadata`.
    """
    order = [sparsity.TraversalOrder(i) for i in range(sparsity.TraversalOrderLength())]
    levels = [_level(sparsity.DimMetadata(i)) for i in range(sparsity.DimMetadataLength())]
    coordinates = expand(levels)
    at = dict(zip(order, coordinates, strict=True))
    size = {dimension: level[0] for dimension, level in zip(order, levels, strict=True)}
    index = [at[d] for d in range(len(shape))]
    for block in range(sparsity.BlockMapLength()):
        cut, inner = sparsity.BlockMap(block), len(shape) + block
        index[cut] = index[cut] * size[inner] + at[inner]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(index)] = values.ravel()[: len(index[0])]
    return dense


def expand(levels: list[tuple[int, np.ndarray | None, np.ndarray | None]]) -> list[np.ndarray]:
    """Return the coordinate of every leaf at every level.

    Parameters
    ----------
    levels
        For each (size, None, None) where dense, (0, segments, indices) where sparse.

    Examples
    --------
    Two rows of which the second alone has values, in columns 0 and 3:

    >>> expand([(2, None, None), (0, np.array([0, 0, 2]), np.array([0, 3]))])
    [array([1, 1]), array([0, 3])]
    """
    nodes, coordinates = 1, list[np.ndarray]()
    for size, segments, indices in levels:
        if segments is None or indices is None:
            children, own = np.full(nodes, size), np.tile(np.arange(size), nodes)
        else:
            children, own = np.diff(segments), indices
        coordinates = [np.repeat(level, children) for level in coordinates] + [own]
        nodes = len(own)
    return coordinates


def _level(metadata: Any) -> tuple[int, np.ndarray | None, np.ndarray | None]:
    if metadata.Format() == DENSE:
        return metadata.DenseSize(), None, None
    segments = _vector(metadata.ArraySegments(), metadata.ArraySegmentsType())
    return 0, segments, _vector(metadata.ArrayIndices(), metadata.ArrayIndicesType())


def _vector(table: Any, kind: int) -> np.ndarray:
    import tflite

    vector = getattr(tflite, INDEX_VECTORS[kind])()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
