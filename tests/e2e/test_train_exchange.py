"""Training sessions beside steps on photographs: rays of the caller's own, parameters, gradients that ranks exchange,
checkpoints as things to list, restore and delete; and what of that is refused."""
import json
import pathlib
import struct
import sys
import threading
import time

import ctl
import numpy as np
import pytest
from python_client import dvren

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import daemon_process  # noqa: E402

from dvren._proto.dvren.v1 import common_pb2 as common  # noqa: E402
from dvren._proto.dvren.v1 import training_service_pb2 as pb  # noqa: E402

BOX = [-1, -1, -1, 1, 1, 1]
SMALL = {
    "dataset": {"synthetic": "gaussian"},
    "steps": 60,
    "field": {"sh_degree": 0, "box": BOX, "initial_density": -1.5},
    "stages": [{"resolution": 12, "rays": 256}, {"from_step": 12, "resolution": 16, "rays": 256}],
    "occupancy": {
        "every_steps": 4,
        "from_step": 4,
        "seen_window": 1,
        "weight_threshold": 0.012,  # of a cell as it begins: some are dropped, and not all
    },
}
# Linear in the gradient, so that rounding stays rounding.
SGD = {"kind": "sgd", "momentum": 0.9, "density_rate": 50, "color_rate": 50}
OWN = {**{key: value for key, value in SMALL.items() if key != "dataset"}, "stages": [{"resolution": 12}]}
# Pixel (20, 20) looks through the middle of the box.
ALONG_Z = {
    "model": "orthographic",
    "width": 41,
    "height": 41,
    "ortho_scale": 1.9,
    "camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -3]],
}


@pytest.fixture
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        yield connected


@pytest.fixture
def checkpoints(daemon):
    """The folder of the daemon's checkpoint files."""
    return daemon._folder / "data" / "checkpoints" / "t-default"


def ball_rays(count, seed=0):
    """Rays at a grey ball of radius 0.5 that nothing passes, over black: origins, directions, and the exact colours."""
    random = np.random.default_rng(seed)
    origins = random.normal(size=(count, 3))
    origins *= 3 / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = random.uniform(-0.9, 0.9, (count, 3)) - origins
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    nearest = np.linalg.norm(origins - directions * (origins * directions).sum(1, keepdims=True), axis=1)
    return origins.astype("f4"), directions.astype("f4"), np.where(nearest < 0.5, 0.5, 0.0)[:, None] * np.ones(3)


def own_rays(count=32, **more):
    origins, directions, colours = ball_rays(count)
    return {"rays": (origins, directions), "targets": colours, **more}


# ---- rays of the caller's own ----------------------------------------------------------------------------------------


def test_a_session_without_a_dataset_learns_from_rays_alone(client):
    with client.train_session("ball", {**OWN, "steps": 150}) as session:
        losses = []
        for seed in range(150):
            origins, directions, colours = ball_rays(512, seed)
            losses.append(session.step(rays=(origins, directions), targets=colours).loss)
        assert session.finished and session.dataset.photos == 0
        assert np.mean(losses[-10:]) < 0.15 * np.mean(losses[:3])
        image = client.render(session.name, camera=ALONG_Z).rgb
        assert image[20, 20].mean() == pytest.approx(0.5, abs=0.1) and image[2, 2].mean() < 0.05
        assert session.publish().dense_grid.shape == (12, 12, 12, 4)
        with pytest.raises(dvren.InvalidArgumentError, match="dataset = absent: the session has none"):
            list(
                client._connection.receive(
                    "TrainingService/Evaluate", pb.EvaluateRequest(session=session.name), pb.EvaluateResponse
                )
            )
        assert session.cameras() == ()


def test_without_dataset_and_rays_nothing_can_be_trained(client):
    with client.train_session("none", OWN) as session:
        for train in (session.step, session.train, session.export_gradients):
            with pytest.raises(dvren.FailedPreconditionError, match="give rays and targets"):
                train()
        assert session.refresh().steps_done == 0
    with pytest.raises(dvren.InvalidArgumentError, match="recipe.field.box = absent: give it, or a dataset"):
        client.train_session("none", {"steps": 3})


