"""Minimisers by an independent L-BFGS: SciPy's where it is there, else PyTorch's with its strong Wolfe line search.

Arguments: function, path of numbers, path of answers. Numbers: the first point. Answers: the minimiser.
"""

import sys

import torch

function, numbers, answers = sys.argv[1:]
with open(numbers, encoding="ascii") as file:
    start = torch.tensor([float(line) for line in file], dtype=torch.float64)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def logistic(x):
    """Log-likelihood of a regression with a ridge: strictly convex, its minimum has no closed form."""
    i = torch.arange(1, 41, dtype=torch.float64)[:, None]
    j = torch.arange(1, len(x) + 1, dtype=torch.float64)[None, :]
    features = torch.sin(i * j)
    signs = torch.where(torch.cos(3 * i[:, 0]) > 0, 1.0, -1.0).double()
    return torch.nn.functional.softplus(-signs * (features @ x)).sum() + 0.05 * (x * x).sum()


FUNCTIONS = {"rosenbrock": rosenbrock, "logistic": logistic}


def by_torch():
    x = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x], max_iter=2000, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = FUNCTIONS[function](x)
        value.backward()
        return value

    optimizer.step(closure)
    return x.tolist()


def by_scipy(minimize):
    def value_and_gradient(point):
        x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        value = FUNCTIONS[function](x)
        value.backward()
        return value.item(), x.grad.numpy()

    options = {"maxiter": 5000, "gtol": 1e-12, "ftol": 0}
    return minimize(value_and_gradient, start.numpy(), jac=True, method="L-BFGS-B", options=options).x.tolist()


try:
    from scipy.optimize import minimize as scipy_minimize
except ImportError:
    minimiser = by_torch()
else:
    minimiser = by_scipy(scipy_minimize)
with open(answers, "w", encoding="ascii") as file:
    for value in minimiser:
        print(repr(value), file=file)
