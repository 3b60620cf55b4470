"""Binary layers on packed bits: time falls with the density of the weights.

A `PackedConv` holds the bits of a layer's weights and their domain, `packed_conv2d` convolves with it. The definition
is `bbdg_ref.spec.popcount_conv`; what runs is planned for the shapes at hand (`bbdg_ref.ops.packed_plan`) and gives the
same floats, bit for bit.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from . import _checks, ops
from ._memory import empty
from .ops.packed_conv2d import PackedWeights, packed_affine, plain
from .ops.packed_plan import exact_bits
from .spec.conv2d import Pair, output_size
from .spec.domain import Domain

__all__ = ["PackedActivations", "PackedConv", "PackedLinear", "packed_conv2d", "packed_linear"]

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]
Real = npt.NDArray[np.float32]

LARGEST = 4096  # stride and padding
_NO_WORDS = np.empty(0, np.uint64)
_NO_FLOATS = np.empty(0, np.float32)


@dataclass(frozen=True, eq=False)
class PackedConv:
    """Weights of a binary convolution: their bits in 64-bit words, and the two values.

    Make one with `from_bits`.

    Attributes
    ----------
    words : ndarray of uint64, shape (out, kernel height, kernel width, ceil(in / 64))
        The bits in the interchange layout of `bbdg_ref.packing.pack_kernels`.
    in_channels : int
        Input channels.
    domain : Domain
        The value of bit 0 and of bit 1, for the layer or for every output channel (``channel_axis=0``).

    Examples
    --------
    >>> import numpy as np
    >>> weight = PackedConv.from_bits(np.ones((8, 70, 3, 3), bool), Domain(-0.5, 1.0))
    >>> weight.words.shape, weight.shape, weight.density
    ((8, 3, 3, 2), (8, 70, 3, 3), 1.0)
    """

    words: Words
    in_channels: int
    domain: Domain
    _weights: PackedWeights = field(repr=False)

    @classmethod
    def from_bits(cls, bits: npt.ArrayLike, domain: Domain) -> Self:
        """Pack the bits of a layer's weights.

        Parameters
        ----------
        bits : array of bool, or of integers 0 and 1, shape (out, in, kernel height, kernel width)
            True is beta, a connection.
        domain : Domain
            One for the layer, or one per output channel (``channel_axis=0``).

        Returns
        -------
        PackedConv

        Raises
        ------
        TypeError, ValueError
            If the bits are not such an array or the domain does not fit it.
        """
        given = _given_bits("PackedConv.from_bits", bits, 4, "(out, in, kernel height, kernel width)")
        levels = _levels("PackedConv.from_bits", domain, len(given))
        words = ops.pack_kernels(given)
        words.flags.writeable = False
        return cls(words, given.shape[1], domain, PackedWeights(given, *levels))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the bits: (out, in, kernel height, kernel width)."""
        out, kernel_height, kernel_width, _ = self.words.shape
        return out, self.in_channels, kernel_height, kernel_width

    @property
    def density(self) -> float:
        """Ones / weights."""
        return float(np.count_nonzero(self._weights.bits)) / self._weights.bits.size

    def bits(self) -> Bits:
        """Return the bits as an array of bool, of `shape`."""
        return self._weights.bits.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle bits and domain alone, not what was planned for them."""
        return type(self).from_bits, (self._weights.bits, self.domain)

    def holds(self, bits: Bits) -> bool:
        """Tell whether these are its bits."""
        return np.array_equal(self._weights.bits, bits)


@dataclass(frozen=True, eq=False)
class PackedLinear:
    """Weights of a binary linear layer: their bits in 64-bit words, and the two values.

    Make one with `from_bits`.

    Attributes
    ----------
    words : ndarray of uint64, shape (out, ceil(in / 64))
        The bits, packed along the inputs.
    in_features : int
        Inputs.
    domain : Domain
        The value of bit 0 and of bit 1, for the layer or for every output (``channel_axis=0``).

    Examples
    --------
    >>> import numpy as np
    >>> PackedLinear.from_bits(np.eye(3, dtype=bool), Domain(0.0, 1.0)).shape
    (3, 3)
    """

    words: Words
    in_features: int
    domain: Domain
    _weights: PackedWeights = field(repr=False)

    @classmethod
    def from_bits(cls, bits: npt.ArrayLike, domain: Domain) -> Self:
        """Pack the bits of a layer's weights.

        Parameters
        ----------
        bits : array of bool, or of integers 0 and 1, shape (out, in)
            True is beta, a connection.
        domain : Domain
            One for the layer, or one per output (``channel_axis=0``).

        Returns
        -------
        PackedLinear

        Raises
        ------
        TypeError, ValueError
            If the bits are not such an array or the domain does not fit it.
        """
        given = _given_bits("PackedLinear.from_bits", bits, 2, "(out, in)")
        levels = _levels("PackedLinear.from_bits", domain, len(given))
        words = ops.pack_bits(given, axis=1)
        words.flags.writeable = False
        return cls(words, given.shape[1], domain, PackedWeights(given[:, :, None, None], *levels))

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the bits: (out, in)."""
        return len(self.words), self.in_features

    @property
    def density(self) -> float:
        """Ones / weights."""
        return float(np.count_nonzero(self._weights.bits)) / self._weights.bits.size

    def bits(self) -> Bits:
        """Return the bits as an array of bool, of `shape`."""
        return self._weights.bits[:, :, 0, 0].copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle bits and domain alone, not what was planned for them."""
        return type(self).from_bits, (self._weights.bits[:, :, 0, 0], self.domain)


@dataclass(frozen=True, eq=False)
class PackedActivations:
    """The bits ``x > 0`` of a batch of maps, one plane a channel; `packed_conv2d` takes them instead of floats.

    Make one with `from_values`.

    Attributes
    ----------
    words : ndarray of uint64, shape (batch, channels, ceil(height * width / 64))
        Pixel p = row * width + column is bit p % 64 of word p // 64; tail bits are zero.
    size : (int, int)
        Height and width.

    Examples
    --------
    >>> import numpy as np
    >>> packed = PackedActivations.from_values(np.array([[[[0.5, -1.0, 0.0, 2.0]]]], np.float32))
    >>> packed.words, packed.shape
    (array([[[9]]], dtype=uint64), (1, 1, 1, 4))
    """

    words: Words
    size: Pair

    def __post_init__(self) -> None:
        name = "PackedActivations"
        if not isinstance(self.size, tuple | list) or len(self.size) != 2:
            got = repr(self.size)
            raise ValueError(_checks.message(name, "size", "(height, width)", got, "give two integers"))
        height, width = (_checks.integer(name, "size", side, 1) for side in self.size)
        object.__setattr__(self, "size", (height, width))
        stored = -(-height * width // 64)
        fits = isinstance(self.words, np.ndarray) and self.words.dtype == np.uint64 and self.words.ndim == 3
        if not fits or self.words.shape[2] != stored or self.words.size == 0:
            got = f"{getattr(self.words, 'dtype', type(self.words).__name__)} of shape {np.shape(self.words)}"
            expected = f"a non-empty array of uint64 of shape (batch, channels, {stored})"
            raise ValueError(_checks.message(name, "words", expected, got, "use PackedActivations.from_values"))
        object.__setattr__(self, "words", plain(self.words))

    @classmethod
    def from_values(cls, x: npt.ArrayLike) -> Self:
        """Pack the bits ``x > 0``.

        Parameters
        ----------
        x : array of real numbers, shape (batch, channels, height, width)
            Activations.

        Returns
        -------
        PackedActivations

        Raises
        ------
        TypeError, ValueError
            If x is not such an array, or holds NaN.
        """
        array = _activations("PackedActivations.from_values", x, 4, "(batch, channels, height, width)")
        _refuse_nan("PackedActivations.from_values", array)
        words = ops.pack_signs(array.reshape(*array.shape[:2], -1), axis=2)
        return cls(words, (array.shape[2], array.shape[3]))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the activations: (batch, channels, height, width)."""
        return (*self.words.shape[:2], *self.size)  # type: ignore[return-value]

    def bits(self) -> Bits:
        """Return the bits as an array of bool, of `shape`."""
        return ops.unpack_bits(self.words, self.size[0] * self.size[1], axis=2).reshape(self.shape)


