"""Losses by PyTorch, in float64, with gradients from autograd.

Arguments: comma-separated kinds, each with its delta behind a colon, channels, scale, path of numbers, path of
answers. Numbers: predictions, targets, then one weight per ray. Answers: per kind the loss, then its gradient.
"""

import sys

import torch
from torch.nn import functional

kinds, channels, scale, numbers, answers = sys.argv[1:]
channels, scale = int(channels), float(scale)
LOSSES = {
    "mse": lambda a, b, _: functional.mse_loss(a, b, reduction="none"),
    "l1": lambda a, b, _: functional.l1_loss(a, b, reduction="none"),
    "huber": lambda a, b, delta: functional.huber_loss(a, b, reduction="none", delta=delta),
}

with open(numbers, encoding="ascii") as file:
    values = torch.tensor([float(line) for line in file], dtype=torch.float64)
rays = len(values) // (2 * channels + 1)
prediction, target, weights = torch.split(values, [rays * channels, rays * channels, rays])
with open(answers, "w", encoding="ascii") as file:
    for kind, delta in (text.split(":") for text in kinds.split(",")):
        variable = prediction.clone().requires_grad_()
        each = LOSSES[kind](variable.view(rays, channels), target.view(rays, channels), float(delta))
        loss = scale * (weights[:, None] * each).sum()
        loss.backward()
        for value in [loss.item(), *variable.grad.tolist()]:
            print(repr(value), file=file)