def test_rays_with_weights_backgrounds_ids_and_ends(client):
    with client.train_session("a", OWN) as session:
        before = session.get_parameters().values
        assert session.step(**own_rays(weights=0)).loss == 0
        # The box is at least 1 away from every origin.
        origins, directions, colours = ball_rays(32)
        report = session.step(rays=(origins, directions, 0, 0.5), targets=np.full((32, 3), 0.25), background=[0.25] * 3)
        assert report.loss == 0 and report.samples == 0
        np.testing.assert_array_equal(session.get_parameters().values, before)
        # Keys decide where samples lie: by default they differ from step to step, and given ones say the same again.
        session.set_parameters(before)
        state = session.get_parameters()
        first = session.export_gradients(**own_rays(ids=np.arange(32) + 7)).values
        again = session.export_gradients(**own_rays(ids=np.arange(32) + 7)).values
        other = session.export_gradients(**own_rays(ids=np.arange(32) + 8)).values
        np.testing.assert_array_equal(first, again)
        assert (first != other).any() and first.any()
        np.testing.assert_array_equal(session.get_parameters().values, state.values)


def test_steps_on_rays_are_done_once(client):
    with client.train_session("a", OWN) as session:
        session.step(3, **own_rays())
        values = session.get_parameters().values
        session.steps_done = 0  # as if the answer had been lost
        assert session.step(3, **own_rays()).step == 3
        np.testing.assert_array_equal(session.get_parameters().values, values)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"targets": np.zeros((31, 3))}, "targets = array of shape (31, 3): must be (32, 3)"),
        ({"targets": None}, "targets"),
        ({"weights": np.ones(31)}, "weights = array of shape (31,): must be (32,)"),
        ({"background": np.zeros((2, 3))}, "background = array of shape (2, 3)"),
        ({"ids": np.zeros(32)}, "ids = array of float64: must be integers"),
        ({"targets": np.full((32, 3), np.nan)}, "target[0] = nan: must be finite"),
        ({"background": np.full(3, np.inf)}, "background[0] = inf: must be finite"),
        ({"weights": np.full(32, np.nan)}, "weights[0] = nan: must be finite"),
        ({"weights": np.full(32, -1)}, "weights[0] = -1: must be >= 0"),
        ({"rays": (np.zeros((32, 3)), np.full((32, 3), 0.1))}, "rays.directions[0]"),
        ({"rays": (np.full((32, 3), np.nan), np.eye(3)[np.zeros(32, int)])}, "rays.origins[0]"),
    ],
)
def test_rays_that_do_not_fit_are_refused_by_name_and_value(client, change, words):
    with client.train_session("a", OWN) as session:
        with pytest.raises(dvren.InvalidArgumentError) as refused:
            session.step(**{**own_rays(), **change})
        assert words in str(refused.value)
        assert session.refresh().steps_done == 0