def packed_conv2d(
    x: npt.ArrayLike | PackedActivations, weight: PackedConv, *,
    stride: int | Pair = 1, padding: int | Pair = 0, out: Real | None = None,
) -> Real:  # fmt: skip
    """Convolve the signs of a batch of images with two-valued kernels.

    With a = sign(x) (+1 where x > 0, else -1), b the bits of the weights and ∗ the convolution::

        y = a ∗ (alpha + (beta - alpha) b) = (beta - alpha) (a ∗ b) + alpha (a ∗ 1)

    Parameters
    ----------
    x : array of float32, shape (batch, in, height, width), or PackedActivations
        Activations; only their bits ``x > 0`` are used, infinity is a number like any other. Other dtypes are accepted
        if they are finite, but slower; so are arrays that are not contiguous or not writeable, which are copied.
    weight : PackedConv
        The layer.
    stride, padding : int or (int, int)
        Vertical and horizontal, up to 4096. Padding contributes nothing: it is neither -1 nor +1.
    out : ndarray of float32, optional
        Where to write the result: contiguous, of the result's shape, apart from x. Undefined if NaN is refused.

    Returns
    -------
    ndarray of float32, shape (batch, out, output height, output width)
        The counts a ∗ b and a ∗ 1 are exact integers; the difference, the two products and the sum are float64, each
        rounded once, and the sum is rounded to float32: bit for bit what `bbdg_ref.spec.popcount_conv` gives.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, x holds NaN, or the kernel is larger than the padded image.

    Notes
    -----
    About ``batch * pixels * min(ones, zeros) / 512`` full-adder steps, and one expansion of every count. The first call
    for a shape plans it; the weight remembers the last eight plans.

    Examples
    --------
    >>> import numpy as np
    >>> weight = PackedConv.from_bits(np.array([[[[True, False]]]]), Domain(-1.0, 3.0))
    >>> packed_conv2d(np.array([[[[0.5, -0.1, 2.0]]]], np.float32), weight)  # 3 - (-1), -3 - 1
    array([[[[ 4., -4.]]]], dtype=float32)
    """
    name = "packed_conv2d"
    if type(x) is np.ndarray and type(weight) is PackedConv and type(stride) is int and type(padding) is int:
        known = weight._weights.calls.get((x.shape, stride, padding))
        if known is not None and x.dtype == np.float32 and x.flags.carray:  # a call like an earlier one
            y = empty(known.shape) if out is None else _result(name, out, known.shape, x)
            if packed_affine(x, _NO_WORDS, False, weight._weights, known, y):
                _refuse_nan(name, x)
            return y
    _is_a(name, "weight", weight, PackedConv, "PackedConv.from_bits(bits, domain)")
    given = x if isinstance(x, PackedActivations) else _activations(name, x, 4, "(batch, in, height, width)")
    steps, border = _pair(name, "stride", stride, 1), _pair(name, "padding", padding, 0)
    batch, channels, height, width = given.shape
    if channels != weight.in_channels:
        got, mend = f"{channels} channels", "give the layer its own input"
        raise ValueError(_checks.message(name, "x", f"of {weight.in_channels} channels", got, mend))
    rows, columns = output_size((height, width), weight.shape[2:], steps, border)
    if min(rows, columns) < 1:
        got = f"{height} x {width} pixels, padded by {border}"
        expected = f"at least as large, with its padding, as the kernel, {weight.shape[2:]}"
        raise ValueError(_checks.message(name, "x", expected, got, "pad it, or take a smaller kernel"))
    y = _convolved(name, given, weight._weights, steps, border, out, (batch, weight.shape[0], rows, columns))
    if type(stride) is int and type(padding) is int and ops.packed_kernels_take(channels, weight.shape[2:]):
        weight._weights.remember(given.shape, stride, padding)
    return y


