r"""Bits in 64-bit words, and the ways to and from the conventions of other systems.

Element i along the packed axis is bit ``i % 64`` of word ``i // 64``, bit 0 being the one of value 1, and tail bits
are zero. A row of 70 bits b0, ..., b69 takes two words, here with the lowest bit on the left::

    element    0   1         7   8          63    64        69
             +---+---+-...-+---+---+-...-+-----+-----+-...-+-----+---+---+-...-+---+
             | b0| b1|     | b7| b8|     | b63 | b64 |     | b69 | 0 | 0 |     | 0 |
             +---+---+-...-+---+---+-...-+-----+-----+-...-+-----+---+---+-...-+---+
    bit        0   1         7   8          63    0           5    6   7         63
             |------------ word 0 -------------|------------- word 1 --------------|
             |---- byte 0 ----|--- ... --- 7 --|- byte 0 --------...               |
                                                                  \__ the tail ___/

In memory and in files words are little-endian, so that element i is also bit ``i % 8`` of byte ``i // 8``, what
``np.packbits(..., bitorder="little")`` gives. The packed axis keeps its place, with ceil(n/64) words instead of n bits.

The weights of a convolution are exchanged packed along their input channels (`pack_kernels`)::

    bits   (out, in, kh, kw)                 bits[o, 0:64, i, j]   bits[o, 64:in, i, j], zeros
                                                      |                      |
                                                      v                      v
    words  (out, kh, kw, ceil(in/64))          words[o, i, j, 0]     words[o, i, j, 1]

    memory, for a kernel of 3 x 3 and 65 to 128 input channels:
    | o = 0                                                               | o = 1
    | i, j = 0, 0       | 0, 1              | 0, 2    | ... | 2, 2        | 0, 0    ...
    | word 0  | word 1  | word 0  | word 1  |               |             |

Two things differ between systems: which value bit 1 stands for, and which of the two zero gets:

=======================  ==============  ===============================  =======================================
system                   bit 1 is        zero is                          words, and how they become ours
=======================  ==============  ===============================  =======================================
bbdg_ref                 +1 (beta)       -1, bit 0: bits are ``x > 0``    64-bit
Larq                     (not packed)    +1: ``x >= 0``                   bits from `bits_at_least_zero`
QONNX (BipolarQuant)     (not packed)    +1: ``x >= 0``                   bits from `bits_at_least_zero`
Larq Compute Engine      -1              +1, bit 0: bits are ``x < 0``    32-bit, zero tail: two to a word, then
                                                                          `invert_bits`
=======================  ==============  ===============================  =======================================

Weights are seldom zero, so for them `invert_bits` is all there is to do. Activations are: after a batch norm or an
addition, every zero that one system calls +1 and the other -1 is an error of 2 in a sum. A comparison with
a threshold is brought from one rule to the other by the neighbouring float, exactly (`above_to_at_least`,
`at_least_to_above`)::

             t        t' = the float next above t
    ---------|--------|------------->  x            x > t   is the same as   x >= t'
      x <= t          x >= t'
"""

import numpy as np
import numpy.typing as npt

from bbdg_ref import _checks, ops

__all__ = [
    "pack_bits",
    "unpack_bits",
    "pack_kernels",
    "unpack_kernels",
    "pack_signs",
    "invert_bits",
    "bits_at_least_zero",
    "above_to_at_least",
    "at_least_to_above",
]

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]

BITS = "an array of bool (or of integers 0 and 1)"
KERNELS = "(out_channels, in_channels, kernel_height, kernel_width)"
KERNEL_WORDS = "(out_channels, kernel_height, kernel_width, ceil(in_channels/64))"


