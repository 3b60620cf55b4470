"""Arguments that do not fit are refused in one form of words, before anything is computed."""

import numpy as np
import pytest

from bbdg_ref import _checks

FORM = r"^function: x must be .+; got .+; .+$"


class OnlyDLPack:
    """An array that offers nothing but the DLPack protocol."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArray:
    """An array that offers nothing but the array protocol."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0])


class OnAnotherDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("cannot convert a device tensor to numpy")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_real_dtypes_are_kept(dtype):
    array = np.array([1, 2], dtype)
    assert _checks.real_array("function", "x", array) is array


def test_other_byte_orders_become_native():
    array = _checks.real_array("function", "x", np.array([1.5, 2.0], ">f4"))
    assert array.dtype == np.float32 and array.dtype.isnative and array.tolist() == [1.5, 2.0]


@pytest.mark.parametrize("value", [[1, 2.0], (1.0, 2.0), OnlyArray(), OnlyDLPack(np.array([1.0, 2.0]))])
def test_sequences_and_foreign_arrays_are_read(value):
    assert _checks.real_array("function", "x", value).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([], ValueError, "empty array of shape"),
        (np.zeros((2, 0)), ValueError, "empty array of shape (2, 0)"),
        ([1.0, np.nan], ValueError, "first bad value nan at index 1"),
        ([[1.0, 2.0], [-np.inf, 0.0]], ValueError, "first bad value -inf at index (1, 0)"),
        ([1j], TypeError, "complex"),
        ([True], TypeError, "bool (bool), first bad value True at index 0"),
        (["a"], TypeError, "string"),
        ([b"a"], TypeError, "bytes"),
        ([None], TypeError, "object"),
        ([2**70], TypeError, "object"),
        (None, TypeError, "object"),
        ([[1], [1, 2]], TypeError, "cannot read"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "datetime"),
        (np.ma.masked_array([1.0], [True]), TypeError, "masked array"),
        (OnAnotherDevice(), TypeError, "device tensor"),
    ],
)
def test_other_arrays_are_refused(value, error, words):
    with pytest.raises(error, match=FORM) as caught:
        _checks.real_array("function", "x", value)
    assert words in str(caught.value)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
def test_long_double_is_refused():
    with pytest.raises(TypeError, match=r"longdouble|float128|float96"):
        _checks.real_array("function", "x", np.array([1.0], np.longdouble))


@pytest.mark.parametrize("value", [[True, False], [1, 0], np.array([1, 0], np.uint8)])
def test_bits_are_bool_or_integers(value):
    bits = _checks.bits("function", "x", value, (2,))
    assert bits.dtype == np.bool_ and bits.tolist() == [True, False]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([0, 2], ValueError, "first bad value 2 at index 1"),
        ([0, -1], ValueError, "first bad value -1 at index 1"),
        ([0, 1, 1], ValueError, "shape (3,)"),
        ([0.0, 1.0], TypeError, "dtype float64"),
        (["0", "1"], TypeError, "dtype <U1"),
    ],
)
def test_what_is_not_bits_is_refused(value, error, words):
    with pytest.raises(error, match=FORM) as caught:
        _checks.bits("function", "x", value, (2,))
    assert words in str(caught.value)


def test_integers_in_range_are_returned_as_int():
    assert _checks.integer("function", "x", np.int8(3), 0, 3) == 3
    assert type(_checks.integer("function", "x", np.int8(3), 0)) is int


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, ValueError),
        (4, ValueError),
        (1.0, TypeError),
        (True, TypeError),
        ("1", TypeError),
        (None, TypeError),
    ],
)
def test_other_integers_are_refused(value, error):
    with pytest.raises(error, match=FORM):
        _checks.integer("function", "x", value, 0, 3)


def test_counts_are_one_or_one_for_each_channel():
    assert _checks.counts("function", "x", 2, 3, 0) == 2
    assert _checks.counts("function", "x", np.array(2), 3, 0) == 2
    assert _checks.counts("function", "x", [0, 1, 2], 3, 0, 2).tolist() == [0, 1, 2]
    assert _checks.counts("function", "x", np.array([2**64 - 1], np.uint64), 1, 0).tolist() == [2**63 - 1]


@pytest.mark.parametrize(
    ("value", "channels", "error", "words"),
    [
        ([0, 1], 3, ValueError, "shape (2,)"),
        ([0, 3, -1], 3, ValueError, "first bad value 3 at index 1"),
        ([0.0, 1.0, 1.0], 3, TypeError, "dtype float64"),
        ([0, 1], None, TypeError, "list"),
        (3, None, ValueError, "got 3"),
    ],
)
def test_other_counts_are_refused(value, channels, error, words):
    with pytest.raises(error, match=FORM) as caught:
        _checks.counts("function", "x", value, channels, 0, 2)
    assert words in str(caught.value)


def test_axes_count_from_either_end():
    assert _checks.axis("function", "x", None, 2) is None
    assert [_checks.axis("function", "x", i, 2) for i in (-2, -1, 0, 1)] == [0, 1, 0, 1]


@pytest.mark.parametrize(("value", "ndim"), [(2, 2), (-3, 2), (0, 0), (1.0, 2), (True, 2)])
def test_other_axes_are_refused(value, ndim):
    with pytest.raises((ValueError, TypeError), match=FORM):
        _checks.axis("function", "x", value, ndim)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), np.array(1.0)])
def test_real_numbers_become_float(value):
    assert type(_checks.real_number("function", "x", value)) is float


@pytest.mark.parametrize("value", [np.nan, np.inf, 2**53 + 1, 2**2000, True, "1", None, 1j, [1.0]])
def test_other_numbers_are_refused(value):
    with pytest.raises((ValueError, TypeError), match=FORM):
        _checks.real_number("function", "x", value)


def test_a_choice_is_one_of_those_allowed():
    _checks.one_of("function", "x", "a", ["a", "b"])
    with pytest.raises(ValueError, match=FORM) as caught:
        _checks.one_of("function", "x", "c", ["a", "b"])
    assert "one of 'a', 'b'; got 'c'" in str(caught.value)


def test_fractions_exclude_the_ends_unless_allowed():
    assert _checks.fraction("function", "x", 0.5) == 0.5
    assert _checks.fraction("function", "x", 0, zero=True) == 0
    assert _checks.fraction("function", "x", 1, one=True) == 1
    for value, options in [(0, {}), (1, {}), (0, {"one": True}), (1, {"zero": True}), (-0.1, {"zero": True})]:
        with pytest.raises(ValueError, match=FORM):
            _checks.fraction("function", "x", value, **options)
