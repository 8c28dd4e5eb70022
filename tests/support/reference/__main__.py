"""Command line: `python3 -m reference render|camera|goldens`, with this package's parent folder on PYTHONPATH."""

import argparse
import json
import sys

import numpy as np

from . import Camera, DenseGrid, RenderSettings, TransferFunction, default_orbit_camera, dense_from_sparse, load_vdb
from . import render_image
from .goldens import case_errors, load_cases
from .render import AOVS


def _floats(count):
    def parse(text):
        values = tuple(float(part) for part in text.split(","))
        if len(values) not in (count if isinstance(count, tuple) else (count,)):
            raise argparse.ArgumentTypeError(f"{text!r}: needs {count} numbers separated by commas")
        return values

    return parse


def _add_scene_arguments(parser):
    parser.add_argument("field", help=".vdb file, or .npy array (nz, ny, nx, channels)")
    parser.add_argument("--grid", default="density", help="name of the grid in a .vdb file")
    parser.add_argument("--kind", choices=("nanovdb", "dense"), default="nanovdb", help="how a .vdb file is stored")
    parser.add_argument("--box", type=_floats(6), help="x0,y0,z0,x1,y1,z1 of an array; default: the unit box")
    parser.add_argument("--interp", choices=("linear", "nearest"), default="linear")
    parser.add_argument("--border", choices=("zero", "clamp"), default="zero")
    parser.add_argument("--local-to-world", type=_floats(12), help="3x4 affine of an array's box, row by row")
    parser.add_argument("--camera", help="cam.json")
    parser.add_argument("--orbit", type=_floats((2, 3)), help="AZ,EL[,DIST] in degrees and world units")
    parser.add_argument("--fov", type=float, default=40.0, help="vertical field of view of --orbit, degrees")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--height", type=int, default=160)


def _load_field(args):
    if args.field.endswith(".vdb"):
        sparse = load_vdb(args.field, args.grid)
        return dense_from_sparse(sparse) if args.kind == "dense" else sparse
    box = args.box or (0, 0, 0, 1, 1, 1)
    affine = None if args.local_to_world is None else np.reshape(args.local_to_world, (3, 4))
    return DenseGrid(np.load(args.field), box[:3], box[3:], args.interp, args.border, affine)


def _load_camera(args, field):
    if args.camera:
        return Camera.from_json(args.camera)
    return default_orbit_camera(field.box_world_corners(), args.width, args.height, args.orbit, args.fov)


def _render(args):
    field = _load_field(args)
    settings = RenderSettings(
        dt=args.step,
        sigma_scale=args.sigma_scale,
        background=args.background,
        early_stop=args.early_stop,
        max_steps=args.max_steps,
        sampling=args.sampling,
        seed=args.seed,
        color=args.color,
        transfer=TransferFunction.from_json(args.transfer) if args.transfer else None,
    )
    out = render_image(field, _load_camera(args, field), settings, args.roi and tuple(int(v) for v in args.roi))
    if args.out.endswith(".npy"):
        np.save(args.out, out["rgb"])
    elif args.out.endswith(".npz"):
        np.savez(args.out, **{name: out[name].astype(np.float64) for name in AOVS})
    else:
        raise ValueError(f"--out = {args.out}: must end in .npy (rgb) or .npz ({', '.join(AOVS)})")
    counters = {key: out[key] for key in ("total_samples", "truncated_rays", "early_stopped_rays")}
    print(json.dumps(counters))
    return 0


def _camera(args):
    print(json.dumps(_load_camera(args, _load_field(args)).to_json(), indent=1))
    return 0


def _goldens(args):
    worst = 0.0
    for case in load_cases(args.path):
        errors = case_errors(case)
        worst = max(worst, *errors.values())
        print("  ".join(f"{name} {error:.1e}" for name, error in errors.items()), " ", case["name"])
    return 0 if worst <= args.tolerance else 1


def main(argv=None):
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    render = commands.add_parser("render", help="render a field to .npy (rgb) or .npz (all AOVs), float64")
    _add_scene_arguments(render)
    render.add_argument("--out", required=True)
    render.add_argument("--step", type=float, help="world units; default: half the smallest voxel")
    render.add_argument("--max-steps", type=int, default=RenderSettings.max_steps)
    render.add_argument("--sampling", choices=("fixed", "stratified", "uniform_jitter"), default="fixed")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--early-stop", type=float, default=RenderSettings.early_stop)
    render.add_argument("--background", type=_floats(3), default=(0.0, 0.0, 0.0))
    render.add_argument("--sigma-scale", type=float, default=1.0)
    render.add_argument("--color", type=_floats(3), default=(1.0, 1.0, 1.0))
    render.add_argument("--transfer", help='JSON: {"density": [n], "rgb": [[3], ...]}')
    render.add_argument("--roi", type=_floats(4), help="X,Y,W,H in pixels")
    render.set_defaults(run=_render)

    camera = commands.add_parser("camera", help="print the cam.json that render would use")
    _add_scene_arguments(camera)
    camera.set_defaults(run=_camera)

    goldens = commands.add_parser("goldens", help="largest difference per case of a golden JSON file")
    goldens.add_argument("path")
    goldens.add_argument("--tolerance", type=float, default=1e-6)
    goldens.set_defaults(run=_goldens)

    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (OSError, ValueError) as error:
        print(f"reference: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