def pack_bits(bits: npt.ArrayLike, *, axis: int = -1) -> Words:
    """Pack bits into words along one axis: ``words[i // 64] = sum_i bits[i] * 2**(i % 64)``.

    Parameters
    ----------
    bits : array of bool, or of integers 0 and 1, of any shape with at least one axis
        Axes may have length 0.
    axis : int
        The axis to pack, of length n.

    Returns
    -------
    ndarray of uint64
        The shape of `bits` with ceil(n/64) in place of n. Tail bits are zero.

    Raises
    ------
    TypeError, ValueError
        If `bits` has no axes or holds anything but 0 and 1, or has no such axis.

    Notes
    -----
    O(size) time. The layout is drawn at the top of this module.

    Examples
    --------
    >>> pack_bits([1, 0, 1, 1])
    array([13], dtype=uint64)
    >>> pack_bits(np.ones((70, 2), bool), axis=0)  # 2**64 - 1, 2**6 - 1
    array([[18446744073709551615, 18446744073709551615],
           [                  63,                   63]], dtype=uint64)
    """
    array = _bits("pack_bits", bits)
    return ops.pack_bits(array, axis=_axis("pack_bits", "bits", array, axis))


def unpack_bits(words: npt.ArrayLike, count: int, *, axis: int = -1) -> Bits:
    """Undo `pack_bits`: ``bits[i] = words[i // 64] >> (i % 64) & 1``.

    Parameters
    ----------
    words : array of uint64, of any shape with at least one axis
        With ceil(count/64) words along the axis. Tail bits must be zero.
    count : int
        How many bits there are along the axis.
    axis : int
        The packed axis.

    Returns
    -------
    ndarray of bool
        The shape of `words` with `count` in place of the number of words.

    Raises
    ------
    TypeError, ValueError
        If `words` is not of uint64, its number of words is not that of `count` bits, or a tail bit is one.

    Notes
    -----
    O(size) time.

    Examples
    --------
    >>> unpack_bits(np.array([13], np.uint64), 4)
    array([ True, False,  True,  True])
    """
    array, n, place = _words("unpack_bits", words, "count", count, axis)
    return ops.unpack_bits(array, n, axis=place)


def pack_kernels(bits: npt.ArrayLike) -> Words:
    """Pack the weights of a convolution along their input channels, into the layout in which they are exchanged.

    Parameters
    ----------
    bits : array of bool, or of integers 0 and 1, (out_channels, in_channels, kernel_height, kernel_width)

    Returns
    -------
    ndarray of uint64, (out_channels, kernel_height, kernel_width, ceil(in_channels/64))
        ``words[o, i, j]`` are the packed ``bits[o, :, i, j]``.

    Raises
    ------
    TypeError, ValueError
        If `bits` does not have four axes, or holds anything but 0 and 1.

    Notes
    -----
    O(size) time.

    Examples
    --------
    >>> pack_kernels(np.ones((8, 70, 3, 3), bool)).shape
    (8, 3, 3, 2)
    """
    array = _bits("pack_kernels", bits)
    if array.ndim != 4:
        got = f"shape {array.shape}"
        mend = "give a linear layer kernels of 1 x 1: bits[:, :, None, None]"
        raise ValueError(_checks.message("pack_kernels", "bits", f"an array {KERNELS}", got, mend))
    return ops.pack_kernels(array)


def unpack_kernels(words: npt.ArrayLike, in_channels: int) -> Bits:
    """Undo `pack_kernels`.

    Parameters
    ----------
    words : array of uint64, (out_channels, kernel_height, kernel_width, ceil(in_channels/64))
        Tail bits must be zero.
    in_channels : int

    Returns
    -------
    ndarray of bool, (out_channels, in_channels, kernel_height, kernel_width)

    Raises
    ------
    TypeError, ValueError
        As `unpack_bits`; also if `words` does not have four axes.

    Notes
    -----
    O(size) time.

    Examples
    --------
    >>> words = pack_kernels(np.eye(3, dtype=bool).reshape(1, 1, 3, 3))
    >>> words.ravel()
    array([1, 0, 0, 0, 1, 0, 0, 0, 1], dtype=uint64)
    >>> unpack_kernels(words, 1).shape
    (1, 1, 3, 3)
    """
    array, n, _ = _words("unpack_kernels", words, "in_channels", in_channels, -1)
    if array.ndim != 4:
        got, mend = f"shape {array.shape}", "reshape it, or use unpack_bits"
        raise ValueError(_checks.message("unpack_kernels", "words", f"an array {KERNEL_WORDS}", got, mend))
    return ops.unpack_kernels(array, n)


