#!/usr/bin/env python3
"""Poses that are a little off, recovered by training: Lego's training cameras are turned by a degree and shifted by a
hundredth of their distance, trained with refinement, and compared with the true ones after a similarity alignment.

    tests/quality/pose_recovery.py [--recipe FILE] [--seed S] [--set KEY=VALUE]... [--out FOLDER]

Prints rotation (degrees) and translation (hundredths of the mean camera distance) before and after. Skips aloud where
$DVREN_DATA (else ../shared/data) has no Lego. Exit code 1 where the median rotation stays above --goal.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import numpy as np
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/e2e")]

import daemon_process  # noqa: E402
from python_client import dvren, exp_rotation  # noqa: E402


def directions(random, n):
    v = random.normal(size=(n, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def perturbed(poses, degrees, shift, seed):
    """Each of (n, 4, 4) turned about its own centre by `degrees`, and moved by `shift` of the mean camera distance."""
    random = np.random.default_rng(seed)
    turns, moves = directions(random, len(poses)), directions(random, len(poses))
    distance = np.linalg.norm(poses[:, :3, 3], axis=1).mean()
    out = poses.copy()
    for pose, turn, move in zip(out, turns, moves):
        pose[:3, :3] = exp_rotation(np.radians(degrees) * turn) @ pose[:3, :3]
        pose[:3, 3] += shift * distance * move
    return out


def similarity(source, target):
    """s, R, t with s R x + t nearest to target in the mean square. Umeyama 1991."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / (a * a).sum()
    return scale, rotation, target.mean(0) - scale * rotation @ source.mean(0)


def pose_errors(poses, truth):
    """Per camera, after alignment of the centres: rotation in degrees, translation in hundredths of the distance."""
    scale, rotation, shift = similarity(poses[:, :3, 3], truth[:, :3, 3])
    relative = np.einsum("nji,njk->nik", truth[:, :3, :3], rotation @ poses[:, :3, :3])
    # By the sine of half the angle: the cosine of a small one is all rounding.
    angle = 2 * np.arcsin(np.clip(np.linalg.norm(relative - np.eye(3), axis=(1, 2)) / np.sqrt(8), 0, 1))
    centres = scale * poses[:, :3, 3] @ rotation.T + shift
    distance = np.linalg.norm(truth[:, :3, 3], axis=1).mean()
    return np.degrees(angle), 100 * np.linalg.norm(centres - truth[:, :3, 3], axis=1) / distance


def make_dataset(lego, folder, degrees, shift, seed):
    """The training photographs with perturbed poses; gives true and perturbed ones, (n, 4, 4)."""
    listing = json.loads((lego / "transforms_train.json").read_text())
    (folder / "train").mkdir(parents=True)
    truth = np.array([frame["transform_matrix"] for frame in listing["frames"]])
    start = perturbed(truth, degrees, shift, seed)
    for frame, pose in zip(listing["frames"], start):
        frame["transform_matrix"] = pose.tolist()
        name = frame["file_path"].removeprefix("./") + ".png"
        (folder / name).write_bytes((lego / name).read_bytes())
    (folder / "transforms_train.json").write_text(json.dumps(listing))
    return truth, start


def recipe_with(path, sets):
    recipe = yaml.safe_load(pathlib.Path(path).read_text())
    for key, _, value in (one.partition("=") for one in sets):
        place, *rest = key.split(".")[::-1]
        at = recipe
        for part in reversed(rest):
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        at[place] = yaml.safe_load(value)
    return recipe


def row(name, errors):
    angle, move = errors
    print(f"{name:8}{np.median(angle):10.3f}{np.max(angle):8.3f}{np.median(move):14.3f}{np.max(move):8.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default=ROOT / "configs/recipes/lego_poses.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--degrees", type=float, default=1.0)
    parser.add_argument("--shift", type=float, default=0.01, help="of the camera distance")
    parser.add_argument("--goal", type=float, default=0.15, help="median degrees")
    parser.add_argument("--out", type=pathlib.Path, help="keeps the cameras as transforms.json")
    arguments = parser.parse_args()
    lego = daemon_process.data_dir() / "nerf_synthetic" / "lego"
    if not (lego / "transforms_train.json").exists():
        print(f"SKIPPED: no Lego in {lego}; set DVREN_DATA")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        truth, start = make_dataset(lego, scratch / "lego", arguments.degrees, arguments.shift, arguments.seed)
        recipe = recipe_with(arguments.recipe, arguments.set)
        recipe["dataset"]["path"] = str(scratch / "lego")
        print(f"{'':8}{'rotation':>10}{'max':>8}{'translation':>14}{'max':>8}")
        row("before", pose_errors(start, truth))
        with daemon_process.DaemonProcess(scratch / "dvrend", "--root", str(scratch)) as daemon:
            with dvren.connect(daemon.endpoint) as client, client.train_session("poses", recipe) as session:
                for report in session.stream(report_every_steps=max(1, session.last_step // 5)):
                    poses = np.tile(np.eye(4), (len(truth), 1, 1))
                    cameras = session.cameras()
                    poses[:, :3] = [one.camera.camera_to_world for one in cameras]
                    poses[:, :3, 1:3] *= -1  # to OpenGL's axes, as in the file
                    errors = pose_errors(poses, truth)
                    row(f"{report.step}", errors)
                    print(f"         {report.psnr:.2f} dB, {report.total_train_seconds:.1f} s", flush=True)
                if arguments.out is not None:
                    arguments.out.mkdir(parents=True, exist_ok=True)
                    dvren.write_transforms(arguments.out / "transforms.json", cameras)
    return 0 if np.median(errors[0]) <= arguments.goal else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
