#!/usr/bin/env python3
"""Runs the benches side by side and prints ratios.

    tests/perf/run.py [--bin build/release/bin] [--rounds 5] [--only dense,nanovdb,memory,backward,daemon,training,service]
    ./dev bench service            the service alone; service.queue, service.batching, … a part of it

Everything that is compared runs in turns in one run of this script, since absolute times mean little on shared machines;
wall and CPU time of whole processes are printed beside each other. The prototype `march` and the sample volume are used
where the project's shared folder has them (DVREN_DATA points to its data folder), and their absence is said aloud.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import service
import training

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("DVREN_DATA", os.path.join(ROOT, "..", "shared", "data"))
PROTOTYPES = os.path.join(DATA, "..", "prototypes")


def machine():
    name = platform.processor() or "unknown"
    try:
        with open("/proc/cpuinfo") as info:
            name = re.search(r"model name\s*:\s*(.*)", info.read()).group(1)
    except (OSError, AttributeError):
        pass
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"{name}, {os.cpu_count()} hardware threads, load {os.getloadavg()[0]:.1f}, commit {commit}"


def bench(args, name, **options):
    command = [os.path.join(args.bin, "dvren_bench"), name]
    for key, value in options.items():
        command += [f"--{key}", str(value)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def march_binary(folder):
    """The prototype, compiled; None, said aloud, where it is not there."""
    source, binary = os.path.join(PROTOTYPES, "march.cpp"), os.path.join(folder, "march")
    if not os.path.exists(source):
        print(f"{source} is not there; the prototype is not measured")
        return None
    if not os.path.exists(binary):
        subprocess.run(["g++", "-std=c++20", "-O3", "-march=native", "-ffast-math", "-pthread", source, "-o", binary], check=True)
    return binary


def march(binary, threads, size=128, what=("l",), line="lin32 U2"):
    env = dict(os.environ, PX="4", PZ="12")
    out = subprocess.run([binary, str(size), "512", str(threads), *what], env=env, check=True, capture_output=True, text=True).stdout
    line = next(l for l in out.splitlines() if line in l and "wall" in l)
    wall, least, cpu = re.search(r"wall med ([\d.]+) min ([\d.]+) cpu med ([\d.]+)", line).groups()
    return {"wall": float(wall), "min": float(least), "cpu": float(cpu)}


def dense(args, folder):
    rays = 512 * 512 * 128
    binary = march_binary(folder)
    with_march = binary is not None
    ours, theirs = {1: [], 2: []}, {1: [], 2: []}
    for _ in range(args.rounds):
        for threads in (1, 2):
            if with_march:
                theirs[threads].append(march(binary, threads))
            r = bench(args, "dense", threads=threads)[0]
            ours[threads].append({"wall": statistics.median(r["wall"]), "min": min(r["wall"]), "cpu": statistics.median(r["cpu"]), "isa": r["isa"]})

    def best(runs, key):
        return min(run[key] for run in runs)

    print(f"\ndense 128^3 f32 RGBsigma, 512x512 rays x 128 samples, no early stop ({ours[1][0]['isa']}; best of {args.rounds} medians)")
    print(f"{'threads':>8} {'':14} {'wall s':>9} {'cpu s':>9} {'M samples/s':>12} {'ratio wall':>11} {'ratio cpu':>10}")
    for threads in (1, 2):
        if with_march:
            print(f"{threads:8} {'march':14} {best(theirs[threads], 'wall'):9.4f} {best(theirs[threads], 'cpu'):9.4f} {rays / best(theirs[threads], 'wall') / 1e6:12.0f}")
        line = f"{threads:8} {'dvren':14} {best(ours[threads], 'wall'):9.4f} {best(ours[threads], 'cpu'):9.4f} {rays / best(ours[threads], 'wall') / 1e6:12.0f}"
        if with_march:
            # Of each round its own ratio, then the median: neighbours in time saw the same machine.
            wall = statistics.median(t["wall"] / o["wall"] for t, o in zip(theirs[threads], ours[threads]))
            cpu = statistics.median(t["cpu"] / o["cpu"] for t, o in zip(theirs[threads], ours[threads]))
            line += f" {wall:11.2f} {cpu:10.2f}"
        print(line)
    scaling = best(ours[1], "wall") / best(ours[2], "wall")
    text = f"scaling from 1 to 2 threads: dvren {scaling:.2f}x"
    if with_march:
        peer = best(theirs[1], "wall") / best(theirs[2], "wall")
        text += f", march {peer:.2f}x, ratio {scaling / peer:.2f}"
    print(text)


def nanovdb(args):
    volume = os.path.join(DATA, "smoke.vdb")
    if not os.path.exists(volume):
        print(f"nanovdb: {volume} is not there; not measured")
        return
    for threads in (1, 2):
        rounds = [{r["bench"]: r for r in bench(args, "nanovdb", threads=threads, file=volume, width=384, repetitions=3)} for _ in range(args.rounds)]
        print(f"\nnanovdb smoke.vdb, 384x384 rays, step half a voxel, opacity only, {threads} thread(s); ratio to NanoVDB's library loop")
        for name in ("nanovdb_library_loop", "nanovdb_every_sample", "nanovdb_skipping"):
            wall = min(statistics.median(r[name]["wall"]) for r in rounds)
            cpu = min(statistics.median(r[name]["cpu"]) for r in rounds)
            ratio = statistics.median(statistics.median(r["nanovdb_library_loop"]["wall"]) / statistics.median(r[name]["wall"]) for r in rounds)
            samples = rounds[0][name]["samples"]
            extra = f" largest difference {rounds[0][name]['max_difference']:.1e}" if "max_difference" in rounds[0][name] else ""
            print(f"  {name:22} wall {wall:7.4f} s cpu {cpu:7.4f} s {samples / 1e6:7.1f} M samples {samples / wall / 1e6:6.0f} M/s ratio {ratio:5.2f}{extra}")


def memory(args):
    print("\npeak memory of a render, dense 128^3, 512x512 rays")
    for samples in (64, 1024):
        r = bench(args, "memory", samples=samples, threads=2)[0]
        print(f"  {samples:5} samples per ray: {r['peak_mib']:.1f} MiB")


def torch_python():
    """A Python that has PyTorch, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
            return python
    return None


