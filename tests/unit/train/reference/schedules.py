"""Schedules by torch.optim.lr_scheduler: the rate of every step of a run, for an initial rate of 1.

Arguments: kind, final factor, steps, warm-up steps, path of numbers (none are needed), path of answers.
"""

import sys
import warnings

import torch
from torch.optim import lr_scheduler

kind, final_factor, steps, warmup_steps, _, answers = sys.argv[1:]
final_factor, steps, warmup_steps = float(final_factor), int(steps), int(warmup_steps)
last = steps - 1
SHAPES = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, factor=1, total_iters=1),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, gamma=final_factor ** (1 / last)),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=last, eta_min=final_factor),
    "linear": lambda o: lr_scheduler.LinearLR(o, start_factor=1, end_factor=final_factor, total_iters=last),
}


def rates(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return out


def warm_up(optimizer):
    return lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup_steps, end_factor=1, total_iters=warmup_steps - 1)


warnings.simplefilter("error")
# One after the other and multiplied: PyTorch's cosine is recursive and cannot be chained with another.
shape = rates(SHAPES[kind])
rise = rates(warm_up) if warmup_steps > 1 else [1.0] * steps
with open(answers, "w", encoding="ascii") as file:
    for a, b in zip(shape, rise):
        print(repr(a * b), file=file)
