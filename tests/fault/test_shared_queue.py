"""Many daemons on one PostgreSQL queue: what one is asked for another may do, and what one leaves another finishes."""

import hashlib
import re
import time

import pytest
from shared_daemon import FINISHED, Daemon, PostgresServer, pb, render_spec, train_spec, wait_for

JOBS = 200
TRAININGS = 20
FRAMES = (2, 3, 4, 5, 8)
STEPS = (100, 140)
S = pb.JOB_STATE_SUCCEEDED


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def pair(postgres, tmp_path, request):
    """Two daemons on a new queue, which know different fields by the same name."""
    url = postgres.new_queue(re.sub(r"\W", "_", request.node.name)[:60].lower())
    daemons = [Daemon(tmp_path / name, url, tmp_path / "objects") for name in "ab"]
    try:
        for daemon, shape in zip(daemons, ("cloud", "ball")):
            daemon.start().ctl("field", "create", "f", "--shape", shape, "--size", "16")
        yield daemons
    finally:
        for daemon in daemons:
            daemon.kill()


def hashes(job):
    return {artifact.name: artifact.sha256 for artifact in job.artifacts}


def sequence(frames):
    """Large enough for a kill to come in the middle of some."""
    return render_spec("f", frames, width=320, height=240)


def undisturbed(folder, shape):
    """What each spec comes to on a daemon of its own, which nobody kills: hashes of frames, and of trained values."""
    daemon = Daemon(folder).start()
    try:
        daemon.ctl("field", "create", "f", "--shape", shape, "--size", "16")
        truth = {}
        for frames in FRAMES:
            done = daemon.stub.finished(daemon.stub.submit(sequence(frames)))
            truth["render", frames] = hashes(done)
        for steps in STEPS:
            assert daemon.stub.finished(daemon.stub.submit(train_spec(f"t{steps}", steps))).state == S
            truth["train", steps] = daemon.stub.get_field(f"t{steps}").sha256.hex()
        return truth
    finally:
        daemon.kill()


def check_history(stub, job):
    """One outcome; events without gaps; no frame rendered twice."""
    events = stub.events(job.name)
    assert [event.number for event in events] == list(range(1, len(events) + 1)), job.name
    states = [event.state for event in events if event.WhichOneof("event") == "state"]
    assert [state for state in states if state in FINISHED] == [S] and states[-1] == S, (job.name, states)
    if job.kind == "render_sequence":
        frames = [event.progress.done for event in events if event.WhichOneof("event") == "progress"]
        assert frames == list(range(1, job.total + 1)), (job.name, frames)
        made = [event.artifact.name for event in events if event.WhichOneof("event") == "artifact"]
        assert len(made) == len(set(made)) == job.total, (job.name, made)


