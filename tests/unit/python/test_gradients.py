"""client.forward, client.backward and the gradients of fields against the fake daemon: requests as asked, adjoints cut
into tiles, answers as arrays, and what is refused before anything is sent."""

import datetime

import numpy as np
import pytest

import dvren
from dvren._proto.dvren.v1 import common_pb2 as common
from dvren._proto.dvren.v1 import field_service_pb2 as fields
from dvren._proto.dvren.v1 import render_service_pb2 as renders
from dvren._proto.dvren.v1 import scene_pb2 as scene

CAMERA = dvren.Camera(50, 40, np.eye(3, 4), fx=3, fy=2)
VALUES = np.random.default_rng(1).random((2, 3, 4), dtype=np.float32)


@pytest.fixture(autouse=True)
def field(client):
    return client.fields.upload("smoke", VALUES, activation="softplus")


def image_like(tape, channels=()):
    return np.random.default_rng(2).normal(size=(tape.height, tape.width, *channels)).astype(np.float32)


# ---- forward ---------------------------------------------------------------------------------------------------------


def test_a_forward_renders_and_names_its_tape(client, daemon, field):
    result = client.forward("smoke", CAMERA, aov=("rgb", "depth"), lease=2.5)
    daemon.differentiable = True
    assert result.rgb.shape == (40, 50, 3) and result.depth.dtype == np.float32
    np.testing.assert_array_equal(result.rgb, client.render("smoke", CAMERA).rgb)
    tape = result.tape
    assert (tape.name, tape.field, tape.field_version, tape.precision) == ("tapes/1", field.name, 1, "f32")
    assert (tape.width, tape.height, tape.shape, tape.bytes) == (50, 40, (40, 50), 20 * 2000)
    assert tape.expire_time == datetime.datetime(2027, 1, 15, 8, 0, tzinfo=datetime.timezone.utc)
    assert result.warnings == ["taped"] and result.field_version == 1 and result.camera == CAMERA
    assert result.stats.rays == 2000 and result.device == "cpu" and "tapes/1: 50x40 f32" in repr(result)
    assert daemon.last["Forward"].lease.ToMilliseconds() == 2500


def test_a_forward_takes_the_options_of_a_render(client, daemon):
    options = {"sigma_scale": 0.5, "step": 0.25, "background": (1, 2, 3), "precision": "f64", "skip_empty": False}
    client.render("smoke", CAMERA, aov="opacity", field_version=1, tile=7, **options)
    client.forward("smoke", CAMERA, aov="opacity", field_version=1, tile=7, **options)
    sent = daemon.last["Forward"]
    assert sent.image == daemon.last["Render"] and not sent.HasField("lease")
    rays = np.zeros((3, 3)), np.tile([0.0, 0, 1], (3, 1))
    client.render_rays("smoke", *rays, t_near=0.5, ids=[1, 2, 3], aov="opacity", **options)
    result = client.forward_rays("smoke", *rays, t_near=0.5, ids=[1, 2, 3], aov=("rgb", "opacity"), lease=1, **options)
    assert (result.rgb.shape, result.opacity.shape, result.tape.shape) == ((3, 3), (3,), (3,))
    assert result.camera is None and result.rgb.dtype == np.float64 and result.tape.precision == "f64"
    sent = daemon.last["Forward"].rays
    sent.aovs.pop(0)
    assert sent == daemon.last["RenderRays"]


def test_a_tape_is_released_once_and_by_leaving_its_context(client, daemon):
    with client.forward("smoke", CAMERA).tape as tape:
        assert not tape.released
    assert tape.released and daemon.released == ["tapes/1"] and "released" in repr(tape)
    tape.release()
    tape = client.forward("smoke", CAMERA).tape
    daemon.tapes.clear()  # its time is over
    tape.release()
    assert daemon.released == ["tapes/1"]


@pytest.mark.parametrize("lease", [0, -1, float("inf"), float("nan")])
def test_a_lease_is_a_positive_time(client, lease):
    with pytest.raises(dvren.InvalidArgumentError, match="lease = .*: must be > 0 seconds"):
        client.forward("smoke", CAMERA, lease=lease)


def test_more_rays_than_one_tape_holds_are_refused(client, daemon):
    with pytest.raises(dvren.InvalidArgumentError, match="origins = 65537 rays: a tape holds at most 65536"):
        client.forward_rays("smoke", np.zeros((65537, 3)), np.zeros((65537, 3)))
    assert "Forward" not in daemon.last


