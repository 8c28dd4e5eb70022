#!/usr/bin/env python3
"""The same renderer in PyTorch's operators, as what there would be without dvren: eager and torch.compile, forward and
forward + backward, on the grids of the bench's first two lines.

    torch_baseline.py [--json FILE] [--quick]

One ray batch at a time: clip to the box, a lattice of midpoints, grid_sample, alpha, exclusive product, sum. Samples
beyond a ray's end are computed and masked, as tensors of one shape are; the rate counts those within. Without PyTorch, or
without a GPU (but with --quick), it says so and exits with 77.
"""
import argparse
import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("SKIPPED: no PyTorch here; no baseline was measured")
    sys.exit(77)


def rays(edge, device):
    """The bench's camera: origins and unit directions of edge x edge pixels, and the box [0, 1]^3."""
    target = torch.tensor([0.5, 0.5, 0.5], device=device)
    eye = target + 0.87 * torch.tensor([0.7, 0.5, -1.6], device=device)
    z = torch.nn.functional.normalize(target - eye, dim=0)
    x = torch.nn.functional.normalize(torch.linalg.cross(z, torch.tensor([0.0, -1.0, 0.0], device=device)), dim=0)
    y = torch.linalg.cross(z, x)
    at = (torch.arange(edge, device=device, dtype=torch.float32) + 0.5 - 0.5 * edge) / (1.1 * edge)
    v, u = torch.meshgrid(at, at, indexing="ij")
    d = torch.nn.functional.normalize(u[..., None] * x + v[..., None] * y + z, dim=-1).reshape(-1, 3)
    return eye.expand_as(d), d


def render(grid, origins, directions, dt, steps):
    """grid (1, 4, n, n, n): r, g, b, sigma -> rgb (rays, 3), and the samples within the box."""
    inverse = 1 / directions
    a, b = -origins * inverse, (1 - origins) * inverse
    t0 = torch.minimum(a, b).amax(-1).clamp_min(0)
    t1 = torch.maximum(a, b).amin(-1)
    first = torch.floor(t0 / dt)
    k = first[:, None] + torch.arange(steps, device=grid.device, dtype=torch.float32)
    begin = torch.maximum(k * dt, t0[:, None])
    end = torch.minimum((k + 1) * dt, t1[:, None])
    length = (end - begin).clamp_min(0)
    t = 0.5 * (begin + end)
    p = origins[:, None] + t[..., None] * directions[:, None]
    value = torch.nn.functional.grid_sample(grid, (2 * p - 1)[None, None], mode="bilinear", padding_mode="border",
                                            align_corners=False)[0, :, 0]
    alpha = -torch.expm1(-value[3] * length)
    passed = torch.cumprod(1 - alpha, -1)
    weight = alpha * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], -1)
    return (weight * value[:3]).sum(-1).T, (length > 0).sum()


def seconds(fn, device, runs):
    """Medians of single runs, by events on a GPU."""
    times = []
    for i in range(runs + 3):
        if device == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            fn()
            end.record()
            end.synchronize()
            took = 1e-3 * begin.elapsed_time(end)
        else:
            start = time.perf_counter()
            fn()
            took = time.perf_counter() - start
        if i >= 3:
            times.append(took)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json")
    parser.add_argument("--quick", action="store_true", help="small sizes, on the CPU where there is no GPU")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not args.quick:
        print("SKIPPED: no GPU here; no baseline was measured")
        return 77
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"PyTorch {torch.__version__} on {name}")
    figures = []
    for n in (8, 16) if args.quick else (128, 256):
        torch.manual_seed(1)
        grid = torch.rand(1, 4, n, n, n, device=device)
        grid[:, 3] *= 2
        dt, steps = 0.5 / n, int(2 * n * 3 ** 0.5) + 2
        edge = 16 if args.quick else 1024
        origins, directions = rays(edge, device)
        batch = min(len(directions), 1 << (18 if n <= 128 else 17))  # what fits the memory
        # From the middle of the picture: all of these rays meet the box.
        middle = (len(directions) - batch) // 2
        o, d = origins[middle:middle + batch].contiguous(), directions[middle:middle + batch].contiguous()
        gradient = torch.rand(batch, 3, device=device)
        samples = int(render(grid, o, d, dt, steps)[1])

        def both(renderer):
            leaf = grid.requires_grad_(True)
            leaf.grad = None
            renderer(leaf, o, d, dt, steps)[0].backward(gradient)

        def forward(renderer):
            with torch.no_grad():
                renderer(grid, o, d, dt, steps)

        renderers = [("eager", render)]
        if hasattr(torch, "compile"):
            renderers.append(("compiled", torch.compile(render)))
        for kind, renderer in renderers:
            for what, call in (("forward", forward), ("forward + backward", both)):
                label = f"PyTorch {kind}, rgb+sigma f32 {n}^3, {what}"
                try:
                    rate = samples * 1e-9 / seconds(lambda: call(renderer), device, 2 if args.quick else 10)
                except Exception as error:  # a compiler that is missing is no reason to lose the rest
                    print(f"{label}: {type(error).__name__}: {str(error).splitlines()[0]}")
                    continue
                figures.append({"name": label, "unit": "G samples/s", "median": rate})
    for figure in figures:
        print(f"{figure['name']:<58} {figure['median']:9.3f} {figure['unit']}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"device": name, "torch": torch.__version__, "figures": figures}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
