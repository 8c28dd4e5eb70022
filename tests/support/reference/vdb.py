"""Read a scalar fog volume from a .vdb file, and store a sparse grid densely as an import does.

Needs Debian's python3-openvdb (module pyopenvdb), only when `load_vdb` is called.
"""

import numpy as np

from .field import DenseGrid, SparseGrid


def load_vdb(path, grid="density"):
    """SparseGrid of the named float grid: its values over [min - 1, max + 1] of the active bounding box."""
    import pyopenvdb

    source = pyopenvdb.read(str(path), grid)
    if source.gridClass == "level set":
        raise ValueError(f"{path}: grid {grid!r} is a level set, not a density; convert it on import")
    if not isinstance(source.background, float):
        raise ValueError(f"{path}: grid {grid!r} holds {source.valueTypeName}: must be a scalar float grid")
    if source.activeVoxelCount() == 0:
        raise ValueError(f"{path}: grid {grid!r} has no active voxels")
    active_min, active_max = (np.array(corner) for corner in source.evalActiveVoxelBoundingBox())
    values = np.zeros(active_max - active_min + 3, dtype=np.float32)
    origin = active_min - 1
    source.copyToArray(values, ijk=tuple(int(i) for i in origin))
    return SparseGrid(values, origin, _index_to_world(source, path), active_min, active_max, source.background)


def dense_from_sparse(sparse):
    """DenseGrid of [min - 1, max + 1] with box [min - 1.5, max + 1.5] in index space, which is its local space."""
    low, high = sparse.active_min - 1, sparse.active_max + 1
    values = sparse.values_in(low, high).transpose(2, 1, 0)[..., None]
    local_to_world = np.column_stack([sparse.transform.linear, sparse.transform.offset])
    return DenseGrid(values, low - 0.5, high + 0.5, local_to_world=local_to_world)


def _index_to_world(source, path):
    """4x4 column-vector matrix, read off the images of the origin and the unit vectors."""
    transform = source.transform
    if not transform.isLinear:
        raise ValueError(f"{path}: the transform is not affine")
    offset = np.array(transform.indexToWorld((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    for axis in range(3):
        matrix[:3, axis] = np.array(transform.indexToWorld(tuple(np.eye(3)[axis]))) - offset
    return matrix
