"""client.render and client.render_rays against the fake daemon: requests as asked, tiles put together, batches."""

import json

import numpy as np
import pytest

import dvren
from dvren._proto.dvren.v1 import common_pb2 as common
from dvren._proto.dvren.v1 import scene_pb2 as scene

CAMERA = dvren.Camera(50, 40, np.eye(3, 4), fx=30, fy=30, cx=24)


@pytest.fixture(autouse=True)
def field(client):
    return client.fields.upload("smoke", np.ones((1, 1, 1), np.float32))


def test_tiles_of_any_order_make_the_image(client):
    told = []
    result = client.render("smoke", CAMERA, aov=("rgb", "opacity"), progress=lambda *at: told.append(at))
    y, x = np.mgrid[:40, :50].astype(np.float32)
    np.testing.assert_array_equal(result.rgb, np.stack([x, y, x * y], axis=-1))
    np.testing.assert_array_equal(result["opacity"], x + 100 * y)
    assert result.rgb.dtype == np.float32 and list(result) == ["rgb", "opacity"] and len(result) == 2
    assert told[-1] == (2000, 2000) and len(told) == 12
    assert result.stats.rays == 2000 and result.stats.truncated_rays == 3
    assert result.warnings == ["3 rays were cut by max_steps"] and result.field_version == 4
    assert result.camera == CAMERA and result.request_id == "req-1" and result.device == "cpu"


def test_a_region_has_the_pixels_of_the_whole(client):
    whole = client.render("smoke", CAMERA).rgb
    part = client.render("smoke", CAMERA, roi=(7, 5, 33, 21), tile=9).rgb
    np.testing.assert_array_equal(part, whole[5:26, 7:40])


def test_an_array_that_was_not_asked_for_is_named_in_the_error(client, tmp_path):
    result = client.render("smoke", CAMERA, aov="depth")
    with pytest.raises(AttributeError, match=r"rgb was not rendered: ask for it, as in aov=\('depth', 'rgb'\)"):
        result.rgb  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        result.colour  # noqa: B018
    assert "depth=(40, 50)" in repr(result)
    np.savez(tmp_path / "a.npz", **result)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npz")["depth"], result.depth)


def test_what_is_not_said_is_left_to_the_daemon(client, daemon):
    assert client.render("smoke").rgb.shape == (1024, 1024, 3)
    request = daemon.last["Render"]
    assert not request.HasField("camera") and not request.HasField("roi") and list(request.aovs) == [scene.AOV_RGB]
    sampling = request.sampling
    assert (sampling.dt, sampling.max_steps, sampling.seed) == (0, 0, 0)
    assert not sampling.HasField("early_stop") and not sampling.HasField("skip_empty")
    (instance,) = request.scene.instances
    assert instance == scene.Instance(field="smoke") and not request.scene.HasField("background")


def test_every_option_arrives(client, daemon, field, tmp_path):
    camera = tmp_path / "cam.json"
    CAMERA.to_json(camera)
    result = client.render(
        field,
        camera,
        step=0.25,
        max_steps=77,
        sampling="stratified",
        seed=2**64 - 1,
        early_stop=0,
        background=(0.1, 0.2, 0.3),
        sigma_scale=0.5,
        color=np.array([1, 0.5, 0]),
        precision="f64",
        field_version=3,
        object_to_world=np.eye(4),
        skip_empty=False,
        device="cuda:0",
    )
    assert result.rgb.dtype == np.float64
    request = daemon.last["Render"]
    assert request.camera == CAMERA._to_message() and request.camera.pinhole.cx == 24
    assert not request.camera.pinhole.HasField("cy")
    assert request.sampling == scene.Sampling(
        mode=scene.SAMPLING_MODE_STRATIFIED, dt=0.25, max_steps=77, seed=2**64 - 1, early_stop=0, skip_empty=False
    )
    assert (request.precision, request.device) == (common.PRECISION_F64, "cuda:0")
    (instance,) = request.scene.instances
    assert (instance.field, instance.field_version, instance.sigma_scale) == (field.name, 3, 0.5)
    assert instance.constant.rgb == common.Vec3(x=1, y=0.5, z=0)
    assert list(instance.object_to_world.m) == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    assert request.scene.background == common.Vec3(x=0.1, y=0.2, z=0.3)


def test_a_transfer_function_comes_from_a_dict_or_a_file(client, daemon, tmp_path):
    transfer = {"density": [0, 1.5], "rgb": [[0, 0, 0], [1, 0.5, 0.25]]}
    path = tmp_path / "tf.json"
    path.write_text(json.dumps(transfer))
    for source in (transfer, path, str(path)):
        client.render("smoke", CAMERA.to_json(), transfer=source)
        sent = daemon.last["Render"].scene.instances[0].transfer
        assert list(sent.density) == [0, 1.5] and sent.rgb[1] == common.Vec3(x=1, y=0.5, z=0.25)


