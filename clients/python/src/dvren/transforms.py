"""`transforms.json`: cameras of photographs in the form that NeRF, instant-ngp and nerfstudio share."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from .camera import Camera
from .errors import invalid

_MODELS = {"pinhole": "OPENCV", "fisheye": "OPENCV_FISHEYE"}
_DISTORTION = {"pinhole": ("k1", "k2", "k3", "p1", "p2"), "fisheye": ("k1", "k2", "k3", "k4")}


@dataclasses.dataclass(frozen=True)
class PhotoCamera:
    """Where a photograph was taken from, and with what lens."""

    photo: str  # path below the dataset
    camera: Camera


def _intrinsics(camera: Camera) -> dict[str, Any]:
    if camera.model not in _MODELS:
        raise invalid("camera.model", camera.model, "transforms.json has pinhole and fisheye")
    out: dict[str, Any] = {"camera_model": _MODELS[camera.model], "w": camera.width, "h": camera.height}
    out["fl_x"], out["fl_y"] = camera.fx, camera.fy
    out["cx"] = camera.width / 2 if camera.cx is None else camera.cx
    out["cy"] = camera.height / 2 if camera.cy is None else camera.cy
    return {**out, **{key: camera.distortion.get(key, 0.0) for key in _DISTORTION[camera.model]}}


def write_transforms(path: str | os.PathLike[str], cameras: Iterable[PhotoCamera]) -> None:
    """Writes a transforms.json: intrinsics (at the top where all photographs share them, else in each frame) and
    frames with file_path and transform_matrix, in OpenGL axes (x right, y up, z back).

    A file_path is the photograph's path below its dataset: the file belongs into that folder, where a dataset is read
    from it with the very same numbers.
    """
    cameras = list(cameras)
    lenses = [_intrinsics(one.camera) for one in cameras]
    shared = lenses[0] if lenses and all(lens == lenses[0] for lens in lenses) else {}
    frames = []
    for one, lens in zip(cameras, lenses):
        pose = np.eye(4)
        pose[:3] = one.camera.camera_to_world
        if one.camera.convention == "opencv":
            pose[:3, 1:3] *= -1
        frames.append({"file_path": one.photo, **({} if shared else lens), "transform_matrix": pose.tolist()})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**shared, "frames": frames}, file, indent=1)
        file.write("\n")