def packed_linear(x: npt.ArrayLike, weight: PackedLinear) -> Real:
    """Multiply the signs of rows with a two-valued matrix.

    ``y = a (alpha + (beta - alpha) b)ᵀ`` with a = sign(x), as in `packed_conv2d`.

    Parameters
    ----------
    x : array of float32, shape (batch, in)
        Activations; only their bits ``x > 0`` are used. Other floats and integers are accepted and slower.
    weight : PackedLinear
        The layer.

    Returns
    -------
    ndarray of float32, shape (batch, out)
        Bit for bit what `bbdg_ref.spec.popcount_conv.popcount_linear` gives.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or x holds NaN.

    Notes
    -----
    The rows of the batch are laid side by side like the pixels of an image, and convolved with 1 x 1 kernels.

    Examples
    --------
    >>> import numpy as np
    >>> weight = PackedLinear.from_bits(np.array([[True, True, False]]), Domain(0.0, 0.5))
    >>> packed_linear(np.array([[1.0, -1.0, 1.0]], np.float32), weight)  # 0.5 - 0.5 + 0
    array([[0.]], dtype=float32)
    """
    name = "packed_linear"
    _is_a(name, "weight", weight, PackedLinear, "PackedLinear.from_bits(bits, domain)")
    given = _activations(name, x, 2, "(batch, in)")
    if given.shape[1] != weight.in_features:
        got = f"{given.shape[1]} columns"
        raise ValueError(_checks.message(name, "x", f"of {weight.in_features} columns", got, "give one for each input"))
    batch, out = len(given), weight.shape[0]
    image = np.ascontiguousarray(given.T).reshape(1, -1, 1, batch)
    try:
        y = _convolved(name, image, weight._weights, (1, 1), (0, 0), None, (1, out, 1, batch))
    except ValueError:
        _refuse_nan(name, given)  # with the place in the rows, not in the image
        raise
    return np.ascontiguousarray(y.reshape(out, batch).T)