# ---- backward --------------------------------------------------------------------------------------------------------


def test_gradients_come_as_arrays_shaped_like_the_field(client, daemon):
    tape = client.forward("smoke", CAMERA, sigma_scale=3.0).tape
    rgb, opacity = image_like(tape, channels=(3,)), image_like(tape)
    got = client.backward(tape, rgb=rgb, opacity=opacity)
    y, x = np.mgrid[:40, :50]
    dm = (rgb * (x + 1.0)[..., None]).sum() + (opacity * (y + 1.0)).sum()
    assert got.values.shape == (2, 3, 4, 1) and got.values.dtype == np.float32
    np.testing.assert_allclose(got.values, dm * 3 / 24, rtol=1e-5)
    assert (got.exponent, got.field_version, got.request_id, got.stats.rays) == (-30, 1, "req-3", 2000)
    assert got.value_stats.count == 24 and got.value_stats.histogram[-1] == 24
    assert got.origins is got.camera is got.scene is got.dt is got.rays is None
    want = daemon.last["Backward"].want
    assert want == renders.GradientRequest(values=True, dtype=common.DTYPE_F32)
    assert tape.released and daemon.released == [tape.name], "by the pass, without a call of its own"
    tape.release()
    with pytest.raises(dvren.InvalidArgumentError, match="tape = tapes/1: was released; call forward again"):
        client.backward(tape, rgb=rgb)


def test_every_gradient_arrives_under_its_name(client, daemon):
    tape = client.forward("smoke", CAMERA, precision="f64").tape
    options = {"camera": True, "scene": True, "step": True, "exponent": -50, "dtype": "f64", "keep_tape": True}
    got = client.backward(tape, depth=np.ones((40, 50)), **options)
    assert not tape.released and daemon.last["Backward"].keep_tape
    assert got.values.dtype == np.float64 and got.exponent == daemon.last["Backward"].want.exponent == -50
    camera = got.camera
    np.testing.assert_allclose(camera.camera_to_world, 2000 * np.linspace(0.1, 1.2, 12).reshape(3, 4))
    assert camera.omega.tolist() == [0, 2, 0] and camera.v.tolist() == [0, 0, 3]
    assert (camera.fx, camera.fy, camera.cx, camera.t_far) == (1000, 500, 0, 6)
    assert camera.distortion == {"k1": 0, "k2": 0, "k3": 0, "k4": 4, "p1": 5, "p2": 0}
    assert got.scene.background.tolist() == [0, 0, 0] and got.scene.color.tolist() == [1000, 500, 250]
    assert got.scene.sigma_scale == pytest.approx(2000 * VALUES.mean())
    assert got.scene.knot_density.tolist() == [7] and got.scene.knot_rgb.tolist() == [[8, 0, 0]]
    assert got.dt == 9
    got = client.backward(tape, transmittance=np.ones((40, 50)), values=False)
    assert got.values is None and got.exponent is None and tape.released


def test_gradients_of_rays(client, daemon):
    rays = np.zeros((5, 3)), np.tile([0.0, 0, 1], (5, 1))
    tape = client.forward_rays("smoke", *rays).tape
    got = client.backward(tape, rgb=np.ones((5, 3)), depth=np.ones(5), values=False, rays=True)
    assert got.rays.origins.shape == got.rays.directions.shape == (5, 3) and got.rays.t_far.shape == (5,)
    np.testing.assert_array_equal(got.rays.t_near, np.full(5, 3 * 15 + 5, np.float32))
    (tile,) = daemon.adjoint_tiles
    assert tile.roi == common.Roi(width=5, height=1) and tile.images[0].tensor.shape == [1, 5, 3]


def test_gradients_of_nanovdb_come_with_leaf_origins(client, daemon, tmp_path):
    (tmp_path / "a.vdb").write_bytes(b"a grid")
    client.fields.import_file("leaves", tmp_path / "a.vdb")
    tape = client.forward("leaves", CAMERA).tape
    got = client.backward(tape, opacity=image_like(tape), dtype="f64", accumulate=True)
    assert got.values.shape == (2, 8, 8, 8) and got.values.dtype == np.float64
    assert got.origins.tolist() == [[0, 8, 16], [24, 32, 40]] and got.origins.dtype == np.int32
    again = client.fields.gradient("leaves", dtype="f64")
    np.testing.assert_array_equal(again.values, got.values)
    np.testing.assert_array_equal(again.origins, got.origins)


