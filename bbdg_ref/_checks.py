"""Argument checks with one error form, shared by every public function.

Every refusal reads ``function: argument must be X; got Y, first bad value V at index I; how to mend it``.
A wrong type is a ``TypeError``, a wrong value a ``ValueError``. Nothing is repaired silently.
"""

import math
import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "axis",
    "bits",
    "counts",
    "fraction",
    "integer",
    "message",
    "not_finite",
    "real_array",
    "real_number",
    "sample_weight",
]

REAL = "a non-empty array of finite real numbers (float16, float32, float64 or integers)"
KIND_NAMES = {
    "b": "bool",
    "c": "complex",
    "O": "object",
    "U": "string",
    "S": "bytes",
    "M": "datetime",
    "m": "timedelta",
}


def message(function: str, argument: str, expected: str, got: str, mend: str) -> str:
    """Return the text of a refusal in the package's one form."""
    return f"{function}: {argument} must be {expected}; got {got}; {mend}"


def _first_bad(array: np.ndarray, bad: np.ndarray) -> str:
    """Return ``first bad value V at index I`` for the first true element of ``bad``, in C order."""
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    index = tuple(int(i) for i in place)
    shown = str(index[0]) if len(index) == 1 else str(index)
    return f"first bad value {array[index]!s} at index {shown}"


def _as_array(function: str, argument: str, value: object, expected: str) -> np.ndarray:
    """Read anything that offers ``__array__`` or ``__dlpack__`` on the CPU, or nested lists of numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(message(function, argument, expected, "a masked array", "fill or drop the masked entries"))
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)  # type: ignore[arg-type]
        return np.asarray(value)
    except Exception as error:  # whatever a foreign array type raises, the caller should see one form
        got = f"{type(value).__name__}, which NumPy cannot read ({error})"
        mend = "pass a rectangular array in CPU memory, detached, of a dtype that NumPy has"
        raise TypeError(message(function, argument, expected, got, mend)) from error


def _all_finite(array: np.ndarray) -> bool:
    """Tell whether every float is finite, by pieces that stay in the cache."""
    if not array.flags.c_contiguous:
        return bool(np.isfinite(array).all())
    flat, piece = array.reshape(-1), 2**16
    return all(np.isfinite(flat[start : start + piece]).all() for start in range(0, flat.size, piece))


def real_array(function: str, argument: str, value: object, *, finite: bool = True, empty: bool = False) -> np.ndarray:
    """Return ``value`` as a native array of float16/32/64 or integers: finite and not empty, unless it need not be."""
    array = _as_array(function, argument, value, REAL)
    if array.size == 0 and empty:
        return array
    if array.size == 0:  # before the dtype: an empty list has a dtype by accident only
        got = f"an empty array of shape {array.shape}"
        raise ValueError(message(function, argument, REAL, got, "pass at least one weight"))
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        kind = KIND_NAMES.get(array.dtype.kind, "dtype")
        got = f"{kind} ({array.dtype}), {_first_bad(array, np.ones(array.shape, np.bool_))}"
        raise TypeError(message(function, argument, REAL, got, "convert it, for example with x.astype(np.float64)"))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if finite and array.dtype.kind == "f" and not _all_finite(array):
        raise not_finite(function, argument, array)
    return array


def not_finite(function: str, argument: str, array: np.ndarray) -> ValueError:
    """Return the error for floats that are not all finite."""
    got = f"{array.dtype} of shape {array.shape}, {_first_bad(array, ~np.isfinite(array))}"
    return ValueError(message(function, argument, REAL, got, "remove or replace NaN and infinity"))


def bits(function: str, argument: str, value: object, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return ``value`` as a bool array of the given shape; integers 0 and 1 are accepted."""
    expected = f"an array of bool (or of integers 0 and 1) of shape {shape}"
    array = _as_array(function, argument, value, expected)
    if array.dtype.kind not in "biu":
        raise TypeError(message(function, argument, expected, f"dtype {array.dtype}", "write x > 0 for the bits of x"))
    if array.shape != shape:
        raise ValueError(message(function, argument, expected, f"shape {array.shape}", "give one bit for each weight"))
    bad = (array != 0) & (array != 1)
    if bad.any():
        raise ValueError(message(function, argument, expected, _first_bad(array, bad), "write x > 0 for the bits of x"))
    return array.astype(np.bool_)