def test_the_daemon_checks_rays_itself(client):
    with client.train_session("a", OWN) as session:

        def says(words, change):
            origins, directions, colours = ball_rays(4)
            request = pb.TrainStepRequest(session=session.name)
            rays = request.rays.rays
            given = ((rays.origins, origins), (rays.directions, directions), (request.rays.target, colours))
            for tensor, array in given:
                tensor.dtype = common.DTYPE_F32
                tensor.shape.extend(array.shape)
                tensor.payload.inline = array.astype("<f4").tobytes()
            change(request.rays)
            with pytest.raises(dvren.InvalidArgumentError) as refused:
                client._connection.unary("TrainingService/TrainStep", request, pb.TrainStepResponse)
            assert words in str(refused.value)

        def grow(rays):
            for tensor in (rays.rays.origins, rays.rays.directions, rays.target):
                tensor.shape[0] = 65537
                tensor.payload.inline = np.tile(np.float32([0, 0, 1]), 65537).tobytes()

        says("target = absent", lambda rays: rays.ClearField("target"))
        says("target.dtype = f64: must be f32", lambda rays: setattr(rays.target, "dtype", common.DTYPE_F64))
        says("target.shape = (3, 3): must be (4, 3)", lambda rays: rays.target.shape.__setitem__(0, 3))
        says("target.payload.inline", lambda rays: setattr(rays.target.payload, "inline", b"1"))
        says("rays.origins", lambda rays: rays.rays.ClearField("origins"))
        says("65537: a step takes at most 65536 rays", grow)


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_parameters_that_are_put_back_change_nothing(client):
    results = []
    for touched in (False, True):
        with client.train_session("a", {**SMALL, "cameras": {"poses": True}}) as session:
            for _ in range(3):
                session.step(11)
                if touched:
                    parameters = session.get_parameters()
                    assert parameters.step == session.steps_done
                    assert (parameters.cells == 0).any() and len(parameters.cameras) == 24
                    session.set_parameters(parameters)
            results.append((session.get_parameters(), session.publish().sha256))
    (one, sha), (other, same_sha) = results
    assert sha == same_sha
    for name in ("values", "cells"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for mine, theirs in zip(one.cameras, other.cameras):
        assert mine == theirs


def test_parameters_are_what_is_rendered(client):
    with client.train_session("a", OWN) as session:
        # Density 2 in every voxel: softplus(v) = 2, colour 0.25.
        values = np.full((12, 12, 12, 4), 0.25, "f4")
        values[..., 3] = np.log(np.expm1(2.0))
        session.set_parameters(values)
        got = session.get_parameters()
        np.testing.assert_array_equal(got.values, values)
        np.testing.assert_allclose(got.box, np.reshape(BOX, (2, 3)))
        assert (got.cells == 1).all()
        rgb = client.render(session.name, camera=ALONG_Z).rgb
        np.testing.assert_allclose(rgb, 0.25 * (1 - np.exp(-2 * 2.0)), atol=2e-4)
        # Cells that are not there are passed.
        cells = np.ones((12, 12, 12), "u1")
        cells[6:] = 0
        session.set_parameters(values, cells)
        rgb = client.render(session.name, camera=ALONG_Z).rgb
        assert (0.25 * (1 - np.exp(-2 * 0.8)) < rgb).all() and (rgb < 0.25 * (1 - np.exp(-2 * 1.2))).all()


def test_cameras_that_are_put_in_are_those_that_are_trained_with(client):
    with client.train_session("a", SMALL) as session:
        cameras = []
        for one in session.cameras():
            pose = np.array(one.camera.camera_to_world)
            pose[0, 3] += 0.25
            moved = {**one.camera.to_json(), "camera_to_world": pose.tolist()}
            cameras.append(dvren.PhotoCamera(one.photo, dvren.Camera.from_json(moved)))
        session.set_parameters(cameras=cameras)
        assert tuple(session.cameras()) == tuple(cameras)
        session.step(2)
        with pytest.raises(dvren.InvalidArgumentError, match="cameras = 3: must be one for each of the 24"):
            session.set_parameters(cameras=cameras[:3])
        with pytest.raises(dvren.InvalidArgumentError, match="cameras\\[0\\].photo"):
            session.set_parameters(cameras=cameras[::-1])
        small = dvren.Camera.from_json({**cameras[5].camera.to_json(), "width": 3})
        with pytest.raises(dvren.InvalidArgumentError, match="cameras\\[5\\].camera = 3 x 64: must be 64 x 64"):
            session.set_parameters(cameras=[*cameras[:5], dvren.PhotoCamera(cameras[5].photo, small), *cameras[6:]])


def test_parameters_that_do_not_fit_are_refused(client):
    with client.train_session("a", OWN) as session:
        values = session.get_parameters().values
        for bad, cells, words in (
            (values[1:], None, "header.shape = (11, 12, 12, 4): must be (12, 12, 12, 4)"),
            (np.where(values == values[0, 0, 0, 0], np.nan, values), None, "values[0] = nan: must be finite"),
            (values[0], None, "3 extents"),
            (values, np.full((12, 12, 12), 128), "cells[0] = 128"),
            (values, np.ones((12, 12)), "cells.shape"),
            (None, None, "say what to set"),
        ):
            with pytest.raises(dvren.InvalidArgumentError) as refused:
                session.set_parameters(bad, None if cells is None else cells.astype("u1"))
            assert words in str(refused.value)
        with client.train_session("b", OWN) as other:
            other.step(**own_rays())
            other.steps_done = 0
            with pytest.raises(dvren.AbortedError, match="is at step 1"):
                other.set_parameters(values)
        np.testing.assert_array_equal(session.get_parameters().values, values)


def test_chunks_that_do_not_fit_are_refused(client):
    with client.train_session("a", OWN) as session:
        header = pb.SetParametersRequest(header=pb.SetParametersHeader(session=session.name, shape=[12, 12, 12, 4]))
        size = 12**3 * 16

        def says(words, *messages, error=dvren.InvalidArgumentError):
            connection = client._connection
            with pytest.raises(error) as refused:
                connection.send(
                    "TrainingService/SetParameters", iter(messages), pb.SetParametersResponse, connection.deadline()
                )
            assert words in str(refused.value)

        def chunk(offset, count, crc=None):
            return pb.SetParametersRequest(chunk=common.Chunk(offset=offset, data=bytes(count), crc32c=crc))

        says("the first message must hold the header")
        says("not a header", chunk(0, 4))
        says("not a chunk", header, header)
        says(f"chunk = 4 bytes in all: the header announces {size}", header, chunk(0, 4))
        says("chunk.offset = 8: must be 4", header, chunk(0, 4), chunk(8, 4))
        says(f"exceeds the {size}", header, chunk(0, size), chunk(size, 4))
        says("must hold 1 to 1048576", header, chunk(0, 0))
        says("has another; send it again", header, chunk(0, 4, crc=7), error=dvren.DataLossError)
        for shape, words in (
            ([12, 12, 12], "3 extents"),
            ([12, 12, 0, 4], "header.shape[2] = 0"),
            ([1 << 30, 1 << 30, 1, 1], "2^40 values at most"),
        ):
            says(words, pb.SetParametersRequest(header=pb.SetParametersHeader(session=session.name, shape=shape)))
        large = pb.SetParametersHeader(session=session.name, shape=[1 << 12, 1 << 12, 1 << 12, 4])
        says("training.max", pb.SetParametersRequest(header=large), error=dvren.ResourceExhaustedError)
        unknown = pb.SetParametersHeader(session="sessions/0", shape=[1, 1, 1, 4])
        says("no such session", pb.SetParametersRequest(header=unknown), error=dvren.NotFoundError)
        assert session.refresh().steps_done == 0


# ---- gradients -------------------------------------------------------------------------------------------------------


def reduce_gradients(ranks):
    """What an all-reduce leaves on every rank."""
    first = ranks[0]
    return dvren.StepGradients(
        first.step,
        np.mean([rank.values for rank in ranks], axis=0, dtype=first.values.dtype),
        np.max([rank.seen for rank in ranks], axis=0),
        np.mean([rank.cameras for rank in ranks], axis=0),
        0,
        0,
    )


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_two_processes_with_half_of_the_rays_train_what_one_trains(client, tmp_path, dtype):
    recipe = {**SMALL, "steps": 25, "optimizer": SGD, "regularisers": {"tv_density": 1e-5}}
    doubled = {**recipe, "stages": [{**stage, "rays": 512} for stage in recipe["stages"]]}
    with daemon_process.DaemonProcess(tmp_path / "other", "--threads", "1") as second:
        with dvren.connect(second.endpoint) as elsewhere:
            whole = client.train_session("whole", doubled)
            one, two = client.train_session("rank", recipe), elsewhere.train_session("rank", recipe)
            start = one.get_parameters().values
            for _ in range(25):
                parts = [session.export_gradients(rank, 2, dtype) for rank, session in enumerate((one, two))]
                reduced = reduce_gradients(parts)
                reports = [session.apply_gradients(reduced) for session in (one, two)]
                expected = whole.step()
                assert reports[0].step == expected.step
                assert (reports[0].loss + reports[1].loss) / 2 == pytest.approx(expected.loss, rel=1e-3)
            assert one.finished and two.finished
            mine, theirs, alone = (session.get_parameters() for session in (one, two, whole))
            np.testing.assert_array_equal(mine.values, theirs.values)
            np.testing.assert_array_equal(mine.cells, theirs.cells)
            assert one.publish().sha256 == two.publish().sha256
            scale = alone.values.max() - alone.values.min()
            assert scale > 1 and start.shape != alone.values.shape  # something was learned, and the grid has grown
            assert np.abs(mine.values - alone.values).max() < 1e-3 * scale
            assert ((mine.cells == 0) != (alone.cells == 0)).mean() < 2e-3
            assert 0.1 < (mine.cells == 0).mean() < 0.9
            for session in (one, two, whole):
                session.close()


def test_an_export_leaves_the_session_alone_and_an_application_is_done_once(client):
    with client.train_session("a", SMALL) as session:
        session.step(4)
        before = session.get_parameters()
        gradients = session.export_gradients()
        session.export_gradients(1, 4, "f64")
        after = session.get_parameters()
        np.testing.assert_array_equal(before.values, after.values)
        assert gradients.step == 4 and gradients.cameras.shape == (0, 13)
        assert gradients.values.shape == before.values.shape
        assert session.apply_gradients(gradients).step == 5
        once = session.get_parameters().values
        assert session.apply_gradients(gradients).step == 5  # a retry finds it done
        np.testing.assert_array_equal(session.get_parameters().values, once)
        session.step()
        with pytest.raises(dvren.AbortedError, match="gradients.step = 4"):
            session.apply_gradients(gradients)
        # Of a session that was trained by somebody else meanwhile.
        session.steps_done = 3
        with pytest.raises(dvren.AbortedError, match="is at step 6"):
            session.export_gradients()


def test_gradients_that_do_not_fit_are_refused(client):
    with client.train_session("a", {**SMALL, "cameras": {"poses": True}}) as session:
        good = session.export_gradients()
        assert good.cameras.shape == (24, 13) and good.cameras[:, 12].sum() == 256
        for change, words in (
            ({"values": good.values[1:], "seen": good.seen[1:]}, "gradient.shape = (11, 12, 12, 4)"),
            ({"values": good.values + np.inf}, "must be finite"),
            ({"values": good.values.astype("i4")}, "float32 or float64"),
            ({"seen": good.seen[1:]}, "seen.shape"),
            ({"cameras": good.cameras[:0]}, "gradient.cameras = 0 numbers: must be 312"),
            ({"cameras": good.cameras * np.nan}, "gradient.cameras[0] = nan"),
            ({"cameras": good.cameras[:, :5]}, "must be (photographs, 13)"),
            ({"cameras": np.zeros((25, 13))}, "must be 0 to 24, the photographs"),
        ):
            bad = dvren.StepGradients(**{**good.__dict__, **change})
            with pytest.raises(dvren.InvalidArgumentError) as refused:
                session.apply_gradients(bad)
            assert words in str(refused.value)
        for rank, world_size in ((2, 2), (-1, 2), (0, -1), (0, 1 << 20)):
            with pytest.raises(dvren.InvalidArgumentError, match="rank = |world_size = "):
                session.export_gradients(rank, world_size)
        with pytest.raises(dvren.InvalidArgumentError, match="dtype"):
            session.export_gradients(dtype="f16")
        assert session.refresh().steps_done == 0
        assert session.apply_gradients(good).step == 1


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_checkpoints_are_listed_described_and_deleted(client, daemon):
    assert client.checkpoints.list() == []
    assert daemon.ctl("checkpoint", "list").splitlines()[0].split() == ["NAME", "STEP", "SIZE", "SAVED"]
    with client.train_session("a", SMALL) as session:
        for name in ("one", "two"):
            session.step(3)
            saved = session.save_checkpoint(name)
        listed = client.checkpoints.list()
        assert [(one.name, one.step) for one in listed] == [("checkpoints/one", 3), ("checkpoints/two", 6)]
        assert listed[1].bytes == saved.bytes and listed[1].damage == "" and listed[1].create_time is not None
        assert client.checkpoints.get("two") == client.checkpoints.get("checkpoints/two") == listed[1]
        # Back to the first, as if the second had not been.
        sha = session.publish().sha256
        assert session.restore("one").steps_done == 3
        assert session.step(3).step == 6
        assert session.publish().sha256 == sha
        assert session.restore(saved).steps_done == 6
    shown = json.loads(daemon.ctl("checkpoint", "list", "-o", "json"))
    assert [(one["name"], one["step"]) for one in shown] == [("checkpoints/one", 3), ("checkpoints/two", 6)]
    assert daemon.ctl("checkpoint", "get", "one").splitlines()[1].split() == ["step", "3"]
    assert daemon.ctl("checkpoint", "delete", "one", "checkpoints/two") == "deleted one\ndeleted checkpoints/two\n"
    assert client.checkpoints.list() == []
    for call in (client.checkpoints.get, client.checkpoints.delete):
        with pytest.raises(dvren.NotFoundError, match="no such checkpoint"):
            call("one")
        with pytest.raises(dvren.InvalidArgumentError, match="letters, digits"):
            call("../one")
    gone = ctl.run("checkpoint", "delete", "one", endpoint=daemon.endpoint)
    assert gone.code == 3 and "no such checkpoint" in gone.err


def test_a_checkpoint_of_something_else_is_refused_with_what_differs(client):
    with client.train_session("a", SMALL) as session:
        session.step(2)
        session.save_checkpoint("mine")
        for change, words in (
            ({"seed": 9}, "seed = 9, and 0 in the checkpoint"),
            ({"field": {**SMALL["field"], "box": [-1, -1, -1, 1, 1, 2]}}, "field.box.max = (1, 1, 2), and (1, 1, 1)"),
            ({"dataset": {"synthetic": "gaussian", "split": "test"}}, "of 24 photographs, and this one has 6"),
        ):
            other = {**SMALL, **change}
            with pytest.raises(dvren.FailedPreconditionError) as refused:
                client.train_session("b", other, checkpoint="mine")
            assert words in str(refused.value)
            with client.train_session("b", other) as living:
                living.step()
                with pytest.raises(dvren.FailedPreconditionError) as refused:
                    living.restore("mine")
                assert words in str(refused.value)
                assert living.step().step == 2  # it is what it was
        with pytest.raises(dvren.NotFoundError, match="no such checkpoint"):
            session.restore("nothing")
    client.checkpoints.delete("mine")


def test_a_checkpoint_that_is_cut_damaged_or_of_another_version_is_refused(client, checkpoints):
    with client.train_session("a", SMALL) as session:
        session.step(2)
        session.save_checkpoint("whole")
        whole = (checkpoints / "whole.dvckpt").read_bytes()
        header = bytearray(whole[:32])
        header[8:12] = struct.pack("<I", 99)
        import zlib

        header[28:32] = struct.pack("<I", zlib.crc32(bytes(header[:28])))
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for name, content, error, words in (
            ("cut", whole[:-9], dvren.DataLossError, "cut.dvckpt"),
            ("flipped", bytes(flipped), dvren.DataLossError, "flipped.dvckpt"),
            ("version", bytes(header) + whole[32:], dvren.FailedPreconditionError, "version 99"),
            ("text", b"what is this?" * 9, dvren.InvalidArgumentError, "text.dvckpt"),
        ):
            (checkpoints / f"{name}.dvckpt").write_bytes(content)
            for restore in (session.restore, lambda of: client.train_session("b", SMALL, checkpoint=of)):
                with pytest.raises(error) as refused:
                    restore(name)
                assert words in str(refused.value)
            listed = client.checkpoints.get(name)
            assert listed.damage or name == "flipped"  # its step can be read all the same
            assert name in [one.name.split("/")[1] for one in client.checkpoints.list()]
            client.checkpoints.delete(name)
        assert session.step().step == 3
        assert session.restore("whole").steps_done == 2
    client.checkpoints.delete("whole")


# ---- callers that go away --------------------------------------------------------------------------------------------


def test_a_session_whose_client_has_vanished_stops_and_keeps_what_it_reached(daemon, client):
    session = client.train_session("a", {**SMALL, "steps": 1_000_000})
    # A client of its own, in the middle of a stream, whose connection is gone from one moment to the next.
    other = dvren.connect(daemon.endpoint)
    stream = dvren.training.TrainingSession(other._connection, session._message).stream(report_every_steps=1)
    for report in stream:
        if report.step >= 5:
            break_off = threading.Thread(target=other.close)
            break_off.start()
            break_off.join()
            break
    end = time.monotonic() + 30
    while True:
        before = session.refresh().steps_done
        if session._message.busy == "":
            break
        assert time.monotonic() < end
        time.sleep(0.02)
    assert before >= 5
    time.sleep(0.2)
    assert session.refresh().steps_done == before  # nobody trains it
    assert session.step().step == before + 1
    session.save_checkpoint("after")
    client.checkpoints.delete("after")
    session.close()


def test_an_upload_that_is_broken_off_changes_nothing(client):
    with client.train_session("a", OWN) as session:
        before = session.get_parameters().values

        def requests():
            yield pb.SetParametersRequest(header=pb.SetParametersHeader(session=session.name, shape=[12, 12, 12, 4]))
            yield pb.SetParametersRequest(chunk=common.Chunk(offset=0, data=bytes(1000)))
            raise RuntimeError("gone")

        connection = client._connection
        method, deadline = "TrainingService/SetParameters", connection.deadline()
        with pytest.raises(dvren.DvrenError):
            connection.send(method, requests(), pb.SetParametersResponse, deadline)
        np.testing.assert_array_equal(session.get_parameters().values, before)
        assert session.step(**own_rays()).step == 1