@pytest.mark.parametrize("size", [(700, 500), (3, 400_000), (400_000, 2)])
def test_adjoints_go_in_tiles_that_fit_a_message(client, daemon, size, monkeypatch):
    """The fake daemon answers INVALID_ARGUMENT when a pixel comes twice or not at all."""
    monkeypatch.setattr(daemon, "_images", lambda *arguments: {scene.AOV_DEPTH: np.zeros(size[::-1])})
    camera = dvren.Camera(*size, np.eye(3, 4), fx=1, fy=1)
    tape = client.forward("smoke", camera, aov="depth", tile=1 << 19).tape
    adjoints = {"rgb": image_like(tape, channels=(3,)), "depth": image_like(tape)}
    client.backward(tape, **adjoints)
    assert len(daemon.adjoint_tiles) > 2
    for tile in daemon.adjoint_tiles:
        assert tile.ByteSize() < 3 << 20 and [image.aov for image in tile.images] == [scene.AOV_RGB, scene.AOV_DEPTH]
        at = slice(tile.roi.y, tile.roi.y + tile.roi.height), slice(tile.roi.x, tile.roi.x + tile.roi.width)
        assert tile.images[1].tensor.payload.inline == adjoints["depth"][at].tobytes()


def test_a_region_has_the_pixels_of_the_whole(client, daemon):
    tape = client.forward("smoke", CAMERA, roi=(7, 5, 33, 21)).tape
    assert (tape.width, tape.height) == (33, 21)
    client.backward(tape, rgb=image_like(tape, channels=(3,)))
    assert daemon.adjoint_tiles[0].roi == common.Roi(x=7, y=5, width=33, height=21)


def test_adjoints_of_either_float_are_sent_in_the_tapes_precision(client, daemon):
    for precision, dtype in (("f32", np.float32), ("f64", np.float64)):
        for given in (np.float32, np.float64):
            tape = client.forward("smoke", CAMERA, precision=precision).tape
            adjoint = np.random.default_rng(3).normal(size=(50, 40)).astype(given).T[:, ::-1]
            client.backward(tape, depth=adjoint)
            assert daemon.adjoint_tiles[0].images[0].tensor.payload.inline == adjoint.astype(dtype).tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "adjoints = none: give dL/d"),
        ({"rgb": np.zeros((40, 50), np.float32)}, r"rgb = array of shape \(40, 50\): must be \(40, 50, 3\)"),
        ({"depth": np.zeros((50, 40), np.float32)}, r"depth = array of shape \(50, 40\): must be \(40, 50\)"),
        ({"opacity": np.zeros((40, 50), int)}, "opacity = array of int64: must be float32 or float64"),
        ({"opacity": np.zeros((40, 50), np.float16)}, "opacity = array of float16: must be float32 or float64"),
        ({"depth": np.full((40, 50), np.inf)}, r"depth\[0, 0\] = inf: must be finite"),
        ({"depth": np.full((40, 50), 1e39)}, r"depth\[0, 0\] = 1e\+39: must be finite in f32"),
        ({"depth": np.zeros((40, 50)), "rays": True}, "rays = True: needs a tape of forward_rays"),
        ({"depth": np.zeros((40, 50)), "dtype": "f16"}, "dtype = 'f16': must be one of f32, f64"),
    ],
)
def test_adjoints_that_do_not_fit_are_refused_before_anything_is_sent(client, daemon, options, message):
    tape = client.forward("smoke", CAMERA).tape
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        client.backward(tape, **options)
    assert "Backward" not in daemon.last and not tape.released


def test_a_tape_of_rays_has_no_camera(client):
    tape = client.forward_rays("smoke", np.zeros((5, 3)), np.ones((5, 3))).tape
    with pytest.raises(dvren.InvalidArgumentError, match="camera = True: needs a tape of forward"):
        client.backward(tape, depth=np.zeros(5), camera=True)


def test_a_field_that_changed_aborts_backward_and_leaves_the_tape(client):
    tape = client.forward("smoke", CAMERA).tape
    client.fields.update("smoke", 2 * VALUES)
    with pytest.raises(dvren.AbortedError, match="the field has version 2 by now"):
        client.backward(tape, depth=np.zeros((40, 50)))
    assert not tape.released