def test_two_daemons_share_200_jobs_and_one_that_is_killed_leaves_no_trace(pair, tmp_path):
    a, b = pair
    truth = {daemon: undisturbed(tmp_path / shape, shape) for daemon, shape in ((a, "cloud"), (b, "ball"))}
    jobs = {}  # name: who was asked, what
    for i in range(JOBS):
        home = pair[i % 2]
        if i % (JOBS // TRAININGS) in (0, 5):
            what = ("train", STEPS[i % len(STEPS)])
            name = home.stub.submit(train_spec(f"trained-{i}", what[1]), request_id=f"r{i}")
        else:
            what = ("render", FRAMES[i % len(FRAMES)])
            name = home.stub.submit(sequence(what[1]), request_id=f"r{i}")
        jobs[name] = (i, home, what)
    assert len(jobs) == JOBS
    begin = time.monotonic()

    def done():
        return sum(job.state in FINISHED for job in a.stub.all_jobs())

    wait_for(lambda: done() >= JOBS // 4 and b.logged("job ended"), 120)
    before = done()
    b.kill()
    wait_for(lambda: done() == JOBS, 300)
    print(f"{before} jobs were done when one of two daemons was killed; all after {time.monotonic() - begin:.0f} s")
    taken_over = 0
    for name, (i, home, what) in jobs.items():
        job = a.stub.get(name)
        assert job.state == S, job
        check_history(a.stub, job)
        if what[0] == "render":
            assert hashes(job) == truth[home][what], (name, what)
        else:
            assert hashes(job)["payload.bin"] == truth[home][what], (name, what)
        taken_over += job.attempts > 1
    assert 1 <= taken_over <= 4, "the jobs that ran when it was killed, and no others, had a second attempt"
    ran = [{line["job"] for line in daemon.logged("job ended")} for daemon in pair]
    # What ended in the instant of the kill may have no line in the log.
    assert all(len(each) > 0 for each in ran) and len(set(jobs) - (ran[0] | ran[1])) <= 4
    # Whoever was asked for a training has the field, and he alone.
    b.start()
    for name, (i, home, what) in jobs.items():
        if what[0] != "train":
            continue
        assert home.stub.get(name).state == S
        assert home.stub.get_field(f"trained-{i}").sha256.hex() == truth[home][what]
    # Asked again, each is the same job.
    for name, (i, home, what) in list(jobs.items())[:20]:
        spec = train_spec(f"trained-{i}", what[1]) if what[0] == "train" else sequence(what[1])
        assert home.stub.submit(spec, request_id=f"r{i}") == name
    assert len(a.stub.all_jobs()) == JOBS


def test_what_one_daemon_was_asked_another_does_and_every_daemon_answers_for(pair):
    a, b = pair
    b.config["jobs"]["max_running"] = 1
    blocker = a.stub.submit(render_spec("f", 5000, turn=1))  # b may have it, or a; both have room beside it
    job = a.stub.submit(render_spec("f", 3))
    done = b.stub.finished(job)
    assert done.state == S and [artifact.name for artifact in done.artifacts] == [f"frame_000{i}.png" for i in range(3)]
    for daemon in pair:
        for artifact in done.artifacts:
            content = daemon.stub.download(job, artifact.name)
            assert hashlib.sha256(content).hexdigest() == artifact.sha256
        assert daemon.stub.GetJobLogs(pb.GetJobLogsRequest(name=job)).lines
        assert [e.number for e in daemon.stub.events(job)] == list(range(1, done.last_event + 1))
    for daemon in pair:
        daemon.stub.CancelJob(pb.CancelJobRequest(name=blocker))
    assert b.stub.finished(blocker).state == pb.JOB_STATE_CANCELLED


def test_a_job_shows_the_field_as_it_was_when_it_was_submitted(pair):
    a, b = pair
    a.stop()
    held = b.stub.submit(render_spec("f", 2))
    b.stub.finished(held)
    b.stub.PauseJob(pb.PauseJobRequest(name=(job := b.stub.submit(render_spec("f", 2000, turn=1)))))
    wait_for(lambda: b.stub.get(job).state == pb.JOB_STATE_PAUSED)
    b.ctl("field", "delete", "f")
    b.stub.ResumeJob(pb.ResumeJobRequest(name=job))
    at = b.stub.get(job).done
    wait_for(lambda: b.stub.get(job).done > at + 2)
    b.stub.CancelJob(pb.CancelJobRequest(name=job))
    b.stub.finished(job)
    first_two = {name: sha for name, sha in hashes(b.stub.get(job)).items() if name == "frame_0000.png"}
    assert first_two.items() <= hashes(b.stub.get(held)).items()


def test_a_training_goes_on_on_another_daemon_with_the_same_bits(pair):
    a, b = pair
    whole = a.stub.finished(a.stub.submit(train_spec("whole", 400)))
    b.stop()
    job = a.stub.submit(train_spec("parts", 400))
    wait_for(lambda: a.stub.get(job).done >= 60)
    a.stub.PauseJob(pb.PauseJobRequest(name=job))
    wait_for(lambda: a.stub.get(job).state == pb.JOB_STATE_PAUSED)
    a.stop()
    b.start()
    b.stub.ResumeJob(pb.ResumeJobRequest(name=job))
    done = b.stub.finished(job)
    assert done.state == S and hashes(done)["payload.bin"] == hashes(whole)["payload.bin"]
    assert any("training goes on at step" in line.log for line in b.stub.GetJobLogs(pb.GetJobLogsRequest(name=job)).lines)
    a.start()
    assert wait_for(lambda: a.stub.get(job).state == S)
    assert a.stub.get_field("parts").sha256 == a.stub.get_field("whole").sha256


def test_a_queue_that_goes_away_makes_jobs_wait_and_costs_none_of_them(postgres, pair):
    a, b = pair
    jobs = [a.stub.submit(render_spec("f", 60, turn=6)) for _ in range(8)]
    wait_for(lambda: all(daemon.logged("job started") for daemon in pair))
    postgres.crash()
    try:
        for daemon in pair:
            wait_for(lambda: not daemon.stub.serving("dvren.v1.JobService"))
            assert daemon.stub.serving("dvren.v1.RenderService") and daemon.stub.serving("")
        time.sleep(5)  # more than two leases
    finally:
        postgres.start()
    for job in jobs:
        done = a.stub.finished(job, 120)
        assert done.state == S and done.attempts == 1, done
        check_history(a.stub, done)
    for daemon in pair:
        wait_for(lambda: daemon.stub.serving("dvren.v1.JobService"))
        assert daemon.logged("jobs: the queue is back")
