"""Reverse differentiation of a few array operations in float64, each with the derivative of its own formula.

Batch norm, closed-form domains and everything larger are composed of these, so their gradients are nobody's formula.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Rule = Callable[[np.ndarray], np.ndarray]


class Value:
    """An array, what it was computed from, and the gradient of the final scalar with respect to it."""

    def __init__(self, array: Any, *sources: tuple["Value", Rule]) -> None:
        self.array = np.asarray(array, np.float64)
        self.sources = sources
        self.grad = np.zeros(self.array.shape)

    def __add__(self, other: Any) -> "Value":
        other = lifted(other)
        return Value(self.array + other.array, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other: Any) -> "Value":
        other = lifted(other)
        product = self.array * other.array
        return Value(product, (self, lambda g: g * other.array), (other, lambda g: g * self.array))

    def __sub__(self, other: Any) -> "Value":
        return self + lifted(other) * -1.0

    def power(self, exponent: float) -> "Value":
        return Value(self.array**exponent, (self, lambda g: g * exponent * self.array ** (exponent - 1)))

    def mean(self, axes: tuple[int, ...]) -> "Value":
        """The mean over axes, which stay with length 1."""
        count = np.prod([self.array.shape[axis] for axis in axes])
        return Value(self.array.mean(axes, keepdims=True), (self, lambda g: g / count + np.zeros(self.array.shape)))

    def total(self) -> "Value":
        return Value(self.array.sum(), (self, lambda g: g + np.zeros(self.array.shape)))

    def reshape(self, *shape: int) -> "Value":
        return Value(self.array.reshape(shape), (self, lambda g: g.reshape(self.array.shape)))

    def backward(self) -> None:
        """Fill in the gradients of everything that this value was computed from."""
        order: list[Value] = []
        seen: set[int] = set()

        def visit(value: "Value") -> None:
            if id(value) not in seen:
                seen.add(id(value))
                for source, _ in value.sources:
                    visit(source)
                order.append(value)

        visit(self)
        self.grad = np.ones(self.array.shape)
        for value in reversed(order):
            for source, rule in value.sources:
                source.grad = source.grad + folded(rule(value.grad), source.array.shape)


def lifted(value: Any) -> Value:
    return value if isinstance(value, Value) else Value(value)


def folded(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over the axes along which its value was repeated."""
    while grad.ndim > len(shape):
        grad = grad.sum(0)
    for axis, length in enumerate(shape):
        if length == 1 and grad.shape[axis] != 1:
            grad = grad.sum(axis, keepdims=True)
    return grad


def sign(x: Value, slope: Callable[[float], float]) -> Value:
    """+1 where x > 0, else -1, with a stand-in for the derivative."""
    slopes = np.array([slope(float(v)) for v in x.array.flat]).reshape(x.array.shape)
    return Value(np.where(x.array > 0, 1.0, -1.0), (x, lambda g: g * slopes))


def where_positive(x: Value, yes: Value, no: Value) -> Value:
    """`yes` where x > 0, else `no`."""
    chosen = x.array > 0
    return Value(np.where(chosen, yes.array, no.array), (yes, lambda g: g * chosen), (no, lambda g: g * ~chosen))


def clip(x: Value) -> Value:
    inside = (x.array > -1) & (x.array < 1)
    return Value(np.minimum(np.maximum(x.array, -1), 1), (x, lambda g: g * inside))


def patches(x: Value, size: int, stride: int, padding: int, fill: float) -> Value:
    """(batch, channels, size, size, height, width): what each place of a window sees, `fill` outside the map."""
    batch, channels, height, width = x.array.shape
    rows, columns = ((side + 2 * padding - size) // stride + 1 for side in (height, width))
    index = np.arange(x.array.size).reshape(x.array.shape)
    around = np.full((batch, channels, height + 2 * padding, width + 2 * padding), -1)
    around[:, :, padding : padding + height, padding : padding + width] = index
    seen = np.empty((batch, channels, size, size, rows, columns), int)
    for i in range(size):
        for j in range(size):
            seen[:, :, i, j] = around[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride][
                :, :, :rows, :columns
            ]

    def back(g: np.ndarray) -> np.ndarray:
        inside = seen >= 0
        return np.bincount(seen[inside], g[inside], x.array.size).reshape(x.array.shape)

    return Value(np.where(seen >= 0, x.array.reshape(-1)[seen], fill), (x, back))


def conv(x: Value, weight: Value, stride: int, padding: int) -> Value:
    seen = patches(x, weight.array.shape[2], stride, padding, 0.0)
    return Value(
        np.einsum("ncijpq,ocij->nopq", seen.array, weight.array),
        (seen, lambda g: np.einsum("nopq,ocij->ncijpq", g, weight.array)),
        (weight, lambda g: np.einsum("nopq,ncijpq->ocij", g, seen.array)),
    )


def max_pool(x: Value, size: int, stride: int, padding: int) -> Value:
    seen = patches(x, size, stride, padding, -np.inf)
    batch, channels, *_, rows, columns = seen.array.shape
    flat = seen.reshape(batch, channels, size * size, rows, columns)
    first = flat.array.argmax(2)
    chosen = np.arange(size * size)[:, None, None] == first[:, :, None]
    return Value(flat.array.max(2), (flat, lambda g: g[:, :, None] * chosen))


def avg_pool(x: Value, size: int) -> Value:
    batch, channels, height, width = x.array.shape
    pieces = x.reshape(batch, channels, height // size, size, width // size, size)
    return pieces.mean((3, 5)).reshape(batch, channels, height // size, width // size)


def concatenate(values: list[Value]) -> Value:
    """Channels one after another."""
    ends = np.cumsum([0, *(v.array.shape[1] for v in values)])
    rules = [(v, lambda g, a=a, b=b: g[:, a:b]) for v, a, b in zip(values, ends[:-1], ends[1:], strict=True)]
    return Value(np.concatenate([v.array for v in values], 1), *rules)


def linear(x: Value, weight: Value, bias: Value) -> Value:
    product = Value(
        np.einsum("nc,kc->nk", x.array, weight.array),
        (x, lambda g: np.einsum("nk,kc->nc", g, weight.array)),
        (weight, lambda g: np.einsum("nk,nc->kc", g, x.array)),
    )
    return product + bias
