"""client.train_session against the fake daemon: recipes as messages, steps, streams, evaluations, and what is refused
before anything is sent."""

import os

import numpy as np
import pytest

import dvren
from dvren import _recipes
from dvren._proto.dvren.v1 import training_service_pb2 as pb


@pytest.fixture
def session(client):
    with client.train_session("lego", {"steps": 50}, "/photos") as opened:
        yield opened


def test_a_recipe_reaches_the_daemon_as_given(client, daemon):
    recipe = {
        "field_name": "lego",
        "dataset": {"path": "/photos", "downscale": 2, "missing_images": "skip", "hold_out_every": 8},
        "steps": 300,
        "seed": 2**64 - 1,
        "field": {"box": [-1, -2, -3, 4, 5, 6.5], "initial_density": 0},
        "optimizer": {"kind": "adam", "beta2": 0.5, "sparse": False},
        "stages": [{"resolution": 64}, {"from_step": 100, "rays": np.int64(4096)}],
    }
    session = client.train_session(None, recipe, checkpoint="checkpoints/a", device="cpu")
    sent = daemon.last["CreateSession"]
    assert (sent.field, sent.checkpoint, sent.device, len(sent.request_id)) == ("lego", "checkpoints/a", "cpu", 32)
    assert sent.dataset == pb.DatasetSource(
        path="/photos", downscale=2, missing_images=pb.MISSING_IMAGES_SKIP, hold_out_every=8
    )
    assert (sent.recipe.steps, sent.recipe.seed, sent.recipe.field.box.max.z) == (300, 2**64 - 1, 6.5)
    assert sent.recipe.field.HasField("initial_density") and not sent.recipe.field.HasField("sh_degree")
    assert sent.recipe.optimizer.HasField("sparse") and not sent.recipe.optimizer.sparse
    assert [stage.rays for stage in sent.recipe.stages] == [0, 4096] and not sent.recipe.stages[0].HasField("rays")
    assert (session.name, session.field, session.steps_done, session.last_step) == ("sessions/1", "lego", 7, 300)
    assert session.dataset.photos == 3 and session.dataset.notes == ("one is missing",)
    assert "step 7 of 300" in repr(session)


def test_a_dataset_given_beside_the_recipe_wins(client, daemon, monkeypatch, tmp_path):
    recipe = {"dataset": {"synthetic": "gaussian"}}
    client.train_session("a", recipe)
    assert daemon.last["CreateSession"].dataset.synthetic == "gaussian"
    monkeypatch.setenv("DVREN_DATA", "/data")
    client.train_session("a", recipe, "${DVREN_DATA}/lego")
    assert daemon.last["CreateSession"].dataset == pb.DatasetSource(path="/data/lego")
    monkeypatch.chdir(tmp_path)
    client.train_session("a", recipe, {"path": "lego", "split": "all"})
    assert daemon.last["CreateSession"].dataset == pb.DatasetSource(path=str(tmp_path / "lego"), split="all")


@pytest.mark.parametrize(
    "recipe, message",
    [
        ({"stepz": 3}, "stepz: unknown key; did you mean steps?"),
        ({"optimizer": {"bata1": 0.9}}, "optimizer.bata1: unknown key; did you mean beta1?"),
        ({"stages": [{"resolutoin": 64}]}, "stages[0].resolutoin: unknown key; did you mean resolution?"),
        ({"recipe": {}}, "recipe: unknown key"),
        ({"steps": 1.5}, "steps = 1.5: must be a whole number"),
        ({"steps": True}, "steps = True: must be a whole number"),
        ({"steps": 2**63}, "must be a whole number"),
        ({"seed": -1}, "seed = -1: must be a whole number, 0 or above"),
        ({"early_stop": float("nan")}, "early_stop = nan: must be a number"),
        ({"early_stop": "soon"}, "early_stop = soon: must be a number"),
        ({"optimizer": {"sparse": 1}}, "optimizer.sparse = 1: must be true or false"),
        ({"optimizer": "adam"}, "optimizer = adam: must be a map of keys and values"),
        ({"stages": {"resolution": 3}}, "must be a list of maps"),
        ({"field": {"box": [1, 2, 3]}}, "field.box"),
        ({"dataset": {"missing_images": "ignore"}}, "must be one of error, skip"),
        ({"color_space": 3}, "color_space = 3: must be a text"),
    ],
)
def test_a_wrong_recipe_is_refused_by_key_and_value(client, daemon, recipe, message):
    with pytest.raises(dvren.InvalidArgumentError) as refused:
        client.train_session("lego", recipe, "/photos")
    assert message in str(refused.value)
    assert "CreateSession" not in daemon.last


