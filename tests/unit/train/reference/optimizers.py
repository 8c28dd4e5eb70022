"""Optimizers by torch.optim, in float64.

Arguments: comma-separated runs, each kind:rate:beta1:beta2:epsilon:momentum:nesterov:weight_decay:clip_norm:clip_value,
number of values, path of numbers, path of answers. Numbers: the first values, then one gradient per step. Answers: per run the values
after every step.
"""

import sys

import torch

runs, size, numbers, answers = sys.argv[1:]
size = int(size)
# What the kinds of a recipe are called here; beta2 is the decay of the mean square.
OPTIMIZERS = {
    "adam": lambda p, o: torch.optim.Adam(
        p, o["rate"], (o["beta1"], o["beta2"]), o["epsilon"], weight_decay=o["weight_decay"]
    ),
    "adamw": lambda p, o: torch.optim.AdamW(
        p, o["rate"], (o["beta1"], o["beta2"]), o["epsilon"], weight_decay=o["weight_decay"]
    ),
    "rmsprop": lambda p, o: torch.optim.RMSprop(
        p, o["rate"], alpha=o["beta2"], eps=o["epsilon"], momentum=o["momentum"], weight_decay=o["weight_decay"]
    ),
    "sgd": lambda p, o: torch.optim.SGD(
        p, o["rate"], momentum=o["momentum"], nesterov=o["nesterov"] != 0, weight_decay=o["weight_decay"]
    ),
}
NAMES = ["rate", "beta1", "beta2", "epsilon", "momentum", "nesterov", "weight_decay", "clip_norm", "clip_value"]

with open(numbers, encoding="ascii") as file:
    start, *gradients = torch.tensor([float(line) for line in file], dtype=torch.float64).split(size)
with open(answers, "w", encoding="ascii") as file:
    for run in runs.split(","):
        kind, *options = run.split(":")
        values = start.clone().requires_grad_()
        options = dict(zip(NAMES, map(float, options)))
        optimizer = OPTIMIZERS[kind]([values], options)
        for gradient in gradients:
            values.grad = gradient.clone()
            if options["clip_norm"] > 0:
                torch.nn.utils.clip_grad_norm_([values], options["clip_norm"])
            if options["clip_value"] > 0:
                torch.nn.utils.clip_grad_value_([values], options["clip_value"])
            optimizer.step()
            for value in values.tolist():
                print(repr(value), file=file)