def torch(python):
    """Seconds and samples of one forward and backward of the same scene: 64x64 rays x 128 samples."""
    script = os.path.join(PROTOTYPES, "torch_dense.py")
    out = subprocess.run([python, script, "128", "tile"], env=dict(os.environ, OMP_NUM_THREADS="2"), check=True, capture_output=True, text=True).stdout
    return float(re.search(r"fwd\+bwd med ([\d.]+)", out).group(1)), 64 * 64 * 128


def backward(args, folder):
    binary = march_binary(folder)
    script = os.path.join(PROTOTYPES, "torch_dense.py")
    python = torch_python() if os.path.exists(script) else None
    ours, theirs, peer = {1: [], 2: []}, {1: [], 2: []}, []
    for _ in range(args.rounds):
        for threads in (1, 2):
            if binary:
                theirs[threads].append(march(binary, threads, what=("b",), line="bwd lin32 xmm"))
            ours[threads].append({r["bench"]: r for r in bench(args, "backward", threads=threads)})
        if python:
            peer.append(torch(python))

    def median(r, clock="wall"):
        return statistics.median(r[clock])

    samples = ours[1][0]["backward"]["samples"]
    print(f"\nbackward pass alone, dense 128^3 f32 RGBsigma, 512x512 rays x 128 samples, no early stop, gradient of all values, zeroed within "
          f"the clock (best of {args.rounds} medians; of ratios the median)")
    print(f"{'threads':>8} {'':14} {'wall s':>9} {'cpu s':>9} {'M samples/s':>12} {'ratio wall':>11} {'ratio cpu':>10}")
    for threads in (1, 2):
        if binary:
            wall, cpu = (min(t[clock] for t in theirs[threads]) for clock in ("wall", "cpu"))
            print(f"{threads:8} {'march (float)':14} {wall:9.4f} {cpu:9.4f} {samples / wall / 1e6:12.0f}")
        wall, cpu = (min(median(o["backward"], clock) for o in ours[threads]) for clock in ("wall", "cpu"))
        line = f"{threads:8} {'dvren (int64)':14} {wall:9.4f} {cpu:9.4f} {samples / wall / 1e6:12.0f}"
        if binary:
            pairs = list(zip(theirs[threads], ours[threads]))
            line += "".join(f" {statistics.median(t[clock] / median(o['backward'], clock) for t, o in pairs):{width}.2f}" for clock, width in (("wall", 11), ("cpu", 10)))
        print(line)
    exactness(args, min(median(o["backward"], "cpu") for o in ours[1]))
    wall = min(median(o["forward_backward"]) for o in ours[2])
    print(f"forward and backward, 512x512 rays, 2 threads: {wall:.4f} s, {samples / wall / 1e6:.0f} M samples/s")
    if python:
        seconds, count = min(peer)
        print(f"PyTorch CPU, 64x64 rays x 128 samples, 2 threads: {seconds:.4f} s, {count / seconds / 1e6:.1f} M samples/s")
        for name, text in (("small_step", "dvren, the same rays"), ("small_step_read", "dvren, the same rays and the dense gradient read out")):
            mine = min(median(o[name]) for o in ours[2])
            ratio = statistics.median(p[0] / median(o[name]) for p, o in zip(peer, ours[2]))
            print(f"  {text}: {mine:.4f} s, {count / mine / 1e6:.0f} M samples/s, ratio {ratio:.1f}")
        ratio = statistics.median((p[0] / p[1]) / (median(o["forward_backward"]) / samples) for p, o in zip(peer, ours[2]))
        print(f"  samples per second of dvren's 512x512 rays against PyTorch's: ratio {ratio:.1f}")
    else:
        print(f"PyTorch or {script} is not there; not compared")
    rays(args, binary)
    print("\npeak memory of forward and backward, dense 128^3, 512x512 rays, 2 threads")
    for per_ray in (64, 1024):
        r = bench(args, "backward_memory", samples=per_ray, threads=2)[0]
        print(f"  {per_ray:5} samples per ray: {r['peak_mib']:.1f} MiB")