def test_an_incomplete_answer_is_data_loss(client, daemon):
    tape = client.forward("smoke", CAMERA).tape
    whole = daemon.Backward

    def without_chunks(requests, context):
        return (message for message in whole(requests, context) if message.WhichOneof("part") != "chunk")

    daemon.Backward = without_chunks
    with pytest.raises(dvren.DataLossError, match="gradient: 0 bytes came for shape"):
        client.backward(tape, depth=np.zeros((40, 50)), keep_tape=True)
    tape = client.forward("smoke", CAMERA).tape
    daemon.Backward = lambda requests, context: iter(())
    with pytest.raises(dvren.DataLossError, match="before its summary; call backward again"):
        client.backward(tape, depth=np.zeros((40, 50)))


# ---- streams of rays -------------------------------------------------------------------------------------------------

RAYS = np.zeros((5, 3)), np.tile([0.0, 0, 1], (5, 1))


def test_batches_go_over_one_call(client, daemon):
    options = {"step": 0.5, "sigma_scale": 2.0, "aov": ("rgb", "depth"), "precision": "f64"}
    with client.stream_rays("smoke", rays=True, dt=True, exponent=-30, **options) as stream:
        plain = stream.send(*RAYS, ids=[5, 6, 7, 8, 9])
        assert plain.rgb.shape == (5, 3) and plain.depth.tolist() == [5, 6, 7, 8, 9] and plain.rgb.dtype == np.float64
        assert plain.scene is plain.dt is plain.rays is None and plain.request_id == "req-4" and plain.stats.rays == 5
        both = stream.send(RAYS[0][:2], RAYS[1][:2], t_near=0.5, rgb=np.ones((2, 3), np.float32), depth=np.ones(2))
        assert both.dt == 8 and both.rays.origins.tolist() == [[8, 8, 8]] * 2 and both.rays.t_far.shape == (2,)
    assert daemon.last["StreamRays ended"], "in good order"
    client.render_rays("smoke", *RAYS, **options)
    header, request = daemon.last["StreamRays"], daemon.last["RenderRays"]
    assert (header.scene, header.sampling, header.aovs) == (request.scene, request.sampling, request.aovs)
    assert header.want == renders.GradientRequest(rays=True, step=True, exponent=-30)
    with pytest.raises(dvren.FailedPreconditionError, match="stream = closed"):
        stream.send(*RAYS)


def test_a_stream_ends_with_the_daemons_error(client, daemon):
    with pytest.raises(dvren.OutOfRangeError, match="too small"):
        with client.stream_rays("smoke", accumulate=True) as stream:
            stream.send(*RAYS, depth=-np.eye(5)[0])
    with pytest.raises(dvren.FailedPreconditionError, match="stream = closed"):
        stream.send(*RAYS)
    with client.stream_rays("smoke"):
        pass  # nothing was sent, nothing was called


def test_batches_that_do_not_fit_are_refused_before_anything_is_sent(client, daemon):
    with client.stream_rays("smoke", accumulate=True) as stream:
        with pytest.raises(dvren.InvalidArgumentError, match=r"rgb = array of shape \(5,\): must be \(5, 3\)"):
            stream.send(*RAYS, rgb=np.ones(5))
        with pytest.raises(dvren.InvalidArgumentError, match=r"directions = array of shape \(4, 3\)"):
            stream.send(RAYS[0], RAYS[1][:4])
        assert stream.send(*RAYS).rgb.shape == (5, 3), "the stream goes on"
    with client.stream_rays("smoke") as stream:
        with pytest.raises(dvren.InvalidArgumentError, match="rgb = given: the stream was opened for no gradient"):
            stream.send(*RAYS, rgb=np.ones((5, 3)))
    with pytest.raises(dvren.InvalidArgumentError, match="exponent = 3: is of accumulated gradients"):
        client.stream_rays("smoke", exponent=3)


# ---- fields ----------------------------------------------------------------------------------------------------------


def test_an_activation_is_part_of_a_dense_field(client, field, daemon, tmp_path):
    assert field.dense_grid.activation == "softplus"
    assert client.fields.upload("plain", VALUES).dense_grid.activation == "identity"
    np.save(tmp_path / "a.npy", VALUES)
    client.fields.import_file("a", tmp_path / "a.npy", activation="trunc_exp")
    with pytest.raises(dvren.InvalidArgumentError, match="activation = 'relu': must be one of identity, softplus, exp"):
        client.fields.upload("b", VALUES, activation="relu")
    with pytest.raises(dvren.InvalidArgumentError, match="border and activation are for .npy"):
        client.fields.import_file("b", "smoke.vdb", activation="exp")


