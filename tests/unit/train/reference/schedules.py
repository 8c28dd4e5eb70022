"""Schedules by torch.optim.lr_scheduler: the rate of every step of a run, for an initial rate of 1.

Arguments: steps, final factor, comma-separated kinds and warm-up steps, path of numbers (none are needed), path of
answers. Answers: `steps` rates for every kind and, of one kind, for every warm-up.
"""

import sys
import warnings

import torch
from torch.optim import lr_scheduler

steps, final_factor, kinds, warm_ups, _, answers = sys.argv[1:]
steps, final_factor = int(steps), float(final_factor)
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


def rise(warmup_steps):
    if warmup_steps <= 1:
        return [1.0] * steps
    return rates(
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / warmup_steps, end_factor=1, total_iters=warmup_steps - 1)
    )


warnings.simplefilter("error")
with open(answers, "w", encoding="ascii") as file:
    for kind in kinds.split(","):
        shape = rates(SHAPES[kind])
        for warmup_steps in map(int, warm_ups.split(",")):
            # Multiplied here: PyTorch's cosine is recursive and cannot be chained with another.
            for a, b in zip(shape, rise(warmup_steps)):
                print(repr(a * b), file=file)
