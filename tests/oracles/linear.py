"""The fully connected layer by three nested loops."""

from itertools import product

import numpy as np

from oracles.sums import Sums, add_up


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> Sums:
    (batch, inputs), outputs = x.shape, len(weight)
    terms = [
        ((n, o), float(x[n, c]) * float(weight[o, c]))
        for n, o, c in product(range(batch), range(outputs), range(inputs))
    ]
    terms += [((n, o), float(bias[o])) for n, o in product(range(batch), range(outputs))]
    return add_up((batch, outputs), terms)


def grad_input(dy: np.ndarray, weight: np.ndarray) -> Sums:
    (batch, outputs), inputs = dy.shape, weight.shape[1]
    return add_up(
        (batch, inputs),
        (
            ((n, c), float(dy[n, o]) * float(weight[o, c]))
            for n, o, c in product(range(batch), range(outputs), range(inputs))
        ),
    )


def grad_weight(dy: np.ndarray, x: np.ndarray) -> Sums:
    (batch, outputs), inputs = dy.shape, x.shape[1]
    return add_up(
        (outputs, inputs),
        (
            ((o, c), float(dy[n, o]) * float(x[n, c]))
            for n, o, c in product(range(batch), range(outputs), range(inputs))
        ),
    )


def grad_bias(dy: np.ndarray) -> Sums:
    return add_up((dy.shape[1],), (((o,), float(dy[n, o])) for n, o in np.ndindex(*dy.shape)))