def test_new_values_make_a_new_version(client, daemon, field):
    changed = client.fields.update("smoke", VALUES[::-1], expected_version=1)
    assert changed.version == 2 and changed.name == field.name
    np.testing.assert_array_equal(client.fields.download("smoke")[..., 0], VALUES[::-1])
    request = daemon.last["UpdateField"]
    assert request.expected_version == 1 and len(request.request_id) == 32
    with pytest.raises(dvren.AbortedError, match="expected_version = 1: is 2"):
        client.fields.update(field, VALUES[..., None], expected_version=1)
    assert client.fields.update(field, VALUES[..., None]).version == 3
    assert daemon.last["UpdateField"].expected_version == 0


def test_many_values_travel_as_an_upload(client, daemon):
    values = np.random.default_rng(4).random((100, 100, 100), dtype=np.float32)
    client.fields.upload("large", values)
    daemon.chunk_sizes.clear()
    changed = client.fields.update("large", 2 * values)
    assert daemon.last["UpdateField"].payload.upload and sum(daemon.chunk_sizes) == values.nbytes
    np.testing.assert_array_equal(client.fields.download("large")[..., 0], 2 * values)
    assert changed.version == 2


def test_a_lost_answer_does_not_update_twice(client, daemon, monkeypatch):
    monkeypatch.setattr("dvren.fields._RETRY_DELAY_S", 0.01)
    daemon.lose_update = 1
    assert client.fields.update("smoke", VALUES, expected_version=1).version == 2
    assert client.fields.get("smoke").version == 2


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (VALUES.astype(np.float64), "array.dtype = float64: must be float32, as the field stores"),
        (VALUES.astype(np.float16), "array.dtype = float16: must be float32, as the field stores"),
        (VALUES[:1], r"array.shape = \(1, 3, 4\): must be \(2, 3, 4, 1\), as the field's"),
    ],
)
def test_values_that_do_not_fit_the_field_are_refused(client, daemon, array, message):
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        client.fields.update("smoke", array)
    assert "UpdateField" not in daemon.last


def test_nanovdb_fields_take_no_new_values(client, tmp_path):
    (tmp_path / "a.vdb").write_bytes(b"a grid")
    client.fields.import_file("leaves", tmp_path / "a.vdb")
    with pytest.raises(dvren.InvalidArgumentError, match="name = leaves: must be a dense_grid; nanovdb fields take no"):
        client.fields.update("leaves", VALUES)


def test_gradients_add_up_in_the_field_until_they_are_zeroed(client, daemon, field):
    with pytest.raises(dvren.FailedPreconditionError, match="has no gradient"):
        client.fields.gradient("smoke")
    client.fields.zero_gradients(field, exponent=-20)
    assert daemon.last["ZeroGradients"] == fields.ZeroGradientsRequest(name=field.name, exponent=-20)
    for values in (False, True):
        tape = client.forward("smoke", CAMERA).tape
        got = client.backward(tape, depth=np.ones((40, 50), np.float32), accumulate=True, values=values)
        assert got.value_stats.count == 24
    summed = client.fields.gradient("smoke")
    np.testing.assert_allclose(summed.values, np.full((2, 3, 4, 1), 2 * 2000 / 24), rtol=1e-6)
    np.testing.assert_array_equal(got.values, summed.values)
    assert (summed.values.dtype, summed.origins, summed.exponent, summed.field_version) == (np.float32, None, -20, 1)
    assert client.fields.gradient(field, dtype="f64").values.dtype == np.float64
    request = daemon.last["DownloadField"]
    assert (request.content, request.dtype) == (fields.FIELD_CONTENT_GRADIENT, common.DTYPE_F64)
    client.fields.zero_gradients("smoke")
    assert not daemon.last["ZeroGradients"].HasField("exponent")
    assert not client.fields.gradient("smoke").values.any()
    with pytest.raises(dvren.InvalidArgumentError, match="dtype = 'f16': must be one of f32, f64"):
        client.fields.gradient("smoke", dtype="f16")
