"""Float64 NumPy renderer used as the oracle of dvren's tests.

Written from the conventions of the design document alone and sharing no code with the engine, so that both agreeing
means something. Vectorised over rays; made for small images, not for speed.

Units: sigma is 1/world unit, t is a world distance along a unit ray direction, colours are linear.
Everything a test needs is re-exported here; `python3 -m reference --help` is the same from the shell.
"""

from .camera import Camera, default_orbit_camera, orbit_camera
from .color import TransferFunction, sh_basis
from .field import DenseGrid, SparseGrid
from .philox import philox4x32_10, sample_offset
from .render import RenderSettings, render_image, render_rays
from .vdb import dense_from_sparse, load_vdb

__all__ = [
    "Camera",
    "DenseGrid",
    "RenderSettings",
    "SparseGrid",
    "TransferFunction",
    "default_orbit_camera",
    "dense_from_sparse",
    "load_vdb",
    "orbit_camera",
    "philox4x32_10",
    "render_image",
    "render_rays",
    "sample_offset",
    "sh_basis",
]
