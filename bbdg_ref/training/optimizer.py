"""Adam over a network's parameters: the moments by name, and the step count."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..nn import Parameter

__all__ = ["Adam"]


class Adam:
    """Adam (arXiv 1412.6980) with β₁ = 0.9, β₂ = 0.999, eps = 1e-8, no weight decay.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        What is optimised, by name; values are replaced at every `step`.

    Attributes
    ----------
    steps : int
        Steps taken so far.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref.nn import Parameter
    >>> w = Parameter(np.ones(1, np.float32))
    >>> w.grad = np.array([4.0], np.float32)
    >>> Adam({"w": w}).step(0.1)
    >>> round(float(w.value[0]), 4)
    0.9
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.parameters = dict(parameters)
        self.first = {name: np.zeros_like(p.value) for name, p in self.parameters.items()}
        self.second = {name: np.zeros_like(p.value) for name, p in self.parameters.items()}
        self.steps = 0

    def step(self, learning_rate: float) -> None:
        """Move every parameter once along its gradient."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            assert parameter.grad is not None, f"{name} has no gradient: run a backward pass first"
            update = ops.adam(
                parameter.value, parameter.grad, self.first[name], self.second[name], self.steps,
                learning_rate=learning_rate,
            )  # fmt: skip
            # NumPy turns the results of arithmetic on 0-d arrays into scalars; asarray turns them back.
            parameter.value = np.asarray(update.value)
            self.first[name] = np.asarray(update.first_moment)
            self.second[name] = np.asarray(update.second_moment)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return both moments by name."""
        first = {f"first.{name}": array for name, array in self.first.items()}
        return first | {f"second.{name}": array for name, array in self.second.items()}

    def load_state(self, arrays: Mapping[str, NDArray[Any]], steps: int) -> None:
        """Take over the arrays of `state` and the step count.

        Raises
        ------
        ValueError
            If names, shapes or dtypes are not those of the parameters.
        """
        own = self.state()

        def fits(name: str) -> bool:
            here, there = own.get(name), arrays.get(name)
            return here is not None and there is not None and here.shape == there.shape and here.dtype == there.dtype

        for name in sorted(own.keys() | arrays.keys()):
            if not fits(name):
                raise ValueError(
                    f"load_state: arrays must hold both moments of every parameter; {name!r} does not fit; "
                    "use the checkpoint of the same network"
                )
        self.first = {name: arrays[f"first.{name}"].copy() for name in self.first}
        self.second = {name: arrays[f"second.{name}"].copy() for name in self.second}
        self.steps = steps