def pack_signs(x: npt.ArrayLike, *, axis: int = -1) -> Words:
    """Pack the bits ``x > 0`` of real numbers along one axis, without an array of bits between.

    Parameters
    ----------
    x : array of float16, float32, float64 or integers, of any shape with at least one axis
        Without NaN; infinities are numbers like others.
    axis : int
        The axis to pack, of length n.

    Returns
    -------
    ndarray of uint64
        The shape of `x` with ceil(n/64) in place of n. 0.0 and -0.0 give bit 0; tail bits are zero.

    Raises
    ------
    TypeError, ValueError
        If `x` is not of a real dtype, has no axes, or holds NaN.

    Notes
    -----
    O(size) time; fastest for float32.

    Examples
    --------
    >>> pack_signs([-1.5, -0.0, 0.0, 2.0])
    array([8], dtype=uint64)
    """
    array = _real("pack_signs", "x", x, "fiu")
    return ops.pack_signs(array, axis=_axis("pack_signs", "x", array, axis))


def invert_bits(words: npt.ArrayLike, count: int, *, axis: int = -1) -> Words:
    """Exchange zeros and ones, the tail bits left zero: to and from the convention in which bit 0 is +1.

    Parameters
    ----------
    words : array of uint64, of any shape with at least one axis
        With ceil(count/64) words along the axis. Tail bits must be zero.
    count : int
        How many bits there are along the axis.
    axis : int
        The packed axis.

    Returns
    -------
    ndarray of uint64, shape of `words`
        Inverted once more, it is `words` again.

    Raises
    ------
    TypeError, ValueError
        As `unpack_bits`.

    Notes
    -----
    Larq Compute Engine's bits are ``x < 0`` (its file ``core/bitpacking/bitpack.h``), so the inverted ones are ``x >=
    0``, which for weights and activations that are not zero is ``x > 0``. Its words have 32 bits and a zero tail;
    where their number is odd, append a zero word before two are read as one.

    Examples
    --------
    >>> theirs = np.array([[0b101, 0b1, 0b1, 0]], np.uint32)  # 70 bits in three words, and one appended
    >>> ours = invert_bits(theirs.astype("<u4").view("<u8"), 70)
    >>> unpack_bits(ours, 70)[0, [0, 1, 2, 3, 32, 64, 65]]
    array([False,  True, False,  True, False, False,  True])
    """
    array, n, place = _words("invert_bits", words, "count", count, axis)
    return ops.invert_bits(array, n, axis=place)


def bits_at_least_zero(x: npt.ArrayLike) -> Bits:
    """Return the bits as Larq and QONNX choose them, ``x >= 0``: 0.0 and -0.0 give bit 1, unlike here.

    Parameters
    ----------
    x : array of float16, float32, float64 or integers, of any shape
        Without NaN.

    Returns
    -------
    ndarray of bool, shape of `x`
        Equal to ``x > 0`` but where x is zero.

    Raises
    ------
    TypeError, ValueError
        If `x` is not of a real dtype or holds NaN.

    Examples
    --------
    >>> bits_at_least_zero([-1.5, -0.0, 0.0, 2.0])
    array([False,  True,  True,  True])
    """
    return ops.bits_at_least_zero(_real("bits_at_least_zero", "x", x, "fiu"))


def above_to_at_least(threshold: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return the threshold t' with ``(x > t) == (x >= t')`` for every x of the same dtype: the float next above t.

    Parameters
    ----------
    threshold : array of float16, float32 or float64, of any shape
        t, less than inf: nothing is above inf, but inf is at least inf. Its dtype must be that of x: between
        neighbouring floats lie others of a wider dtype.

    Returns
    -------
    ndarray of float, shape and dtype of `threshold`

    Raises
    ------
    TypeError, ValueError
        If `threshold` is not of a float dtype, or holds NaN or inf.

    Notes
    -----
    Above 0 comes the smallest subnormal number, so both rules must run where these are not flushed to zero. For
    integers, t' = t + 1.

    Examples
    --------
    >>> above_to_at_least(np.array([0.0, 1.0], np.float32))
    array([1.4012985e-45, 1.0000001e+00], dtype=float32)
    """
    array = _real("above_to_at_least", "threshold", threshold, "f", bad=np.inf)
    return ops.above_to_at_least(array)


def at_least_to_above(threshold: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return the threshold t with ``(x > t) == (x >= t')`` for every x of the same dtype: the float next below t'.

    Parameters
    ----------
    threshold : array of float16, float32 or float64, of any shape
        t', greater than -inf: -inf is at least -inf, but not above anything. Its dtype must be that of x.

    Returns
    -------
    ndarray of float, shape and dtype of `threshold`
        ``at_least_to_above(above_to_at_least(t)) == t``, and the other way round.

    Raises
    ------
    TypeError, ValueError
        If `threshold` is not of a float dtype, or holds NaN or -inf.

    Notes
    -----
    See `above_to_at_least`. For integers, t = t' - 1.

    Examples
    --------
    >>> at_least_to_above(np.array([0.0, 1.0], np.float32))
    array([-1.4012985e-45,  9.9999994e-01], dtype=float32)
    """
    array = _real("at_least_to_above", "threshold", threshold, "f", bad=-np.inf)
    return ops.at_least_to_above(array)


