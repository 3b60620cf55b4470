"""What is wrong with the outputs of an implementation, in sentences."""

from typing import Any

import numpy as np

from .values import float_hex
from .vector import EXACT, Bound, Vector

__all__ = ["differences"]


def differences(vector: Vector, outputs: dict[str, Any]) -> list[str]:
    """Return one sentence for every output that differs from what the vector expects.

    Parameters
    ----------
    vector : Vector
    outputs : dict of str to array, float, int or bool
        What the implementation returned, by the names of the stage's outputs. Others are ignored. The dtype does not
        matter, the shape does.

    Returns
    -------
    list of str
        Empty if all is within the vector's bounds.

    Examples
    --------
    >>> from bbdg_ref.conformance import vectors
    >>> vector = vectors("pack_bits")[0]
    >>> differences(vector, vector.expected), differences(vector, {})
    ([], ['words: missing from the outputs'])
    >>> differences(vector, {"words": np.array([1 << 63], np.uint64)})
    ['words[0]: got 9223372036854775808 (0x8000000000000000), expected 1 (0x0000000000000001); 1 of 1 wrong']
    """
    found = []
    for name, want in vector.expected.items():
        if name not in outputs:
            found.append(f"{name}: missing from the outputs")
        elif sentence := _difference(name, want, outputs[name], vector.bounds.get(name, EXACT)):
            found.append(sentence)
    return found


def _difference(name: str, want: Any, given: Any, bound: Bound) -> str | None:
    expected = np.asarray(want)
    try:
        got = np.asarray(given)
    except ValueError:  # rows of different lengths
        return f"{name}: must be an array of numbers; got {_short(given)}"
    if got.dtype.kind not in "biuf":
        return f"{name}: must be numbers of at most 64 bits; got {_short(given)}"
    if got.shape != expected.shape:
        return f"{name}: got shape {got.shape}, expected {expected.shape}"
    wrong = ~_equal(got, expected)
    if bound.ulps > 0 and expected.dtype.kind == "f":
        wrong &= ~(_ulps(got, expected, bound) <= bound.ulps)  # a NaN is wrong
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    index = f"[{', '.join(map(str, place))}]" if place else ""
    sentence = f"{name}{index}: got {_number(got[place])}, expected {_number(expected[place])}"
    if expected.dtype.kind == "f":
        off = float(_ulps(got[place], expected[place], bound))
        allowed = "none" if bound.ulps == 0 else f"{bound.ulps:g}"
        if not np.isnan(off):
            unit = "ulp" if bound.scale is None else f"eps * {bound.scale:g}"
            sentence += f", off by {off:.4g} {unit} ({allowed} allowed)"
    return sentence + (f"; {int(wrong.sum())} of {wrong.size} wrong" if place else "")


def _equal(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Return where the numbers are the same: a 64-bit integer is not rounded to float64 first."""
    if got.dtype == want.dtype or (got.dtype.kind in "bf" and want.dtype.kind in "bf"):
        return np.asarray((got == want) | ((got != got) & (want != want)))
    pairs = zip(got.ravel().tolist(), want.ravel().tolist(), strict=True)
    return np.array([x == y for x, y in pairs], np.bool_).reshape(want.shape)


def _ulps(got: np.ndarray, want: np.ndarray, bound: Bound) -> np.ndarray:
    """Return the distance from what is expected, in units of the bound."""
    with np.errstate(all="ignore"):  # infinities, whose distance is inf or NaN, and distances that overflow
        # At 0 the spacing is the smallest subnormal number.
        unit = np.spacing(np.abs(want)) if bound.scale is None else np.finfo(want.dtype).eps * bound.scale
        return np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)) / np.asarray(unit, np.float64)


def _number(x: Any) -> str:
    """Return a number in decimal and, exactly, in hexadecimal."""
    if isinstance(x, np.floating):
        return f"{x.item()!r} ({float_hex(float(x))})"
    if isinstance(x, np.uint64):
        return f"{x} (0x{int(x):016x})"
    return str(x)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
