"""client.fields against the fake daemon: lists, uploads that resume, imports, downloads that resume."""

import types

import numpy as np
import pytest

import dvren
from dvren._proto.dvren.v1 import field_service_pb2 as pb

GRID = np.random.default_rng(1).random((90, 80, 100), dtype=np.float32)  # 2.75 chunks


def test_an_uploaded_array_comes_back_bit_for_bit(client, daemon):
    told = []
    field = client.fields.upload(
        "cloud", GRID, box=((0, 0, 0), (2, 1, 1)), interp="nearest", progress=lambda *at: told.append(at)
    )
    assert (field.display_name, field.type, field.dense_grid.interp, field.dense_grid.border) == (
        "cloud",
        "dense_grid",
        "nearest",
        "zero",
    )
    assert field.dense_grid.shape == (90, 80, 100, 1) and field.dense_grid.dtype == np.float32
    np.testing.assert_array_equal(field.dense_grid.box, [[0, 0, 0], [2, 1, 1]])
    np.testing.assert_array_equal(field.dense_grid.local_to_world, np.eye(3, 4))
    assert daemon.chunk_sizes == [1 << 20, 1 << 20, GRID.nbytes - (2 << 20)]
    assert told[-1] == (GRID.nbytes, GRID.nbytes) and len(told) == 3
    assert field == client.fields.get("cloud") and len({field, client.fields.get(field.name)}) == 1
    again = client.fields.download("cloud")
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again[..., 0], GRID)


@pytest.mark.parametrize("installed", [False, True])
def test_chunks_carry_a_checksum_where_the_package_for_it_is_installed(client, daemon, monkeypatch, installed):
    checksum = types.SimpleNamespace(value=len)
    monkeypatch.setattr("dvren.fields.google_crc32c", checksum if installed else None)
    client.fields.upload("cloud", GRID[:10])
    assert daemon.checksums == [GRID[:10].nbytes if installed else None]


def test_values_of_any_memory_layout_are_sent_in_c_order(client):
    half = GRID[:4, :5, :6].astype(">f2")[:, :, ::-1].transpose(2, 0, 1)
    client.fields.upload("half", half, local_to_world=np.diag([2.0, 2, 2, 1]), border="clamp")
    again = client.fields.download("half")
    assert again.dtype == np.float16 and again.shape == (6, 4, 5, 1)
    np.testing.assert_array_equal(again[..., 0], half)
    assert client.fields.get("half").dense_grid.local_to_world[1].tolist() == [0, 2, 0, 0]


def test_a_lost_upload_goes_on_where_the_daemon_stopped(client, daemon):
    daemon.break_upload_after = [1, 1 << 20]
    field = client.fields.upload("cloud", GRID)
    assert sum(daemon.chunk_sizes) == GRID.nbytes, "no byte travelled twice"
    assert field.payload_bytes == GRID.nbytes and len(daemon.uploads) == 1
    np.testing.assert_array_equal(client.fields.download("cloud")[..., 0], GRID)


def test_a_resumed_upload_waits_for_the_lost_call_to_end(client, daemon):
    daemon.break_upload_after, daemon.busy_after_break = [1], 2
    client.fields.upload("cloud", GRID)
    assert sum(daemon.chunk_sizes) == GRID.nbytes and daemon.busy == 0


def test_an_upload_that_another_call_sends_is_refused(client, daemon):
    daemon.busy = 1
    with pytest.raises(dvren.AbortedError, match="another call is using it"):
        client.fields.upload("cloud", GRID)


def test_an_upload_that_the_daemon_forgot_starts_again(client, daemon):
    daemon.break_upload_after, daemon.forget_uploads = [1 << 20], True
    client.fields.upload("cloud", GRID)
    assert sum(daemon.chunk_sizes) == GRID.nbytes + (1 << 20)
    np.testing.assert_array_equal(client.fields.download("cloud")[..., 0], GRID)


def test_a_lost_answer_does_not_make_a_second_field(client, daemon):
    daemon.lose_answer = True
    field = client.fields.upload("cloud", GRID[:2])
    assert [f.name for f in client.fields.list()] == [field.name]


