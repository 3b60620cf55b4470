"""Differences: what counts as equal, and what the sentences say."""

import numpy as np
import pytest

from bbdg_ref.conformance import EXACT, Bound, Vector, differences


def compare(want, got, bound=EXACT):
    vector = Vector("id", "stage", "comment", ("flag",), {}, {"y": want}, {"y": bound})
    return differences(vector, {"y": got})


F32 = np.float32
ONE = np.array([1.0, 2.0], F32)


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (0.0, -0.0),
        (1.5, np.float32(1.5)),
        (1.5, np.array(1.5)),
        (3, 3.0),
        (True, 1),
        (np.inf, np.inf),
        (np.nan, np.nan),
        (ONE, ONE.astype(np.float64)),
        (ONE, [1, 2]),
        (np.array([True, False]), np.array([1, 0], np.uint8)),
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([2**64 - 1], np.uint64), [2**64 - 1]),
        (np.array([2**53 + 1]), np.array([2**53 + 1], np.uint64)),
        (np.zeros((0, 2)), np.zeros((0, 2), np.int8)),
    ],
)
def test_equal_numbers_are_equal_whatever_their_dtype(want, got):
    assert compare(want, got) == []


@pytest.mark.parametrize(
    ("want", "got", "sentence"),
    [
        (ONE, [1, np.nextafter(F32(2), F32(3))], "y[1]: got 2.000000238418579 (0x1.000002p+1), expected 2.0"),
        (1.0, np.nextafter(1.0, 2.0), "1.0000000000000002 (0x1.0000000000001p+0), expected 1.0 (0x1.0p+0), off by"),
        (ONE, ONE[:1], "y: got shape (1,), expected (2,)"),
        (1.0, np.array([1.0]), "y: got shape (1,), expected ()"),
        (ONE, "1, 2", "y: must be numbers of at most 64 bits; got '1, 2'"),
        (ONE, None, "y: must be numbers"),
        (ONE, [1j, 2], "y: must be numbers"),
        (np.array([1]), [2**70], "y: must be numbers of at most 64 bits"),
        (ONE, [[1.0], [1.0, 2.0]], "y: must be an array of numbers"),
        (np.array([True, False]), [True, True], "y[1]: got True, expected False; 1 of 2 wrong"),
        (np.array([2**53 + 1]), np.array([2.0**53]), "y[0]: got 9007199254740992.0"),
        (np.array([2**63], np.uint64), np.array([-1]), "y[0]: got -1, expected 9223372036854775808 (0x80000"),
        (np.array([1, 2, 3]), [1, 5, 4], "y[1]: got 5, expected 2; 2 of 3 wrong"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [4, 4]], "y[1, 0]: got 4, expected 3; 1 of 4 wrong"),
        (0.0, 5e-324, "off by 1 ulp (none allowed)"),
        (1.0, np.nan, "got nan"),
        (np.inf, 1e308, "got 1e+308"),
        (1.0, np.inf, "got inf"),
        (True, False, "y: got False, expected True"),
    ],
)  # fmt: skip
def test_each_difference_is_one_sentence(want, got, sentence):
    (found,) = compare(want, got)
    assert sentence in found


def test_ulps_are_those_of_the_expected_dtype():
    want = np.array([1.0], F32)
    assert compare(want, [1 + 2 * 2.0**-23], Bound(2)) == []
    (found,) = compare(want, [1 + 3 * 2.0**-23], Bound(2))
    assert "off by 3 ulp (2 allowed)" in found
    assert compare(want.astype(np.float64), [1 + 3 * 2.0**-52], Bound(3)) == []
    assert compare(want.astype(np.float64), [1 + 2.0**-23], Bound(3)) != []


def test_a_scale_is_the_unit_for_sums_that_cancel():
    want = np.array([0.0, 1.0], F32)
    near = want + F32(1e-5)
    assert compare(want, near, Bound(4)) != []
    assert compare(want, near, Bound(4, scale=100.0)) == []
    (found,) = compare(want, want + F32(1e-4), Bound(4, scale=100.0))
    assert "y[0]" in found and "eps * 100 (4 allowed)" in found


def test_a_bound_lets_no_nan_and_no_infinity_pass():
    for got in (np.nan, np.inf, -np.inf):
        assert compare(1.0, got, Bound(1e300, scale=1e300)) != []
    assert compare(np.inf, np.nan, Bound(4)) != []
    assert compare(np.inf, np.inf, Bound(4)) == []


def test_bits_and_integers_are_exact_whatever_the_bound():
    assert compare(np.array([True]), [False], Bound(100)) != []
    assert compare(np.array([7]), [8], Bound(100)) != []
    assert compare(7, 8, Bound(100)) != []


def test_outputs_are_judged_one_by_one():
    expected = {"a": 1, "b": ONE, "c": True}
    vector = Vector("id", "stage", "comment", ("flag",), {}, expected, dict.fromkeys(expected, EXACT))
    assert differences(vector, {"a": 1, "b": ONE, "c": True, "more": "ignored"}) == []
    found = differences(vector, {"a": 2, "b": ONE})
    assert found == ["a: got 2, expected 1", "c: missing from the outputs"]


def test_an_output_without_a_bound_is_exact():
    vector = Vector("id", "stage", "comment", ("flag",), {}, {"y": 1.0}, {})
    assert differences(vector, {"y": 1.0}) == []
    assert differences(vector, {"y": np.nextafter(1.0, 2.0)}) != []


def test_long_answers_are_shortened():
    (found,) = compare(ONE, "x" * 1000)
    assert len(found) < 150