def test_an_orbit_turns_around_the_fields_box(client, daemon):
    result = client.render("smoke", orbit=(30, 20), width=50, height=40, fov_deg=35)
    assert result.camera == dvren.Camera.orbit((0, 0, 0, 2, 2, 2), width=50, height=40, fov_deg=35)
    result = client.render("smoke", orbit=(-10, 5, 7.5), width=50, height=40)
    assert result.camera == dvren.Camera.orbit((0, 0, 0, 2, 2, 2), -10, 5, 7.5, 50, 40)
    result = client.render("smoke", height=30)
    assert result.camera == dvren.Camera.orbit((0, 0, 0, 2, 2, 2), width=30, height=30)
    result = client.render("smoke", fov_deg=30)
    assert result.camera == dvren.Camera.orbit((0, 0, 0, 2, 2, 2), fov_deg=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0}, "step = 0: must be > 0 world units; leave it out"),
        ({"step": float("nan")}, "step = nan: must be > 0"),
        ({"max_steps": 0}, "max_steps = 0: must be > 0"),
        ({"sampling": "random"}, "sampling = 'random': must be one of fixed, stratified, uniform_jitter"),
        ({"seed": -1}, "seed = -1: must be in"),
        ({"precision": "f8"}, "precision = 'f8': must be one of f32, f64"),
        ({"aov": ("rgb", "alpha")}, "aov = 'alpha': must be one of rgb, opacity"),
        ({"aov": ()}, "aov = .*: must name some of"),
        ({"aov": ("rgb", "rgb")}, "each once"),
        ({"color": (1, 2)}, "color = .*: must be 3 finite numbers"),
        ({"color": (1, 1, 1), "transfer": {}}, "leave out either color or transfer"),
        ({"transfer": {"density": [1]}}, "transfer = .*: must be"),
        ({"transfer": {"density": [1, 2], "rgb": [[1, 1, 1]]}}, "transfer.rgb = 1 colours: must be 2"),
        ({"roi": (1, 2, 3)}, "roi = .*: must be"),
        ({"orbit": (1, 2)}, r"orbit = \(1, 2\): leave it out: the camera says it"),
        ({"fov_deg": 20}, "fov_deg = 20: leave it out: the camera says it"),
        ({"width": 5}, "width = 5: leave it out: the camera says 50"),
        ({"camera": None, "width": 0}, "size = 0x0: must be at least 1x1"),
        ({"camera": None, "orbit": (1,)}, "orbit = .*: must be .azimuth, elevation"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(client, daemon, options, message):
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        client.render("smoke", **{"camera": CAMERA, **options})
    assert "Render" not in daemon.last


def test_a_missing_field_is_not_found(client):
    with pytest.raises(dvren.NotFoundError, match="field = fog: not found"):
        client.render("fog", CAMERA)


def test_a_failing_progress_cancels_the_render(client, daemon):
    def progress(done, total):
        raise KeyboardInterrupt

    daemon.cancelled.clear()
    with pytest.raises(KeyboardInterrupt):
        client.render("smoke", CAMERA, tile=1, progress=progress)
    assert daemon.cancelled.wait(5)


def test_an_incomplete_stream_is_data_loss(client, daemon):
    daemon.wrong_tile = lambda tile: setattr(tile.roi, "width", 0) or [i.tensor.Clear() for i in tile.images]
    with pytest.raises(dvren.InternalError, match="client and daemon do not fit"):
        client.render("smoke", CAMERA)
    daemon.Render = lambda request, context: iter(())
    with pytest.raises(dvren.DataLossError, match="the stream ended after 0 of 0 pixels; render again"):
        client.render("smoke", CAMERA)


def test_rays_beyond_one_message_go_in_several_with_their_own_ids(client, daemon):
    count = 70_000
    origins, directions = np.zeros((count, 3)), np.tile([0.0, 0, 1], (count, 1))
    result = client.render_rays("smoke", origins, directions, t_near=0.5, t_far=np.ones(count), aov=("rgb", "depth"))
    assert daemon.last["ray_counts"] == [65536, count - 65536]
    np.testing.assert_array_equal(result.depth, np.arange(count, dtype=np.float32))
    assert result.rgb.shape == (count, 3) and result.stats.rays == count
    assert result.warnings == ["the same each time"] and result.camera is None
    rays = daemon.last["RenderRays"].rays
    assert rays.t_near.dtype == common.DTYPE_F32 and rays.t_near.shape == [count - 65536]
    ids = 3 * np.arange(count)[::-1]
    result = client.render_rays("smoke", origins, directions, ids=ids, aov="depth", precision="f64")
    np.testing.assert_array_equal(result.depth, ids)
    assert daemon.last["ray_counts"][2:] == [32768, 32768, count - 65536]
    assert daemon.last["RenderRays"].rays.origins.dtype == common.DTYPE_F64


@pytest.mark.parametrize(
    ("rays", "message"),
    [
        ({"origins": np.zeros((0, 3))}, r"origins = array of shape \(0, 3\): must be \(N, 3\)"),
        ({"directions": np.zeros((3, 3))}, r"directions = array of shape \(3, 3\)"),
        ({"t_near": np.zeros(3)}, r"t_near = array of shape \(3,\): must be \(2,\)"),
        ({"ids": np.zeros(2)}, "ids = array of float64: must be integers"),
        ({"ids": 3}, r"ids = array of shape \(\): must be \(2,\)"),
    ],
)
def test_rays_of_unequal_length_are_refused(client, rays, message):
    given = {"origins": np.zeros((2, 3)), "directions": np.zeros((2, 3)), **rays}
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        client.render_rays("smoke", **given)