def test_attempts_without_gain_end_with_the_error(client, daemon, monkeypatch):
    def refuse(requests, context):
        from fake_daemon import Abort, grpc

        raise Abort(grpc.StatusCode.UNAVAILABLE, "always")

    daemon.UploadField = refuse
    monkeypatch.setattr("dvren.fields._RETRY_DELAY_MAX_S", 0.01)
    with pytest.raises(dvren.UnavailableError, match="always"):
        client.fields.upload("cloud", GRID[:2])


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (GRID.astype(np.float64), {}, "array.dtype = float64: must be float32 or float16"),
        (GRID[0], {}, r"array.shape = \(80, 100\): must be"),
        (GRID[:0], {}, r"array.shape = \(0, 80, 100, 1\): must be"),
        (GRID, {"box": (0, 0, 0, 1, 1)}, "box = .*: must be 6 finite numbers"),
        (GRID, {"interp": "cubic"}, "interp = 'cubic': must be one of linear, nearest"),
        (GRID, {"border": "wrap"}, "border = 'wrap': must be one of zero, clamp"),
        (GRID, {"local_to_world": np.eye(3)}, r"local_to_world = array of shape \(3, 3\): must be 3x4"),
    ],
)
def test_arrays_that_fit_no_field_are_refused_before_anything_is_sent(client, daemon, array, options, message):
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        client.fields.upload("cloud", array, **options)
    with pytest.raises(dvren.InvalidArgumentError, match="name = '': must name"):
        client.fields.upload("", GRID)
    assert "UploadField" not in daemon.last


def test_a_file_is_streamed_with_its_name_alone(client, daemon, tmp_path):
    path = tmp_path / "smoke.vdb"
    path.write_bytes(bytes(range(256)) * 10)
    field = client.fields.import_file("smoke", path, grid="density", kind="nanovdb")
    assert (field.source, field.type, field.nanovdb.grid_name) == ("smoke.vdb", "nanovdb", "density")
    assert field.nanovdb.active_max == (1, 2, 3)
    told = []
    assert client.fields.download("smoke", progress=lambda *at: told.append(at)) == path.read_bytes()
    assert told == [(1000, 2560), (2000, 2560), (2560, 2560)]


def test_array_files_carry_their_box(client, daemon, tmp_path):
    np.save(tmp_path / "a.npy", GRID[:2])
    sent = []
    create = daemon._create
    daemon._create = lambda *arguments: sent.append(arguments[2]) or create(*arguments)
    client.fields.import_file("a", tmp_path / "a.npy", box=(0, 0, 0, 1, 1, 2), border="clamp")
    assert sent[0].dense_grid.box.max.z == 2 and sent[0].dense_grid.border == pb.BORDER_CLAMP
    with pytest.raises(
        dvren.InvalidArgumentError, match="smoke.vdb: box, local_to_world, interp, border and activation are for"
    ):
        client.fields.import_file("b", "smoke.vdb", box=(0, 0, 0, 1, 1, 2))
    with pytest.raises(dvren.InvalidArgumentError, match="kind = 'vdb': must be one of nanovdb, dense"):
        client.fields.import_file("b", "smoke.vdb", kind="vdb")
    with pytest.raises(FileNotFoundError):
        client.fields.import_file("b", tmp_path / "none.vdb")


def test_a_file_on_the_server_is_only_named(client, daemon):
    field = client.fields.import_file("smoke", "/data/smoke.vdb", kind="dense", on_server=True)
    assert field.source == "/data/smoke.vdb" and "UploadField" not in daemon.last
    request = daemon.last["ImportField"]
    assert request.options.kind == pb.FIELD_KIND_DENSE and len(request.request_id) == 32


def test_a_lost_download_goes_on_where_it_stopped(client, daemon):
    client.fields.upload("cloud", GRID[:1])
    daemon.break_download_after = [3000, 7000]
    np.testing.assert_array_equal(client.fields.download("cloud")[..., 0], GRID[:1])
    assert daemon.last["DownloadField"].offset == 7000


def test_a_download_of_other_bytes_is_refused(client, daemon):
    client.fields.upload("cloud", GRID[:1])
    daemon.corrupt_download = True
    with pytest.raises(dvren.DataLossError, match="or not those of its SHA-256; download again"):
        client.fields.download("cloud")


def test_lists_go_over_all_pages(client):
    for i in range(5):
        client.fields.upload(f"cloud{i}", GRID[:1])
    assert [f.display_name for f in client.fields.list()] == [f"cloud{i}" for i in range(5)]
    assert [f.display_name for f in client.fields.list(filter="3")] == ["cloud3"]


def test_deleting_wants_the_version_that_was_named(client):
    field = client.fields.upload("cloud", GRID[:1])
    with pytest.raises(dvren.AbortedError, match="expected_version = 7: is 1"):
        client.fields.delete("cloud", version=7)
    client.fields.delete(field.name, version=1)
    with pytest.raises(dvren.NotFoundError):
        client.fields.get("cloud")


def test_a_failure_of_the_callers_own_code_comes_back_to_the_caller(client):
    def progress(done, total):
        raise RuntimeError("from progress")

    with pytest.raises(RuntimeError, match="from progress"):
        client.fields.upload("cloud", GRID, progress=progress)
