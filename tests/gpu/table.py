#!/usr/bin/env python3
"""The short table of a run: table.py BENCH.json [TORCH.json]. Ratios to the better of PyTorch's, forward + backward."""
import json
import os
import sys


def load(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {f["name"]: f for f in json.load(file)["figures"]}


def main():
    bench = load(sys.argv[1])
    torch = load(sys.argv[2]) if len(sys.argv) > 2 else {}
    for name, f in {**bench, **torch}.items():
        spread = f" [{f['least']:.2f}, {f['most']:.2f}]" if "least" in f else ""
        print(f"{name:<58} {f['median']:10.3f} {f['unit']}{spread}")
    for edge in (128, 256):
        ours = bench.get(f"dense rgb+sigma f32 {edge}^3, forward + backward")
        theirs = [f["median"] for name, f in torch.items() if f" {edge}^3, forward + backward" in name]
        if ours and theirs:
            print(f"{edge}^3, forward + backward: {ours['median'] / max(theirs):.2f} x the better of PyTorch")


if __name__ == "__main__":
    main()