def _bits(function: str, value: npt.ArrayLike) -> Bits:
    """Return the argument `bits` as an array of bool."""
    array = _checks._as_array(function, "bits", value, BITS)
    return array if array.dtype == np.bool_ else _checks.bits(function, "bits", array, array.shape)


def _axis(function: str, argument: str, array: np.ndarray, axis: int) -> int:
    """Return the axis as a number from 0 on; an array without axes is refused."""
    if array.ndim == 0:
        expected, mend = "an array with at least one axis", "pass a sequence, such as [x]"
        raise ValueError(_checks.message(function, argument, expected, "an array without axes", mend))
    return _checks.integer(function, "axis", axis, -array.ndim, array.ndim - 1) % array.ndim


def _words(function: str, value: npt.ArrayLike, name: str, count: int, axis: int) -> tuple[Words, int, int]:
    """Return words, count and axis; `name` is what the function calls the count."""
    array = _checks._as_array(function, "words", value, "an array of uint64")
    if array.dtype.kind != "u" or array.dtype.itemsize != 8:
        mend = "read bytes with .view('<u8'), convert integers with .astype(np.uint64)"
        raise TypeError(_checks.message(function, "words", "an array of uint64", f"dtype {array.dtype}", mend))
    array = array.astype(np.uint64, copy=False)  # the machine's own order of bytes
    axis = _axis(function, "words", array, axis)
    number, each = _checks.integer(function, name, count, 0), array.shape[axis]
    if -(-number // 64) != each:
        low, high = max(64 * each - 63, 0), 64 * each
        expected = f"from {low} to {high} for {each} words along axis {axis} (shape {array.shape})"
        raise ValueError(_checks.message(function, name, expected, str(number), "give the number of bits packed"))
    if number % 64:
        last = np.moveaxis(array, axis, -1)[..., -1:] >> np.uint64(number % 64)
        if last.any():
            bad = np.zeros(array.shape, np.bool_)
            np.moveaxis(bad, axis, -1)[..., -1:] = last != 0
            expected = f"words with zeros from bit {number % 64} of the last one on, for {name} = {number}"
            got, mend = _checks._first_bad(array, bad), f"clear the tail bits, or correct {name}"
            raise ValueError(_checks.message(function, "words", expected, got, mend))
    return array, number, axis


def _real(function: str, name: str, value: npt.ArrayLike, kinds: str, bad: float = np.nan) -> np.ndarray:
    """Return an array of numbers of the given kinds ("f" float, "i" and "u" integers), without NaN and `bad`."""
    integers = " or integers" if "i" in kinds else ""
    excluded = "NaN" if bad != bad else f"NaN and {bad}"
    expected = f"an array of float16, float32, float64{integers}, without {excluded}"
    array = _checks._as_array(function, name, value, expected)
    if array.dtype.kind not in kinds or array.dtype.itemsize > 8:
        mend = "convert it, for example with x.astype(np.float32)"
        raise TypeError(_checks.message(function, name, expected, f"dtype {array.dtype}", mend))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    ends = [array.min(initial=0), array.max(initial=0)]  # NaN if there is any
    if any(end == bad or end != end for end in ends):
        got = _checks._first_bad(array, np.isnan(array) | (array == bad))
        raise ValueError(_checks.message(function, name, expected, got, "replace it first"))
    return array