def sample_weight(function: str, value: object, shape: tuple[int, ...], channel_axis: int | None) -> np.ndarray:
    """Return ``value`` as real numbers of the given shape, 0 or more, that are not all 0 in any channel."""
    argument = "sample_weight"
    array = real_array(function, argument, value)
    if array.shape != shape:
        got, mend = f"shape {array.shape}", "give one sample weight for each weight; np.broadcast_to repeats them"
        raise ValueError(message(function, argument, f"an array of shape {shape}, as the weights", got, mend))
    bad = array < 0
    if bad.any():
        expected, mend = "an array of finite numbers of 0 or more", "choose 0 for weights that do not count"
        raise ValueError(message(function, argument, expected, _first_bad(array, bad), mend))
    others = None if channel_axis is None else tuple(i for i in range(array.ndim) if i != channel_axis)
    empty = ~array.any(axis=others)
    if empty.any():
        where = "" if channel_axis is None else f" in channel {int(np.argmax(empty))} along axis {channel_axis}"
        expected = "an array with a positive number" + ("" if channel_axis is None else " in each channel")
        mend = "leave it out, or give that channel equal sample weights such as 1, to count all of its weights alike"
        raise ValueError(message(function, argument, expected, f"0 throughout{where}", mend))
    return array


def integer(function: str, argument: str, value: object, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int in ``low..high`` (no upper bound if ``high`` is None); bool is refused."""
    expected = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        got = f"{type(value).__name__} {value!r}"
        raise TypeError(message(function, argument, expected, got, "pass an int"))
    if number < low or (high is not None and number > high):
        raise ValueError(message(function, argument, expected, str(number), "choose a value in that range"))
    return number


def counts(
    function: str, argument: str, value: object, channels: int | None, low: int, high: int | None = None
) -> int | npt.NDArray[np.int64]:
    """Return an int, or one int per channel as an array of shape (channels,), each in ``low..high``."""
    if channels is None or np.ndim(value) == 0:  # type: ignore[arg-type]
        return integer(
            function,
            argument,
            value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value,
            low,
            high,
        )
    upper = "" if high is None else f" and at most {high}"
    expected = f"an integer, or integers of shape ({channels},), of at least {low}{upper}"
    array = _as_array(function, argument, value, expected)
    if array.dtype.kind not in "iu":
        raise TypeError(message(function, argument, expected, f"dtype {array.dtype}", "pass integers"))
    if array.shape != (channels,):
        got = f"shape {array.shape}"
        raise ValueError(message(function, argument, expected, got, "give one value for each channel"))
    bad = array < low
    if high is not None:
        bad |= array > high
    if bad.any():
        raise ValueError(message(function, argument, expected, _first_bad(array, bad), "choose values in that range"))
    if array.dtype == np.uint64:  # beyond int64 there is no array that long
        array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
    return array.astype(np.int64)


def axis(function: str, argument: str, value: object, ndim: int) -> int | None:
    """Return the axis as an int in 0..ndim-1 (negative ones count from the end), or None."""
    if value is None:
        return None
    if ndim == 0:
        got = f"{value!r} for an array without axes"
        raise ValueError(message(function, argument, "None", got, "pass an array with at least one axis"))
    return integer(function, argument, value, -ndim, ndim - 1) % ndim


def real_number(function: str, argument: str, value: object) -> float:
    """Return ``value`` as a finite float; a number that is not a float64 exactly is refused."""
    expected = "a finite real number that is exactly a float64"
    got = f"{type(value).__name__} {value!r}"
    if isinstance(value, (bool, np.bool_)) or np.ndim(value) != 0:  # type: ignore[arg-type]
        raise TypeError(message(function, argument, expected, got, "pass a float"))
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(message(function, argument, expected, got, "pass a float")) from error
    if isinstance(value, str) or not math.isfinite(number):
        raise ValueError(message(function, argument, expected, got, "pass a finite float"))
    if number != value:
        raise ValueError(message(function, argument, expected, got, "round it to float64 first"))
    return number


def one_of(function: str, argument: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse a value that is not among ``allowed``."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(message(function, argument, f"one of {names}", repr(value), "choose one of them"))


def fraction(function: str, argument: str, value: object, *, zero: bool = False, one: bool = False) -> float:
    """Return ``value`` as a float between 0 and 1; the ends only where ``zero`` and ``one`` allow them."""
    number = real_number(function, argument, value)
    if not (0 < number < 1 or (zero and number == 0) or (one and number == 1)):
        ends = f"{'0 <=' if zero else '0 <'} {argument} {'<= 1' if one else '< 1'}"
        raise ValueError(
            message(function, argument, f"a fraction with {ends}", repr(number), "choose a value in that range")
        )
    return number
