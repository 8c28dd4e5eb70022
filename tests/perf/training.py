"""How training and renders share a daemon, and what a step is made of. A part of run.py.

The Lego recipe where DVREN_DATA has the scene, else photographs of a blob that the daemon makes.
"""
import os
import pathlib
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients" / "python" / "src"), str(ROOT / "tests" / "support")]

SIZE = 256  # pixels of an interactive render, either way
RENDERS = 60
SECONDS = 60  # of training
GOAL_MS = 250  # p95 of a render while a session trains


def recipe(data):
    """A name for people, and what train_session takes."""
    if os.path.isdir(os.path.join(data, "nerf_synthetic", "lego")):
        return "Lego, configs/recipes/lego_dense.yaml", str(ROOT / "configs/recipes/lego_dense.yaml")
    return "Gaussian, configs/recipes/gaussian.yaml at 128^3", {
        "extends": str(ROOT / "configs/recipes/gaussian.yaml"),
        "steps": 100000,
        "stages": [{"from_step": 0, "resolution": 64, "rays": 2048}, {"from_step": 100, "resolution": 128, "rays": 4096}],
    }


def cpu_seconds(pid):
    """Of a whole process so far."""
    with open(f"/proc/{pid}/stat") as file:
        times = file.read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def latencies(client, field, pause):
    """Milliseconds of renders one after the other, each from another side."""
    out = []
    for i in range(RENDERS):
        start = time.perf_counter()
        client.render(field, orbit=(360 * i / RENDERS, 20), width=SIZE, height=SIZE)
        out.append(1e3 * (time.perf_counter() - start))
        time.sleep(pause)
    return out


def table_of_renders(rows):
    print(f"\n  {f'{SIZE}x{SIZE} render, ms':34} {'p50':>8} {'p95':>8} {'most':>8}")
    for name, values in rows:
        cuts = statistics.quantiles(values, n=20, method="inclusive")
        print(f"  {name:34} {statistics.median(values):8.1f} {cuts[18]:8.1f} {max(values):8.1f}")


def table_of_parts(reports):
    """Some intervals of about the same length, each with its share of rays, forward, backward, optimizer and the rest."""
    parts = ("ray_seconds", "forward_seconds", "backward_seconds", "optimizer_seconds")
    print(f"\n  {'steps':>12} {'ms a step':>10} {'rays %':>8} {'forward %':>10} {'backward %':>11} {'optimizer %':>12} {'rest %':>8} {'samples a ray':>14}")
    count = max(len(reports) // 8, 1)
    for first in range(0, len(reports), count):
        group = reports[first : first + count]
        seconds = sum(r.train_seconds for r in group)
        shares = [100 * sum(getattr(r, part) for r in group) / seconds for part in parts]
        steps = f"{group[0].step - group[0].steps}-{group[-1].step}"
        samples = sum(r.samples for r in group) / sum(r.rays for r in group)
        print(
            f"  {steps:>12} {1e3 * seconds / sum(r.steps for r in group):10.2f} {shares[0]:8.1f} {shares[1]:10.1f} {shares[2]:11.1f} "
            f"{shares[3]:12.1f} {100 - sum(shares):8.1f} {samples:14.1f}"
        )


def optimizer(rows):
    """Of `dvren_bench training`."""
    triad = next(r for r in rows if r["bench"] == "triad")
    bandwidth = triad["bytes"] / min(triad["wall"])
    print(f"\n  memory: a triad moves {bandwidth / 1e9:.1f} GB/s")
    for row in (r for r in rows if r["bench"] == "optimizer"):
        wall, cpu = (statistics.median(row[clock]) for clock in ("wall", "cpu"))
        # The gradient's sum is 8 bytes; value and two moments are 4 each, read and written.
        moved = 32 * row["parameters"] / wall
        print(
            f"  Adam after {row['rays']:,} rays: {100 * row['parameters'] / row['of']:.0f} % of {row['of'] / 1e6:.1f} M parameters touched, "
            f"{1e9 * wall / row['parameters']:.2f} ns each (CPU {1e9 * cpu / row['parameters']:.2f}), {moved / 1e9:.1f} GB/s, "
            f"{moved / bandwidth:.2f} of the triad"
        )


def daemon(folder, data):
    import daemon_process
    import dvren
    import numpy as np

    name, what = recipe(data)
    print(f"\ntraining in a daemon that renders: {name}")
    os.environ["DVREN_DATA"] = data
    process = daemon_process.DaemonProcess(os.path.join(folder, "training"), "--root", data)
    with process, dvren.connect(process.endpoint) as client, dvren.connect(process.endpoint) as other:
        z, y, x = np.meshgrid(*[(np.arange(128) + 0.5) / 64 - 1] * 3, indexing="ij")
        lumps = np.maximum(0, 4 * np.sin(5 * x) * np.sin(4 * y + 1) * np.sin(6 * z) + 2 * (x * x + y * y + z * z < 0.6))
        client.fields.upload("lumps", lumps.astype(np.float32), box=[-1, -1, -1, 1, 1, 1])
        latencies(client, "lumps", 0)
        rows = [("another field, idle daemon", latencies(client, "lumps", 0))]
        with other.train_session("trained", what) as session:
            reports, over = [], threading.Event()

            def train():
                for report in session.stream(report_every_steps=25, max_train_seconds=10 * SECONDS):
                    reports.append(report)
                    if over.is_set():
                        break

            thread = threading.Thread(target=train)
            wall, cpu = time.perf_counter(), cpu_seconds(process.pid)
            thread.start()
            pause = SECONDS / 2 / RENDERS
            rows.append(("another field, while training", latencies(client, "lumps", pause)))
            rows.append(("the field in training", latencies(client, session.name, pause)))
            over.set()
            thread.join()
            wall, cpu = time.perf_counter() - wall, cpu_seconds(process.pid) - cpu
            rows.append(("the same field, training paused", latencies(client, session.name, 0)))
    table_of_renders(rows)
    trained = sum(r.train_seconds for r in reports)
    print(f"  {reports[-1].step} steps in {wall:.1f} s, {trained:.1f} of them in steps; CPU {cpu:.1f} s")
    worst = max(statistics.quantiles(values, n=20, method="inclusive")[18] for name, values in rows[1:3])
    print(f"  p95 while training {worst:.0f} ms, required {GOAL_MS}: {'met' if worst <= GOAL_MS else 'NOT met'}")
    table_of_parts(reports)
