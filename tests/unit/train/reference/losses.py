"""Losses by PyTorch, in float64, with gradients from autograd.

Arguments: kind, delta, channels, scale, path of numbers, path of answers. Numbers: predictions, targets, then one weight
per ray. Answers: the loss, then its gradient.
"""

import sys

import torch
from torch.nn import functional

kind, delta, channels, scale, numbers, answers = sys.argv[1:]
delta, channels, scale = float(delta), int(channels), float(scale)
LOSSES = {
    "mse": lambda a, b: functional.mse_loss(a, b, reduction="none"),
    "l1": lambda a, b: functional.l1_loss(a, b, reduction="none"),
    "huber": lambda a, b: functional.huber_loss(a, b, reduction="none", delta=delta),
}

with open(numbers, encoding="ascii") as file:
    values = torch.tensor([float(line) for line in file], dtype=torch.float64)
rays = len(values) // (2 * channels + 1)
prediction, target, weights = torch.split(values, [rays * channels, rays * channels, rays])
prediction = prediction.clone().requires_grad_()
each = LOSSES[kind](prediction.view(rays, channels), target.view(rays, channels))
loss = scale * (weights[:, None] * each).sum()
loss.backward()
with open(answers, "w", encoding="ascii") as file:
    for value in [loss.item(), *prediction.grad.tolist()]:
        print(repr(value), file=file)
