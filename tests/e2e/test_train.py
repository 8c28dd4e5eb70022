"""dvrenctl train and the Python client's training sessions, on photographs that the daemon makes itself."""
import json
import pathlib
import threading

import ctl
import numpy as np
import png
import pytest
import yaml
from python_client import dvren

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = ROOT / "configs" / "recipes" / "gaussian.yaml"
SMALL = {
    "dataset": {"synthetic": "gaussian"},
    "field": {"sh_degree": 0, "box": [-1, -1, -1, 1, 1, 1]},
    "stages": [{"resolution": 32, "rays": 2048}],
    "rays": {"background": "black", "foreground_fraction": 0.5},
}


@pytest.fixture(scope="module")
def run(daemon):
    def call(*arguments, code=0):
        done = ctl.run(*arguments, endpoint=daemon.endpoint, timeout=300)
        assert done.code == code, done.err
        return done

    return call


@pytest.fixture
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        yield connected


def test_a_recipe_becomes_a_field_with_pictures_and_figures(run, tmp_path):
    out = tmp_path / "out"
    done = run("train", RECIPE, "--out", out, "-o", "json")
    result = json.loads(done.out)
    assert result["finished"] and result["field"]["display_name"] == "gaussian"
    assert len(result["views"]) == 6
    assert result["psnr"] > 30
    assert "gaussian: 24 photographs of 64 x 64" in done.err and "dB on 6 views" in done.err
    report = json.loads((out / "training.json").read_text())
    assert report["curve"][-1]["step"] == result["step"]
    assert report["curve"][-1]["psnr"] > report["curve"][0]["psnr"]
    for name in ("contact_sheet.png", "learning_curve.png"):
        assert png.read(out / name).shape[2] == 3
    run("render", "gaussian", "--out", tmp_path / "a.png", "--width", 64)
    # Trained again, it is a new version of the same field.
    again = json.loads(run("train", RECIPE, "--steps", 20, "--no-eval", "-o", "json").out)
    assert again["field"]["name"] == result["field"]["name"] and again["field"]["version"] == 2
    assert again["step"] == 20 and again["views"] == []


def test_progress_is_a_line_when_asked_for_and_nothing_else(run):
    quiet = run("train", RECIPE, "--field", "quiet", "--steps", 30, "--no-eval")
    assert "loss" not in quiet.err
    watched = run("train", RECIPE, "--field", "watched", "--steps", 30, "--no-eval", "--watch")
    assert "step 30 of 30  loss " in watched.err and "M rays/s" in watched.err


def test_the_table_names_every_view(run):
    table = run("train", RECIPE, "--field", "table", "--steps", 30).out
    assert table.splitlines()[0].split() == ["VIEW", "PSNR", "SSIM"]
    assert sum("gaussian/view_" in line for line in table.splitlines()) == 6
    assert table.splitlines()[-1].startswith("mean")


def test_a_checkpoint_goes_on_as_if_nothing_had_happened(run, client):
    run("train", RECIPE, "--field", "straight", "--no-eval", "--set", "steps=80")
    with client.train_session("resumed", {**dict(yaml.safe_load(RECIPE.read_text())), "steps": 80}) as session:
        session.train(40)
        assert session.save_checkpoint("half").step == 40
    run("train", RECIPE, "--field", "resumed", "--no-eval", "--set", "steps=80", "--resume", "half")
    one, other = (client.fields.get(name) for name in ("straight", "resumed"))
    assert one.sha256 == other.sha256
    wrong = run("train", RECIPE, "--field", "x", "--set", "steps=80", "--set", "seed=9", "--resume", "half", code=8)
    assert "seed = 9, and 0 in the checkpoint" in wrong.err


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--set", "optimizer.bata1=0.9"], 2, "did you mean beta1?"),
        (["--set", "steps=many"], 2, "must be a whole number"),
        (["--set", "optimizer.kind=adamm"], 2, "adamm"),
        (["--set", "field.activation=relu"], 2, "relu"),
        (["--data", "/etc"], 4, "lies below no allow-listed root"),
        (["--resume", "nothing"], 3, "no such checkpoint"),
        (["--set", "evaluate.background=pink"], 2, "must be white, black or R,G,B"),
        (["--set", "evaluate.split=val"], 2, "split"),
        (["--device", "cuda:9"], 3, "cuda:9"),
        (["--field", "a/b"], 2, "display_name"),
    ],
)
def test_wrong_values_are_refused_in_one_line(run, arguments, code, words):
    refused = run("train", RECIPE, *arguments, code=code)
    assert words in refused.err
    assert len(refused.err.strip().splitlines()) <= 2  # what was read, and the error


def test_a_folder_that_is_no_dataset_is_refused(run, daemon):
    empty = daemon.root / "empty"
    empty.mkdir()
    run("train", RECIPE, "--data", empty, code=2)
    run("train", RECIPE, "--data", daemon.root / "nowhere", code=3)
    run("train", "nowhere.yaml", code=3)


def test_no_session_is_left_behind(run, client):
    run("train", RECIPE, "--field", "left", "--steps", 10)
    run("train", RECIPE, "--field", "left", "--set", "evaluate.split=val", code=2)
    assert client.train_sessions() == []


def test_a_python_session_trains_evaluates_and_publishes(client):
    with client.train_session("py", {**SMALL, "steps": 120}) as session:
        first = session.step(20)
        assert first.step == first.steps == 20 and session.steps_done == 20
        reports = list(session.stream(report_every_steps=50))
        assert [report.step for report in reports] == [70, 120] and session.finished
        assert reports[-1].loss < first.loss
        evaluation = session.evaluate(background="black", images=True)
        assert len(evaluation.views) == 6 and evaluation.step == 120
        for view in evaluation.views:
            mse = np.mean((view.render.astype(np.float64) - view.truth) ** 2)
            assert view.psnr == pytest.approx(-10 * np.log10(mse), abs=1e-6)
        camera = dvren.Camera.orbit([[-1] * 3, [1] * 3], 30, 20, width=40, height=40)
        live = client.render(session.name, camera).rgb
        np.testing.assert_array_equal(client.render(session.publish(), camera).rgb, live)
    assert client.train_sessions() == []


def test_a_render_is_answered_while_a_session_trains(client):
    with client.train_session("busy", {**SMALL, "steps": 100000}) as session:
        stop = threading.Event()

        def train():
            for _ in session.stream(report_every_steps=10):
                if stop.is_set():
                    return

        trainer = threading.Thread(target=train)
        trainer.start()
        images = [client.render(session.name, width=32, height=32).rgb for _ in range(5)]
        stop.set()
        trainer.join()
        assert all(np.isfinite(image).all() for image in images)
