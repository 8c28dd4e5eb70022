"""dvrenctl dataset: folders of photographs, without a daemon."""
import json
import struct
import zlib

import ctl
import pytest
import yaml
from daemon_process import data_dir


def png(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def scene(tmp_path):
    """Four cameras on the axes, 2 from the origin, looking at it; OpenGL's axes: right, up, back."""
    frames = []
    for i, (right, back) in enumerate([((0, 1, 0), (1, 0, 0)), ((-1, 0, 0), (0, 1, 0)), ((0, -1, 0), (-1, 0, 0)), ((1, 0, 0), (0, -1, 0))]):
        matrix = [[right[k], float(k == 2), back[k], 2 * back[k]] for k in range(3)] + [[0, 0, 0, 1]]
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": matrix})
    (tmp_path / "images").mkdir()
    for i in range(4):
        (tmp_path / f"images/{i}.png").write_bytes(png(8, 6))
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": 10, "w": 8, "h": 6, "frames": frames}))
    return tmp_path


def inspect(*arguments):
    done = ctl.run("dataset", "inspect", *arguments)
    assert done.code == 0, done.err
    return done.out


def fails(code, says, *arguments):
    done = ctl.run("dataset", "inspect", *arguments)
    assert done.code == code and done.out == "", done
    assert done.err.startswith("dvrenctl: ") and done.err.count("\n") == 1
    for part in says:
        assert part in done.err, done.err


def test_a_dataset_is_described_for_people_and_programs(scene):
    report = json.loads(inspect(scene, "-o", "json"))
    assert yaml.safe_load(inspect(scene, "-o", "yaml")) == report
    assert (report["format"], report["images"], report["channels"], report["cameras"]) == ("transforms", 4, 3, 1)
    assert report["sizes"] == [{"width": 8, "height": 6, "images": 4}]
    assert report["bytes"] == 4 * 8 * 6 * 3 * 2
    assert report["camera_positions"] == {"min": [-2, -2, 0], "max": [2, 2, 0]}
    assert report["camera_distance"] == pytest.approx(2)
    assert report["bounds"]["min"] == pytest.approx([-2, -2, -2]) and report["bounds"]["max"] == pytest.approx([2, 2, 2])
    assert report["missing"] == [] and report["notes"] == []
    table = dict(line.split("  ", 1) for line in inspect(scene).splitlines())
    assert table["size"].strip() == "8x6" and table["bounds"].strip() == "-2, -2, -2 to 2, 2, 2"
    assert json.loads(inspect(scene, "--downscale", 2, "-o", "json"))["sizes"][0]["width"] == 4
    assert json.loads(inspect(scene, "--split", "test", "--hold-out-every", 3, "-o", "json"))["images"] == 2


def test_errors_are_one_line_that_names_the_value(scene, tmp_path_factory):
    fails(2, ["downscale = 4", "images/0.png"], scene, "--downscale", 4)
    fails(2, ["split = tset", "train, test"], scene, "--split", "tset")
    fails(2, ["hold_out_every", "test"], scene, "--split", "test")
    fails(2, ["not a dataset", "transforms.json"], tmp_path_factory.mktemp("empty"))
    fails(3, ["nowhere"], scene / "nowhere")
    (scene / "images/2.png").unlink()
    fails(3, ["1 of 4", "images/2.png", "--skip-missing"], scene)
    assert json.loads(inspect(scene, "--skip-missing", "-o", "json"))["missing"] == ["images/2.png"]
    assert "1 of 4" in inspect(scene, "--skip-missing")


def test_lego_and_fox_where_they_are():
    lego, fox = data_dir() / "nerf_synthetic/lego", data_dir() / "fox"
    if not (lego.exists() and fox.exists()):
        pytest.skip(f"no {lego} and {fox}; set DVREN_DATA to the data folder")
    report = json.loads(inspect(lego, "-o", "json"))
    assert (report["format"], report["images"], report["channels"]) == ("blender", 100, 4)
    assert report["camera_distance"] == pytest.approx(4.031, abs=1e-3)  # all stand on one sphere
    report = json.loads(inspect(fox, "--skip-missing", "--downscale", 2, "-o", "json"))
    assert (report["images"], report["images_listed"], len(report["missing"])) == (50, 67, 17)
    assert report["sizes"] == [{"width": 540, "height": 960, "images": 50}]
