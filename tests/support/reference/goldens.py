"""The golden file: small dense cases with per-pixel answers, and how far this renderer is from them."""

import json

import numpy as np

from .camera import Camera
from .field import DenseGrid
from .render import RenderSettings, render_rays

QUANTITIES = ("rgb", "opacity", "depth")


def load_cases(path):
    """List of the cases of a golden JSON file, as dicts."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)["cases"]


def scene_of(case):
    """Field, camera and settings of one case."""
    source = case["field"]
    field = DenseGrid(
        np.array(source["values"]).reshape(source["shape"]),
        source["box_min"],
        source["box_max"],
        source["interp"],
        source["border"],
    )
    settings = RenderSettings(color=source["color"], **case["settings"])
    return field, Camera.from_json(case["camera"]), settings


def render_case(case):
    """render_rays of the case's pixels, in their order."""
    field, camera, settings = scene_of(case)
    x = np.array([pixel["x"] for pixel in case["pixels"]])
    y = np.array([pixel["y"] for pixel in case["pixels"]])
    origins, directions = camera.rays(x, y)
    return render_rays(field, origins, directions, camera.t_near, camera.t_far, settings, y * camera.width + x)


def case_errors(case):
    """Largest absolute difference from the stored answers: {"rgb": e, "opacity": e, "depth": e}."""
    out = render_case(case)
    return {
        name: float(np.abs(out[name] - np.array([pixel[name] for pixel in case["pixels"]])).max())
        for name in QUANTITIES
    }