def test_a_recipe_file_is_read_with_what_it_extends(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.yaml").write_text("steps: 10\noptimizer: {beta1: 0.5, beta2: 1e-1}\nstages: [{rays: 1}, {rays: 2}]\n")
    (tmp_path / "b.yaml").write_text("optimizer: {beta1: 0.7}\nstages: [{rays: 3}]\nextends: base/a.yaml\n")
    recipe = _recipes.recipe_file(tmp_path / "b.yaml").recipe
    assert (recipe.steps, recipe.optimizer.beta1, recipe.optimizer.beta2) == (10, 0.7, 0.1)
    assert [stage.rays for stage in recipe.stages] == [3]
    (tmp_path / "base" / "a.yaml").write_text("extends: ../b.yaml\n")
    with pytest.raises(dvren.InvalidArgumentError, match="goes round in a circle"):
        _recipes.recipe_file(str(tmp_path / "b.yaml"))
    with pytest.raises(dvren.NotFoundError, match="no such file"):
        _recipes.recipe_file(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("a: [\n")
    with pytest.raises(dvren.InvalidArgumentError, match="is no YAML"):
        _recipes.recipe_file(tmp_path / "c.yaml")


def test_the_recipes_that_come_with_dvren_read_the_same_here(monkeypatch):
    pytest.importorskip("yaml")
    monkeypatch.setenv("DVREN_DATA", "/data")
    folder = os.path.join(os.path.dirname(__file__), "../../../configs/recipes")
    for name in ("lego_dense", "fox_dense", "gaussian"):
        assert _recipes.recipe_file(os.path.join(folder, f"{name}.yaml")).field_name


def test_steps_are_counted_and_a_retry_does_them_once(session, daemon):
    report = session.step(5)
    assert (report.step, report.steps, report.loss, report.rays) == (5, 5, 0.2, 500)
    assert session.steps_done == 5 and not session.finished
    daemon.lose_step = True
    with pytest.raises(dvren.UnavailableError):
        session.step(5)
    assert daemon.sessions[session.name].step == 10
    assert session.step(5).step == 10
    assert daemon.sessions[session.name].step == 10 and session.steps_done == 10


def test_a_session_that_another_client_trained_says_so(session, daemon):
    daemon.sessions[session.name].step = 3
    with pytest.raises(dvren.AbortedError):
        session.step()
    assert session.refresh().steps_done == 3
    assert session.step().step == 4


def test_a_stream_yields_reports_and_ends_with_the_session(session, daemon):
    reports = list(session.stream(30, report_every_steps=20, report_every=0.25, max_train_seconds=60))
    assert [report.step for report in reports] == [20, 30]
    sent = daemon.last["StreamTrain"]
    assert (sent.until_step, sent.report_every.nanos, sent.max_train_seconds) == (30, 250_000_000, 60)
    assert session.steps_done == 30 and session.last_report == reports[-1]
    assert session.train().finished


def test_leaving_a_stream_cancels_it(session):
    for report in session.stream(report_every_steps=1):
        assert report.step == 1
        break
    assert session.steps_done == 1


def test_a_stream_that_is_cut_off_is_no_end(session, daemon):
    daemon.cut_training = True
    with pytest.raises(dvren.DataLossError):
        session.train()
    with pytest.raises(dvren.InvalidArgumentError, match="report_every"):
        list(session.stream(report_every=0))


def test_an_evaluation_has_figures_and_images_of_each_view(session, daemon):
    evaluation = session.evaluate(images=True, max_views=2)
    sent = daemon.last["Evaluate"]
    assert (sent.dataset.path, sent.dataset.split) == ("/photos", "test")
    assert (sent.background.x, sent.background.z, sent.max_views) == (1, 1, 2)
    assert (evaluation.psnr, evaluation.ssim, len(evaluation.views)) == (21, 0.5, 2)
    view = evaluation.views[1]
    assert (view.name, view.psnr, view.render.shape) == ("r_1", 21, (6, 4, 3))
    assert (view.render == 0.25).all() and (view.truth == 0.75).all()
    plain = session.evaluate({"path": "/other", "split": "val"}, background=(0, 0.5, 1))
    assert plain.views[0].render is None and len(plain.views) == 3
    assert daemon.last["Evaluate"].dataset == pb.DatasetSource(path="/other", split="val")
    assert daemon.last["Evaluate"].background.y == 0.5
    with pytest.raises(dvren.InvalidArgumentError, match="background"):
        session.evaluate(background="pink")


def test_what_stays_of_a_session(client, session):
    session.step()
    assert session.save_checkpoint("a") == dvren.Checkpoint("checkpoints/a", 1, 99)
    field = session.publish()
    assert (field.name, field.display_name, field.version) == ("fields/7", "lego", 2)
    assert [other.name for other in client.train_sessions()] == [session.name]
    session.close()
    session.close()
    assert client.train_sessions() == []


def test_checkpoints_are_what_the_daemon_says(client, session, daemon):
    (listed,) = client.checkpoints.list()
    assert (listed.name, listed.step, listed.damage) == ("checkpoints/a", 7, "cut short")
    assert listed.create_time.year == 2023 and client.checkpoints.get("a") == listed
    client.checkpoints.delete(listed)
    assert daemon.last["DeleteCheckpoint"].name == "checkpoints/a"
    assert session.restore(listed) is session and session.steps_done == 7
    assert daemon.last["RestoreCheckpoint"].checkpoint == "checkpoints/a"


def test_rays_reach_the_daemon_as_given(session, daemon):
    origins, directions = np.zeros((3, 3)), np.tile([0, 0, 1], (3, 1))
    rays = (origins, directions, 1, [2, 3, 4])
    session.step(rays=rays, targets=np.full((3, 3), 0.25), weights=2, background=[1, 0, 1])
    sent = daemon.last["TrainStep"].rays
    assert np.frombuffer(sent.rays.t_near.payload.inline, "<f4").tolist() == [1, 1, 1]
    assert np.frombuffer(sent.rays.t_far.payload.inline, "<f4").tolist() == [2, 3, 4]
    assert np.frombuffer(sent.target.payload.inline, "<f4").tolist() == [0.25] * 9
    assert np.frombuffer(sent.weights.payload.inline, "<f4").tolist() == [2] * 3
    assert np.frombuffer(sent.background.payload.inline, "<f4").tolist() == [1, 0, 1] * 3
    assert not sent.rays.HasField("ids")
    session.step()
    assert not daemon.last["TrainStep"].HasField("rays")
    for wrong, words in (
        ({"targets": np.zeros((3, 3))}, "targets = given: goes with rays"),
        ({"rays": (origins, directions)}, "targets = None: give the colours"),
        ({"rays": origins, "targets": np.zeros((3, 3))}, "must be .origins, directions"),
        ({"rays": (origins, directions), "targets": "red"}, "targets = array of <U3: must be numbers"),
    ):
        with pytest.raises(dvren.InvalidArgumentError, match=words):
            session.step(**wrong)


def test_a_recipe_without_a_dataset_is_a_session_without_one(client, daemon):
    client.train_session("a", {"steps": 3})
    assert not daemon.last["CreateSession"].HasField("dataset")


def test_a_session_that_has_expired_can_be_left(client, daemon):
    with client.train_session("lego", {}, "/photos"):
        daemon.sessions.clear()