def exactness(args, backward_cpu):
    """What summing in int64 instead of in float costs: the kernel's scatter of the same contributions, both ways, alone."""
    rounds = [{r["bench"]: r for r in bench(args, "scatter")} for _ in range(args.rounds)]
    if "scatter_exact" not in rounds[0]:
        print("scatter: this machine has no AVX-512; not measured")
        return
    exact, single = (min(statistics.median(r[name]["cpu"]) for r in rounds) for name in ("scatter_exact", "scatter_float"))
    ratio = statistics.median(statistics.median(r["scatter_exact"]["cpu"]) / statistics.median(r["scatter_float"]["cpu"]) for r in rounds)
    print(f"exact sums against float sums, the scatter alone: {exact:.4f} s, {single:.4f} s, ratio {ratio:.2f}; "
          f"of the whole pass {backward_cpu / (backward_cpu - exact + single):.2f}")


def rays(args, binary):
    ours, theirs, unsorted = [], [], []
    for _ in range(args.rounds):
        if binary:
            theirs.append(march(binary, 1, size=256, what=("l", "4", "9")))
            unsorted.append(march(binary, 1, size=256, what=("l", "4", "1")))
        ours.append({r["bench"]: r for r in bench(args, "rays", threads=1, size=256)})
    count = ours[0]["rays_shuffled"]["samples"]
    print(f"\nforward of given rays, dense 256^3, 512x512 rays x 128 samples in batches of 32,768, 1 thread (best of {args.rounds} medians)")
    if binary:
        for name, runs in (("march, random, unsorted", unsorted), ("march, sorted in batches", theirs)):
            wall = min(r["wall"] for r in runs)
            print(f"  {name:26} {wall:.4f} s {count / wall / 1e6:6.0f} M samples/s")
    for name, text in (("rays_in_order", "dvren, in image order"), ("rays_shuffled", "dvren, random")):
        wall = min(statistics.median(o[name]["wall"]) for o in ours)
        line = f"  {text:26} {wall:.4f} s {count / wall / 1e6:6.0f} M samples/s"
        if binary:
            line += f"  ratio to march sorted {statistics.median(t['wall'] / statistics.median(o[name]['wall']) for t, o in zip(theirs, ours)):.2f}"
        print(line)


def daemon(args, folder):
    ready = os.path.join(folder, "ready")
    command = [os.path.join(args.bin, "dvrend"), "--listen", "127.0.0.1:0", "--metrics", "", "--data-dir", os.path.join(folder, "data"), "--ready-file", ready]
    with open(os.path.join(folder, "dvrend.log"), "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(600):
                if os.path.exists(ready):
                    break
                if process.poll() is not None:
                    sys.exit(f"dvrend ended with {process.returncode}; see {log.name}: {open(log.name).read()}")
                time.sleep(0.05)
            endpoint = re.search(r"127\.0\.0\.1:\d+", open(ready).read()).group(0)
            results = {r["bench"]: r for r in bench(args, "daemon", endpoint=endpoint, threads=0, repetitions=max(args.rounds, 5) * 2)}
        finally:
            process.terminate()
            process.wait()
    render, rays = results["daemon_render"], results["daemon_rays"]
    print("\ndaemon over loopback, 128^3 field, 128 samples")
    print(f"  Render 1024x1024 RGB f32: in process {render['in_process_s']:.4f} s, daemon {render['daemon_s']:.4f} s, "
          f"ratio {render['daemon_s'] / render['in_process_s']:.3f} (of minima {render['daemon_min_s'] / render['in_process_min_s']:.3f}), same bits: {render['same_bits']}")
    print(f"  RenderRays of 1,024 rays: p50 {rays['call_p50_ms']:.2f} ms, {rays['above_compute_p50_ms']:.2f} ms above its compute")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="dense,nanovdb,memory,backward,daemon,training,service")
    parser.add_argument("benches", nargs="*", help="instead of --only")
    args = parser.parse_args()
    wanted = args.benches or args.only.split(",")
    parts = [name.removeprefix("service.") for name in wanted if name.startswith("service.")]
    unknown = set(parts) - set(service.PARTS)
    unknown |= {n for n in wanted if not n.startswith("service.")} - {"dense", "nanovdb", "memory", "backward", "daemon", "training", "service"}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such bench")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        if "dense" in wanted:
            dense(args, folder)
        if "nanovdb" in wanted:
            nanovdb(args)
        if "memory" in wanted:
            memory(args)
        if "backward" in wanted:
            backward(args, folder)
        if "daemon" in wanted:
            daemon(args, folder)
        if "training" in wanted:
            print("\ntraining")
            training.optimizer(bench(args, "training", threads=os.cpu_count(), repetitions=args.rounds * 3))
            os.environ.setdefault("DVREN_BIN_DIR", os.path.abspath(args.bin))
            training.daemon(folder, os.path.abspath(DATA))
        if "service" in wanted or parts:
            os.environ.setdefault("DVREN_BIN_DIR", os.path.abspath(args.bin))
            service.service(args, folder, None if "service" in wanted else parts)


if __name__ == "__main__":
    main()