def _convolved(
    name: str, given: Real | PackedActivations, weights: PackedWeights, stride: Pair, padding: Pair,
    out: Real | None, shape: tuple[int, ...],
) -> Real:  # fmt: skip
    """Run the kernels, or the definition where they do not run."""
    y = empty(shape) if out is None else _result(name, out, shape, given)
    if not ops.packed_kernels_take(given.shape[1], weights.bits.shape[2:]):
        values = np.where(given.bits(), 1.0, -1.0) if isinstance(given, PackedActivations) else given
        _refuse_nan(name, values)
        y[...] = ops.popcount_conv2d(values, weights.bits, weights.alpha, weights.beta, stride=stride, padding=padding)
        return y
    prepared = weights.prepared(given.shape[0], given.shape[2:], stride, padding)
    if isinstance(given, PackedActivations):
        packed_affine(_NO_FLOATS, given.words, True, weights, prepared, y)
    elif packed_affine(given, _NO_WORDS, False, weights, prepared, y):
        _refuse_nan(name, given)
    return y


def _refuse_nan(name: str, x: npt.NDArray[Any]) -> None:
    """Refuse x if it holds NaN."""
    places = np.argwhere(np.isnan(x))
    if len(places) == 0:
        return
    place = tuple(int(i) for i in places[0])
    raise ValueError(
        _checks.message(name, "x", "free of NaN, which has no sign", f"first bad value nan at index {place}",
                        "remove or replace it")
    )  # fmt: skip


def _result(name: str, out: Real, shape: tuple[int, ...], given: Real | PackedActivations) -> Real:
    """Return `out` if the result may be written to it."""
    fits = isinstance(out, np.ndarray) and out.dtype == np.float32 and out.shape == shape and out.flags.carray
    if not fits:
        got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        expected = f"a writeable contiguous array of float32 of shape {shape}"
        raise ValueError(_checks.message(name, "out", expected, got, "leave it out, or make it with np.empty"))
    if np.may_share_memory(out, given.words if isinstance(given, PackedActivations) else given):
        got = "an array that overlaps it"
        raise ValueError(_checks.message(name, "out", "apart from x", got, "leave it out, or make it with np.empty"))
    return out


def _is_a(name: str, argument: str, value: object, kind: type, way: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(_checks.message(name, argument, f"a {kind.__name__}", type(value).__name__, f"use {way}"))


def _activations(name: str, x: npt.ArrayLike, ndim: int, axes: str) -> Real:
    """Return activations as a contiguous float32 array with the same bits x > 0; NaN and infinity may be in it."""
    array = x if type(x) is np.ndarray and x.dtype == np.float32 else _checks.real_array(name, "x", x)
    if array.ndim != ndim or array.size == 0:
        expected = f"a non-empty array of shape {axes}"
        raise ValueError(_checks.message(name, "x", expected, f"shape {array.shape}", "bring the axes into that order"))
    if array.dtype != np.float32:  # a tiny float64 would become 0 and lose its sign
        array = np.where(array > 0, np.float32(1), np.float32(-1))
    return plain(array)


def _pair(name: str, argument: str, value: int | Pair, low: int) -> Pair:
    """Return (vertical, horizontal) from one integer or from two."""
    if isinstance(value, tuple | list) and len(value) == 2:
        vertical, horizontal = (_checks.integer(name, argument, each, low, LARGEST) for each in value)
        return vertical, horizontal
    both = _checks.integer(name, argument, value, low, LARGEST)
    return both, both


def _given_bits(name: str, bits: npt.ArrayLike, ndim: int, axes: str) -> Bits:
    """Return a copy of bits of that many axes, none of them empty."""
    array = np.asarray(bits)
    if array.ndim != ndim or array.size == 0:
        expected, got = f"a non-empty array of shape {axes}", f"shape {array.shape}"
        raise ValueError(_checks.message(name, "bits", expected, got, "bring the axes into that order"))
    given = exact_bits(_checks.bits(name, "bits", array, array.shape))
    given.flags.writeable = False
    return given


def _levels(name: str, domain: Domain, out: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return alpha and beta of every output channel."""
    _is_a(name, "domain", domain, Domain, "Domain(alpha, beta)")
    axis_is_right = domain.channel_axis is None or (domain.channel_axis == 0 and np.shape(domain.alpha) == (out,))
    if not axis_is_right:
        got = f"shape {np.shape(domain.alpha)} along channel_axis={domain.channel_axis}"
        expected = f"one for the layer, or one for each of its {out} output channels with channel_axis=0"
        raise ValueError(_checks.message(name, "domain", expected, got, "fit it with channel_axis=0"))
    alpha, beta = (np.broadcast_to(np.asarray(v, np.float64), out).copy() for v in (domain.alpha, domain.beta))
    return alpha, beta
