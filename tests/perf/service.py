"""What the daemon's calls, queue and fairness come to, beside bare gRPC and bare SQLite in the same run. A part of run.py.

Client and daemon share the machine's cores, as do the bare ones: ratios are what counts.
"""

import hashlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients" / "python" / "src"), str(ROOT / "tests" / "support")]

CLIENTS = 64
RAYS, SAMPLES = 256, 128  # of a small request
WEIGHTS = {"one": 1, "two": 2, "three": 3, "four": 4}
FAIR_SECONDS = 60
MEMORY_CALLS = 1_000_000
STALLED = 100


def load(args, bench, **options):
    """Lines of dvren_bench_service."""
    command = [os.path.join(args.bin, "dvren_bench_service"), bench]
    for key, value in options.items():
        command += [f"--{key}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    line = json.loads(done.stdout.splitlines()[-1])
    if line.get("failed"):
        print(f"  {bench}: {line['failed']} calls failed: {line.get('error')}")
    return line


class Bare:
    """`with Bare(args) as endpoint`: gRPC alone, with the daemon's messages."""

    def __init__(self, args):
        self._command = [os.path.join(args.bin, "dvren_bench_service"), "bare"]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process.stdout.readline().strip()

    def __exit__(self, *error):
        self._process.communicate("")


def daemon(folder, name, config="", *flags):
    import daemon_process

    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text(f"log: {{level: warn}}\n{config}")
    return daemon_process.DaemonProcess(pathlib.Path(folder) / name, "--config", str(path), *flags)


def status_kib(pid, key):
    return int(re.search(rf"{key}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def upload_blob(client, n=128):
    """The scene of bench.h."""
    import numpy as np

    z, y, x = np.meshgrid(*[(np.arange(n) + 0.5) / n] * 3, indexing="ij")
    r2 = (x - 0.5) ** 2 + (y - 0.5) ** 2 + (z - 0.5) ** 2
    lumps = np.sin(17 * x) * np.sin(13 * y + 1) * np.sin(19 * z + 2)
    sigma = 4 * np.exp(-8 * r2) * (0.6 + 0.4 * lumps)
    values = np.stack([0.5 + 0.5 * np.sin(9 * x), 0.5 + 0.5 * np.sin(11 * y + 1), 0.5 + 0.5 * np.sin(7 * z), sigma], axis=-1)
    client.fields.upload("bench", values.astype(np.float32), box=[0, 0, 0, 1, 1, 1])


def goal(text, met):
    print(f"    {text}: {'met' if met else 'NOT met'}")


def queue(args, folder):
    """Durable submits and reads of jobs."""
    import dvren

    rounds = {"submits": [], "gets": [], "bare_submits": [], "bare_gets": [], "sqlite_1": [], "sqlite_64": []}
    with daemon(folder, "queue", "jobs: {max_running: 0, max_unfinished: 100000000}") as process, Bare(args) as bare:
        with dvren.connect(process.endpoint) as client:
            upload_blob(client, 16)
            job = client.jobs.bench("bench").name
        for _ in range(args.rounds):
            common = {"clients": CLIENTS, "seconds": 3}
            rounds["sqlite_1"].append(load(args, "sqlite", folder=folder, group=1, seconds=1)["rate"])
            rounds["sqlite_64"].append(load(args, "sqlite", folder=folder, group=64, seconds=1)["rate"])
            rounds["bare_submits"].append(load(args, "submits", endpoint=bare, **common)["rate"])
            rounds["submits"].append(load(args, "submits", endpoint=process.endpoint, **common))
            rounds["bare_gets"].append(load(args, "gets", endpoint=bare, job=job, **common)["rate"])
            rounds["gets"].append(load(args, "gets", endpoint=process.endpoint, job=job, **common))
    print(f"\n  {'calls/s':34} {'median':>9} {'least':>9} {'most':>9} {'p50 ms':>8} {'p99 ms':>8}")

    def row(name, values, lines=None):
        text = f"  {name:34} {statistics.median(values):9,.0f} {min(values):9,.0f} {max(values):9,.0f}"
        if lines:
            text += "".join(f" {statistics.median(line[key] for line in lines):8.2f}" for key in ("p50_ms", "p99_ms"))
        print(text)

    submits, gets = ([line["rate"] for line in rounds[name]] for name in ("submits", "gets"))
    row("bare SQLite, a commit each", rounds["sqlite_1"])
    row("bare SQLite, commits of 64", rounds["sqlite_64"])
    row("bare gRPC, SubmitJob's messages", rounds["bare_submits"])
    row(f"SubmitJob, {CLIENTS} clients", submits, rounds["submits"])
    row("bare gRPC, GetJob's messages", rounds["bare_gets"])
    row(f"GetJob, {CLIENTS} clients", gets, rounds["gets"])

    def ratio(ours, theirs):
        return statistics.median(o / t for o, t in zip(ours, theirs))

    bound = [1 / (1 / s + 1 / g) for s, g in zip(rounds["sqlite_64"], rounds["bare_submits"])]
    print(
        f"    SubmitJob: {ratio(submits, rounds['sqlite_1']):.1f} x SQLite one by one, {ratio(submits, rounds['sqlite_64']):.2f} x in groups "
        f"of 64, {ratio(submits, rounds['bare_submits']):.2f} x bare gRPC, {ratio(submits, bound):.2f} x both after each other"
    )
    print(f"    GetJob: {ratio(gets, rounds['bare_gets']):.2f} x bare gRPC")
    goal("2,000 submits/s", statistics.median(submits) >= 2000)
    goal("10,000 gets/s", statistics.median(gets) >= 10000)


def fan_out(args, folder):
    import dvren

    with daemon(folder, "fan_out") as process, dvren.connect(process.endpoint) as client:
        upload_blob(client, 32)
        cameras = [dvren.Camera.orbit([0, 0, 0, 1, 1, 1], 3 * i, width=32, height=32) for i in range(100)]
        cpu = cpu_seconds(process.pid)
        job = client.jobs.render_sequence("bench", cameras)
        line = load(args, "watchers", endpoint=process.endpoint, watchers=1000, job=job.name)
        cpu = cpu_seconds(process.pid) - cpu
    expected = 1000 * line["events"]
    print(
        f"\n  1,000 watchers of one job: {line['delivered']:,} of {expected:,} events, from the first who saw an event to the last "
        f"{line['spread_p50_ms']:.0f} ms (p50), {line['spread_max_ms']:.0f} ms at most; {1e6 * cpu / line['delivered']:.0f} us of the daemon's CPU each"
    )
    goal("each watcher saw each event, in order", line["broken"] == 0 and line["delivered"] == expected)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        times = file.read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def cancels(args, folder):
    """From the cancel of a job that renders to its end, as a watcher sees it."""
    import dvren

    with daemon(folder, "cancels") as process, dvren.connect(process.endpoint) as client:
        upload_blob(client, 128)
        camera = dvren.Camera.orbit([0, 0, 0, 1, 1, 1], width=2048, height=2048)
        latencies = []
        for _ in range(200):
            job = client.jobs.render_sequence("bench", [camera] * 50, format="npz")
            for event in client.jobs.watch(job):
                if event.state == "running":
                    break
            time.sleep(0.02)  # in the middle of a frame
            start = time.perf_counter()
            client.jobs.cancel(job)
            for event in client.jobs.watch(job):
                if event.state == "cancelled":
                    break
            latencies.append(1e3 * (time.perf_counter() - start))
            assert client.jobs.get(job).state == "cancelled"
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    print(
        f"\n  cancel of a rendering job to its end, seen by a watcher: p50 {statistics.median(latencies):.1f} ms, p99 {cuts[98]:.1f} ms, "
        f"most {max(latencies):.1f} ms (200 cancels)"
    )
    goal("50 ms p99", cuts[98] <= 50)


def metrics_of(address):
    return urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()


def fairness(args, folder):
    import dvren

    tokens = {name: f"bench-token-{name}" for name in WEIGHTS}
    listed = "".join(f"\n    - {{tenant: {n}, sha256: {hashlib.sha256(t.encode()).hexdigest()}}}" for n, t in tokens.items())
    weights = "".join(f"\n  - {{tenant: {n}, weight: {w}}}" for n, w in WEIGHTS.items())
    port = free_port()
    config = f"auth:\n  tokens:{listed}\ntenants:{weights}\n"
    with daemon(folder, "fairness", config, "--metrics", f"127.0.0.1:{port}") as process:
        over = threading.Event()

        def work(tenant):
            with dvren.connect(process.endpoint, token=tokens[tenant]) as client:
                while not over.is_set():
                    client.render("bench", width=256, height=256)

        for tenant in WEIGHTS:
            with dvren.connect(process.endpoint, token=tokens[tenant]) as client:
                upload_blob(client, 64)
        threads = [threading.Thread(target=work, args=(tenant,)) for tenant in WEIGHTS for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        before = seconds_by_tenant(port)
        time.sleep(FAIR_SECONDS)
        after = seconds_by_tenant(port)
        over.set()
        for thread in threads:
            thread.join()
    used = {tenant: after[tenant] - before[tenant] for tenant in WEIGHTS}
    total, weight = sum(used.values()), sum(WEIGHTS.values())
    off = {tenant: used[tenant] / total / (WEIGHTS[tenant] / weight) - 1 for tenant in WEIGHTS}
    print(f"\n  device seconds in {FAIR_SECONDS} s, four tenants with 4 renders each under way: " + ", ".join(
        f"weight {WEIGHTS[t]}: {used[t]:.1f} s ({100 * off[t]:+.1f} %)" for t in WEIGHTS))
    goal("within 10 % of the weights", max(map(abs, off.values())) <= 0.1)


def seconds_by_tenant(port):
    found = re.findall(r'^dvrend_device_seconds_total\{[^}]*tenant="(\w+)"[^}]*\} (\S+)', metrics_of(f"127.0.0.1:{port}"), re.M)
    return {tenant: float(value) for tenant, value in found}


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def overload(args, folder):
    import dvren

    with daemon(folder, "overload") as process:
        with dvren.connect(process.endpoint) as client:
            upload_blob(client, 64)
        common = {"endpoint": process.endpoint, "edge": 256, "seconds": 10, "deadline_ms": 2000}
        load(args, "open_loop", rate=20, **{**common, "seconds": 2})
        # What it serves at most: asked for more and more until it serves no more of it.
        rate, best = 40.0, 0.0
        while True:
            line = load(args, "open_loop", rate=rate, **{**common, "seconds": 5})
            best = max(best, line["goodput"])
            if line["goodput"] < 0.95 * rate:
                break
            rate *= 1.25
        full = load(args, "open_loop", rate=best, **common)
        twice = load(args, "open_loop", rate=2 * best, **common)
    ratio = twice["goodput"] / full["goodput"]
    for name, line in (("at capacity", full), ("at twice that", twice)):
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in line["outcomes"].items())
        print(f"{chr(10) if line is full else ''}  renders of 256x256 {name}: {line['asked']:.0f}/s asked, {line['goodput']:.0f}/s served in time, p99 {line['p99_ms']:.0f} ms ({outcomes})")
    goal(f"goodput at twice the load {100 * ratio:.0f} %, 90 % required", ratio >= 0.9)


def memory(args, folder):
    import dvren

    with daemon(folder, "memory", "jobs: {max_running: 0}") as process:
        with dvren.connect(process.endpoint) as client:
            upload_blob(client, 16)
            job = client.jobs.bench("bench").name
        common = {"endpoint": process.endpoint, "clients": CLIENTS, "job": job}
        load(args, "gets", seconds=5, **common)
        before = status_kib(process.pid, "VmRSS")
        line = load(args, "gets", seconds=3600, calls=MEMORY_CALLS, **common)
        after = status_kib(process.pid, "VmRSS")
    print(f"\n  memory of the daemon over {line['answered']:,} calls: {before / 1024:.1f} MiB, then {after / 1024:.1f} MiB")
    goal("grows by at most 32 MiB", after - before <= 32 * 1024)


def stalled(args, folder):
    import dvren

    def latencies(client):
        out = []
        for i in range(60):
            start = time.perf_counter()
            client.render("bench", orbit=(6 * i, 20), width=128, height=128)
            out.append(1e3 * (time.perf_counter() - start))
        return out

    with daemon(folder, "stalled") as process, dvren.connect(process.endpoint) as client:
        upload_blob(client, 64)
        latencies(client)
        before, alone = status_kib(process.pid, "VmRSS"), latencies(client)
        command = [os.path.join(args.bin, "dvren_bench_service"), "stalled", "--endpoint", process.endpoint, "--readers", str(STALLED)]
        readers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        readers.stdout.readline()
        last = -1
        while (now := cpu_seconds(process.pid)) - last > 0.1:  # until all are parked
            last = now
            time.sleep(1)
        between = status_kib(process.pid, "VmRSS")
        beside = latencies(client)
        readers.communicate("")
        time.sleep(2)
        freed = status_kib(process.pid, "VmRSS")
    each = (between - before) / 1024 / STALLED
    print(
        f"\n  {STALLED} renders of 2048x2048 whose answers nobody reads: {each:.2f} MiB each ({before / 1024:.0f} MiB before, {between / 1024:.0f} "
        f"with them, {freed / 1024:.0f} after); a render of 128x128 {statistics.median(alone):.1f} ms before, {statistics.median(beside):.1f} ms beside them"
    )
    goal("at most 4 MiB each", each <= 4)


def batching(args, folder):
    """Small requests of many clients, one launch for many of them, against each alone."""
    import dvren

    rounds = {"bare": [], "kernel": [], "alone": [], "single": [], "on": [], "off": []}
    with daemon(folder, "batched") as on, daemon(folder, "alone", "limits: {launch_rays: 0}") as off, Bare(args) as bare:
        for process in (on, off):
            with dvren.connect(process.endpoint) as client:
                upload_blob(client)
        common = {"clients": CLIENTS, "rays": RAYS, "samples": SAMPLES, "seconds": 3}
        for _ in range(args.rounds):
            rounds["kernel"].append(load(args, "kernel", rays=RAYS, samples=SAMPLES, together=CLIENTS, seconds=2)["rate"])
            rounds["single"].append(load(args, "kernel", rays=RAYS, samples=SAMPLES, together=1, seconds=2)["rate"])
            rounds["bare"].append(load(args, "rays", endpoint=bare, **common)["rate"])
            rounds["on"].append(load(args, "rays", endpoint=on.endpoint, **common)["rate"])
            rounds["off"].append(load(args, "rays", endpoint=off.endpoint, **common)["rate"])
    print(f"\n  requests/s of {RAYS} rays x {SAMPLES} samples, {CLIENTS} clients")
    names = {
        "bare": "bare gRPC, the same messages",
        "kernel": f"the kernel in process, {CLIENTS} a launch",
        "single": "the kernel in process, one a launch",
        "off": "daemon, each alone (launch_rays: 0)",
        "on": "daemon, batched",
    }
    for key, name in names.items():
        values = rounds[key]
        print(f"  {name:36} {statistics.median(values):9,.0f} {min(values):9,.0f} {max(values):9,.0f}")
    least = statistics.median(o / min(b, k) for o, b, k in zip(rounds["on"], rounds["bare"], rounds["kernel"]))
    both = statistics.median(o * (1 / b + 1 / k) for o, b, k in zip(rounds["on"], rounds["bare"], rounds["kernel"]))
    gain = statistics.median(o / f for o, f in zip(rounds["on"], rounds["off"]))
    print(f"    {least:.2f} x the smaller of the first two, {both:.2f} x both after each other on the same cores; batching gains {gain:.2f} x")
    goal("0.8 x the smaller", least >= 0.8)


PARTS = {
    "queue": queue,
    "fan_out": fan_out,
    "cancels": cancels,
    "fairness": fairness,
    "overload": overload,
    "memory": memory,
    "stalled": stalled,
    "batching": batching,
}


def service(args, folder, parts=None):
    print("\nservice: client and daemon share the cores")
    for name in parts or PARTS:
        PARTS[name](args, os.path.join(folder))
