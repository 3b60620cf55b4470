"""What a network learns, and what it remembers: parameters, modules and their names."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Module", "Parameter", "Shape"]

Shape = tuple[int, ...]


class Parameter:
    """An array that is learned, with the gradient of the last backward pass.

    Parameters
    ----------
    value : ndarray
        The current value; the optimiser replaces it.

    Attributes
    ----------
    value : ndarray
        The current value.
    grad : ndarray or None
        ∂loss/∂value from the last backward pass, same shape; None before the first.

    Examples
    --------
    >>> import numpy as np
    >>> Parameter(np.zeros((2, 3), np.float32)).value.shape
    (2, 3)
    """

    def __init__(self, value: NDArray[Any]) -> None:
        self.value = value
        self.grad: NDArray[Any] | None = None


class Module:
    """A piece of a network: ``forward`` and ``backward``, parameters, state, and parts of its own.

    A module is found by its attributes: every attribute that is a `Parameter` is learned, every
    attribute that is a `Module` or a list of modules is a part, and the attributes named in
    `state_names` are arrays that are saved but not learned. Names are dotted paths in the order in
    which the attributes were set, so they are stable between runs.

    ``forward(x, training=True)`` keeps what ``backward`` needs; ``backward(dy)`` takes ∂loss/∂y,
    stores the gradients of the parameters in their ``grad`` and returns ∂loss/∂x. One backward pass
    belongs to the last forward pass with ``training=True``: what that kept is used up by it, and evaluation in
    between leaves it alone.
    """

    state_names: tuple[str, ...] = ()
    _saved: Any  # what `forward` keeps for `backward`; there only in between

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return y; with ``training`` also keep what ``backward`` needs."""
        raise NotImplementedError

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Return ∂loss/∂x from ∂loss/∂y and store the gradients of the parameters."""
        raise NotImplementedError

    def take_saved(self) -> Any:
        """Return what the last forward pass in training kept in ``_saved``, and forget it.

        Raises
        ------
        RuntimeError
            If there was none since the last backward pass.
        """
        if "_saved" not in vars(self):
            raise RuntimeError(
                f"{type(self).__name__}.backward: needs a forward pass with training=True before it; got none since "
                "the last backward pass; call forward(x, training=True) first"
            )
        return vars(self).pop("_saved")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape (channels, height, width) or (channels,) that ``shape`` turns into."""
        return shape

    def walk(self, shape: Shape) -> Iterator[tuple["Module", Shape]]:
        """Yield every leaf module with the shape of its input, in the order of the data flow."""
        yield self, shape

    def parts(self) -> Iterator[tuple[str, "Module"]]:
        """Yield (name, module) for each direct part."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, Module):
                        yield f"{name}.{index}", item

    def modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """Yield (dotted name, module) for this module and all below it, depth first."""
        yield prefix, self
        for name, part in self.parts():
            yield from part.modules(f"{prefix}.{name}" if prefix else name)

    def parameters(self) -> dict[str, Parameter]:
        """Return every learned parameter by its dotted name."""
        return {
            _join(prefix, name): value
            for prefix, module in self.modules()
            for name, value in vars(module).items()
            if isinstance(value, Parameter)
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return every array that a saved network needs, by dotted name: values and other state."""
        arrays = {name: parameter.value for name, parameter in self.parameters().items()}
        for prefix, module in self.modules():
            for name in module.state_names:
                arrays[_join(prefix, name)] = np.asarray(getattr(module, name))
        return arrays

    def load_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over the arrays of `state`; names, shapes and dtypes must be exactly this network's.

        Raises
        ------
        ValueError
            If a name is missing or unknown, an array has another shape or dtype, or bits have bytes other
            than 0 and 1. Nothing is changed then.
        """
        own = self.state()
        if missing := sorted(own.keys() - arrays.keys()):
            raise ValueError(f"load_state: arrays must hold every array of the network; got none for {missing[0]!r}")
        if unknown := sorted(arrays.keys() - own.keys()):
            raise ValueError(f"load_state: arrays must hold only the network's own; got {unknown[0]!r} as well")
        for name, array in own.items():
            new = arrays[name]
            if new.shape != array.shape or new.dtype != array.dtype:
                raise ValueError(
                    f"load_state: {name} must be {array.dtype} of shape {array.shape}; "
                    f"got {new.dtype} of shape {new.shape}; build the network with the arguments it was saved with"
                )
            if new.dtype == np.bool_ and (byte := int(np.ascontiguousarray(new).view(np.uint8).max(initial=0))) > 1:
                raise ValueError(
                    f"load_state: {name} must be bool of bytes 0 and 1; got the byte {byte}; write x != 0 for its bits"
                )
        for prefix, module in self.modules():
            for name, value in list(vars(module).items()):
                if isinstance(value, Parameter):
                    value.value = arrays[_join(prefix, name)].copy()
            for name in module.state_names:
                setattr(module, name, arrays[_join(prefix, name)].copy())


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
