"""dvren.Camera: cam.json as it is written, strict keys, the orbit, the way to the wire and back."""

import json
import math

import numpy as np
import pytest

import dvren

POSE = [[0.6, 0.0, -0.8, 1.0], [0.0, 1.0, 0.0, 2.0], [0.8, 0.0, 0.6, 3.0]]
PINHOLE = {"width": 8, "height": 6, "fx": 9, "fy": 9.5, "camera_to_world": POSE}


def test_the_least_camera_has_its_defaults():
    camera = dvren.Camera.from_json(PINHOLE)
    assert (camera.model, camera.convention, camera.cx, camera.cy) == ("pinhole", "opencv", None, None)
    assert (camera.t_near, camera.t_far, camera.fx, dict(camera.distortion)) == (0.0, math.inf, 9.0, {})
    np.testing.assert_array_equal(camera.camera_to_world, POSE)


@pytest.mark.parametrize(
    "lens",
    [
        {"model": "pinhole", "fx": 9.1, "fy": 8.2, "cx": 3.3, "cy": 2.4, "distortion": {"k1": -0.1, "p2": 1e-3}},
        {"model": "fisheye", "fx": 9.1, "fy": 8.2, "distortion": {"k4": 0.01}, "t_near": 0.1, "t_far": 1 / 3},
        {"model": "orthographic", "ortho_scale": 2.5, "convention": "opengl"},
    ],
)
def test_json_and_message_give_the_same_camera_back(lens, tmp_path):
    camera = dvren.Camera(8, 6, np.array(POSE), **lens)
    path = tmp_path / "cam.json"
    written = camera.to_json(path)
    assert json.loads(path.read_text()) == written
    assert dvren.Camera.from_json(path) == camera == dvren.Camera.from_json(written)
    again = dvren.Camera._from_message(camera._to_message())
    assert again == camera


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focal": 3}, "camera.focal = 3: unknown key; known are camera_to_world, convention, cx"),
        ({"model": "pinhol"}, "camera.model = 'pinhol': must be one of pinhole, fisheye, orthographic"),
        ({"convention": "maya"}, "camera.convention = 'maya': must be one of opencv, opengl"),
        ({"fx": 0}, "camera.fx = 0: must be > 0"),
        ({"fy": "9"}, "camera.fy = 9: must be a finite number"),
        ({"fx": None}, "camera.fx = None: is required for pinhole cameras"),
        ({"cx": math.nan}, "camera.cx = nan: must be a finite number"),
        ({"ortho_scale": 2}, "camera.ortho_scale = 2: leave it out: pinhole cameras have none"),
        ({"model": "orthographic", "ortho_scale": 2}, "camera.fx = 9: leave it out: orthographic cameras have none"),
        ({"distortion": {"k4": 1}}, "camera.distortion.k4 = 1: leave it out: pinhole has k1, k2, k3, p1, p2"),
        ({"distortion": [1, 2]}, "camera.distortion = .1, 2.: must be an object"),
        ({"width": 8.5}, "camera.width = 8.5: must be a whole number"),
        ({"height": 0}, "camera.height = 0: must be a whole number"),
        ({"camera_to_world": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "camera.camera_to_world = .*: must be 12"),
        ({"camera_to_world": np.arange(12.0).tolist()}, "camera.camera_to_world = .*: must be three rows of four"),
        ({"camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1]]}, "camera.camera_to_world = .*: must be 12"),
        ({"t_near": 2, "t_far": 1}, "camera.t_near = 2.0, t_far = 1.0: need 0 <= t_near < t_far"),
        ({"t_near": -1}, "camera.t_near = -1.0, t_far = inf: need"),
    ],
)
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
def test_a_wrong_camera_is_refused_by_field_value_and_remedy(change, message):
    with pytest.raises(dvren.InvalidArgumentError, match=message) as caught:
        dvren.Camera.from_json({**PINHOLE, **change})
    assert isinstance(caught.value, ValueError) and caught.value.code == "INVALID_ARGUMENT"


def test_missing_keys_and_bad_files_are_refused(tmp_path):
    with pytest.raises(dvren.InvalidArgumentError, match="camera.width = absent: is required"):
        dvren.Camera.from_json({"camera_to_world": POSE})
    short = {key: value for key, value in PINHOLE.items() if key not in ("width", "height")}
    assert dvren.Camera.from_json(short, 8, 6) == dvren.Camera.from_json(PINHOLE)
    with pytest.raises(dvren.InvalidArgumentError, match="height = 7: leave it out: the camera says 6"):
        dvren.Camera.from_json(PINHOLE, 8, 7)
    path = tmp_path / "cam.json"
    path.write_text("{")
    with pytest.raises(dvren.InvalidArgumentError, match="cam.json: is no JSON"):
        dvren.Camera.from_json(path)
    path.write_text("[]")
    with pytest.raises(dvren.InvalidArgumentError, match="must hold one JSON object"):
        dvren.Camera.from_json(path)


@pytest.mark.parametrize("size", [(160, 120), (90, 160)])
def test_the_orbit_sees_the_whole_bounding_sphere(size):
    box = np.array([[3.0, 3, 1], [5, 7, 11]])
    camera = dvren.Camera.orbit(box, width=size[0], height=size[1])
    position, forward = camera.camera_to_world[:, 3], camera.camera_to_world[:, 2]
    centre = box.mean(axis=0)
    distance = np.linalg.norm(centre - position)
    np.testing.assert_allclose(forward, (centre - position) / distance, atol=1e-15)
    assert math.degrees(math.atan2(-forward[0], -forward[2])) == pytest.approx(30)
    assert math.degrees(math.asin(-forward[1])) == pytest.approx(20)
    assert 2 * math.degrees(math.atan(size[1] / 2 / camera.fy)) == pytest.approx(40)
    radius = np.linalg.norm(box[1] - box[0]) / 2
    assert math.asin(radius / distance) == pytest.approx(math.atan(min(size) / 2 / camera.fy))
    rotation = camera.camera_to_world[:, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(rotation) > 0 and rotation[1, 1] < 0  # right-handed, image down is not world up


def test_the_orbit_takes_a_distance_and_refuses_nonsense():
    camera = dvren.Camera.orbit((0, 0, 0, 2, 2, 2), 0, 0, 5.0, 10, 10)
    np.testing.assert_allclose(camera.camera_to_world[:, 3], [1, 1, 6])
    for bad, message in [
        ({"distance": 0}, "orbit distance = 0: must be > 0"),
        ({"fov_deg": 180}, "fov_deg = 180: must be between 0 and 180"),
        ({"azimuth_deg": math.inf}, "orbit azimuth = inf: must be a finite number"),
        ({"width": 0}, "size = 0x1024: must be at least 1x1"),
    ]:
        with pytest.raises(dvren.InvalidArgumentError, match=message):
            dvren.Camera.orbit((0, 0, 0, 2, 2, 2), **bad)
