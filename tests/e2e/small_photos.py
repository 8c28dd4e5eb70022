"""A folder of small photographs with a transforms.json, as a newcomer may have one: a blue ball of fog whose images are
known in closed form, from cameras that look at it from all around."""
import json

import numpy as np
import png

EDGE, FOCAL, DISTANCE, WIDTH, DEPTH = 48, 60.0, 4.0, 0.35, 3.0  # pixels, pixels, world, world, optical depth
COLOUR = np.array([0.3, 0.5, 0.9])


def poses(n):
    """(n, 4, 4) camera to world, OpenGL's axes, on a spiral of two turns."""
    out = []
    for i in range(n):
        azimuth, elevation = 4 * np.pi * i / n, np.radians(-40 + 80 * i / (n - 1))
        back = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
        right = np.array([np.cos(azimuth), 0, -np.sin(azimuth)])
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(back, right), back, DISTANCE * back], axis=1)
        out.append(pose)
    return np.array(out)


def image(pose):
    """Opacity 1 - exp(-tau): tau of a Gaussian density along a line falls with its distance from the centre."""
    y, x = np.mgrid[:EDGE, :EDGE] + 0.5 - EDGE / 2
    rays = np.stack([x, -y, np.full_like(x, -FOCAL)], axis=-1) @ pose[:3, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    away = np.linalg.norm(np.cross(rays, pose[:3, 3]), axis=-1)
    opacity = -np.expm1(-DEPTH * np.exp(-(away**2) / (2 * WIDTH**2)))
    return np.round(255 * opacity[..., None] * COLOUR).astype(np.uint8)


def make(folder, n=24):
    (folder / "images").mkdir(parents=True)
    frames = []
    for i, pose in enumerate(poses(n)):
        png.write(folder / f"images/{i:03}.png", image(pose))
        frames.append({"file_path": f"images/{i:03}.png", "transform_matrix": pose.tolist()})
    listing = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": EDGE / 2, "cy": EDGE / 2, "w": EDGE, "h": EDGE, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(listing))
