"""The order of numbers as unsigned integers, the spacing within runs of them, and blocks of arrays."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.ops.ordered import Line, blocks

DTYPES = [np.dtype(t) for t in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
LINES = [Line(np.dtype(t)) for t in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")]
FLOATS = LINES[:3]

lines = pytest.mark.parametrize("line", LINES, ids=lambda line: str(line.dtype))
floats = pytest.mark.parametrize("line", FLOATS, ids=lambda line: str(line.dtype))


def ascending(dtype: np.dtype) -> np.ndarray:
    """The ends of the range, of every kind of number and of some exponents, strictly ascending but for -0.0, 0.0."""
    if dtype.kind in "iu":
        about = np.iinfo(dtype)
        near = {
            about.min,
            about.min + 1,
            -256,
            -255,
            -2,
            -1,
            0,
            1,
            2,
            255,
            256,
            about.max // 2,
            about.max - 1,
            about.max,
        }
        return np.array(sorted(x for x in near if about.min <= x <= about.max), dtype)
    about = np.finfo(dtype)
    one, two = dtype.type(1), dtype.type(2)
    positive = [
        about.smallest_subnormal,
        2 * about.smallest_subnormal,
        np.nextafter(about.tiny, dtype.type(0)),
        about.tiny,
    ]
    positive += [
        np.nextafter(one, dtype.type(0)),
        one,
        np.nextafter(one, two),
        dtype.type(1.5),
        np.nextafter(two, one),
        two,
    ]
    positive += [np.nextafter(about.max, one), about.max]
    return np.array([-x for x in reversed(positive)] + [-0.0, 0.0, *positive], dtype)


def all_float16() -> np.ndarray:
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return x[np.isfinite(x)]


def patterns(line: Line, size: int, seed: int = 0) -> np.ndarray:
    """Random bits, read as finite numbers of the line."""
    x = np.frombuffer(np.random.default_rng(seed).bytes(2 * size * line.bits // 8), line.dtype)
    return x[np.isfinite(x)][:size]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_line_holds_all_numbers_of_its_dtype(dtype):
    line = Line.of(dtype)
    assert line.dtype.kind == dtype.kind and line.bits == max(16, 8 * dtype.itemsize)
    assert np.array_equal(ascending(dtype).astype(line.dtype), ascending(dtype))


@lines
def test_the_order_is_that_of_the_numbers(line):
    x = ascending(line.dtype)
    u = line.order(x)
    assert u.dtype == line.unsigned
    assert u.tolist() == sorted(set(u.tolist()))
    if line.dtype.kind == "f":
        minus, plus = line.order(np.array([-0.0, 0.0], line.dtype)).tolist()
        assert plus == minus + 1


def test_the_order_of_every_float16():
    line, x = Line.of(np.float16), all_float16()
    u = line.order(x)
    assert np.unique(u).size == x.size
    y = x[np.argsort(u)]
    assert (y[1:] >= y[:-1]).all()
    equal = np.flatnonzero(y[1:] == y[:-1])
    assert equal.size == 1 and np.signbit(y[equal[0]]) and not np.signbit(y[equal[0] + 1]) and y[equal[0]] == 0
    assert line.finite == (u.min(), u.max())
    assert [line.number(v).tobytes() for v in u.tolist()] == [value.tobytes() for value in x]


@given(st.sampled_from(LINES), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.booleans())
def test_numbers_and_their_places_are_in_the_same_order(line, a, b, near):
    bits = (1 << line.bits) - 1
    raw = np.array([a & bits, (a + b % 5 if near else b) & bits], line.unsigned).view(line.dtype)
    if not np.isfinite(raw).all():
        return
    x, y = raw
    u, v = line.order(raw).tolist()
    event(f"{line.dtype}, {'equal' if x == y else 'other numbers'}")
    assert line.finite[0] <= u <= line.finite[1]
    assert (u < v) == (x < y or (bool(x == y) and bool(np.signbit(x)) and not np.signbit(y)))
    assert line.number(u).tobytes() == x.tobytes() and line.number(v).tobytes() == y.tobytes()
    assert line.number(u).dtype == line.dtype


@lines
def test_the_finite_ones_are_those_from_the_least_to_the_greatest(line):
    least, greatest = line.finite
    if line.dtype.kind == "f":
        about = np.finfo(line.dtype)
        assert np.isneginf(line.number(least - 1)) and np.isposinf(line.number(greatest + 1))
    else:
        about = np.iinfo(line.dtype)
        assert (least, greatest) == (0, 2**line.bits - 1)
    assert (line.number(least), line.number(greatest)) == (about.min, about.max)


@lines
def test_the_unit_divides_every_number_and_is_one(line):
    unit = Fraction(2) ** line.unit
    assert unit == (Fraction(float(np.finfo(line.dtype).smallest_subnormal)) if line.dtype.kind == "f" else 1)


# Known values: dtype, number (bits 0 and others from its left), free bits: base and scale of the run that it begins.
RUNS = [
    ("f4", 0.0, 16, 0, -149),
    ("f4", 1.0, 16, 2**23, -23),
    ("f4", 1.5, 16, 3 * 2**22, -23),
    ("f4", 2.0**-126, 16, 2**23, -149),
    ("f4", 2.0**-149, 0, 1, -149),
    ("f4", 2.0**127, 16, 2**23, 104),
    ("f4", -(2.0 - 2.0**-23), 16, -(2**24 - 1), -23),
    ("f4", -(2.0**-126 - 2.0**-149), 16, -(2**23 - 1), -149),
    ("f4", float(-np.finfo(np.float32).max), 16, -(2**24 - 1), 104),
    ("f4", -1.0, 0, -(2**23), -23),
    ("f8", 0.0, 48, 0, -1074),
    ("f8", 1.0, 48, 2**52, -52),
    ("f8", 5e-324, 0, 1, -1074),
    ("f8", -5e-324, 0, -1, -1074),
    ("f8", -math.nextafter(2.0, 0.0), 32, -(2**53 - 1), -52),
    ("f8", math.ldexp(1.0, 1023), 16, 2**52, 971),
    ("f2", 1.0, 0, 2**10, -10),
    ("f2", -65504.0, 0, -2047, 5),
    ("f2", 2.0**-24, 0, 1, -24),
    ("f2", -0.0, 0, 0, -24),
    ("i2", -(2**15), 0, -(2**15), 0),
    ("i4", -(2**31), 16, -(2**31), 0),
    ("i4", 65536, 16, 65536, 0),
    ("i8", -(2**63), 48, -(2**63), 0),
    ("u8", 2**64 - 1, 0, 2**64 - 1, 0),
    ("u4", 3 * 2**16, 16, 3 * 2**16, 0),
]


@pytest.mark.parametrize("kind, value, left, base, scale", RUNS)
def test_the_base_and_scale_of_known_runs(kind, value, left, base, scale):
    line = Line.of(kind)
    first = line.order(np.array([value], line.dtype)).astype(np.uint64)
    assert int(first[0]) % (1 << left) == 0  # it does begin a run
    assert line.bases(first, (1 << left) - 1) == ([base], [scale])


def value(line: Line, u: int) -> Fraction:
    """The number of one u, exactly, by Python's own reading of its bytes."""
    raw = line.number(u).tobytes()
    code = {2: "eHh", 4: "fIi", 8: "dQq"}[len(raw)]["fui".index(line.dtype.kind)]
    return Fraction(struct.unpack("=" + code, raw)[0])


@given(st.sampled_from(LINES), st.data())
def test_numbers_of_a_run_are_evenly_spaced(line, data):
    left = data.draw(st.sampled_from(range(0, line.bits, 16)))
    width = (1 << left) - 1
    first = data.draw(st.integers(line.finite[0] >> left, line.finite[1] >> left)) << left
    ((base,), (scale,)) = line.bases(np.array([first], np.uint64), width)
    event(f"{line.dtype}, {left} free bits")
    for lower in {0, min(1, width), width, data.draw(st.integers(0, width))}:
        assert value(line, first + lower) == (base + lower) * Fraction(2) ** scale


@floats
def test_runs_of_every_exponent(line):
    left = line.bits - 16
    firsts = np.arange(line.finite[0] >> left, (line.finite[1] >> left) + 1, dtype=np.uint64) << np.uint64(left)
    bases, scales = line.bases(firsts, (1 << left) - 1)
    for first, base, scale in list(zip(firsts.tolist(), bases, scales, strict=True))[::13]:
        last = (1 << left) - 1
        assert value(line, first) == base * Fraction(2) ** scale
        assert value(line, first + last) == (base + last) * Fraction(2) ** scale


@lines
def test_the_least_place_of_equal_numbers(line):
    for x in ascending(line.dtype):
        least = line.least_equal(x)
        assert line.number(least) == x
        if line.dtype.kind == "f" and x == 0:
            assert np.signbit(line.number(least))
        if least > line.finite[0]:
            assert line.number(least - 1) < x


LAYOUTS = {
    "flat": lambda x: x,
    "backwards": lambda x: x[::-1],
    "every third": lambda x: x[::3],
    "no dimension": lambda x: x[:1].reshape(()),
    "none": lambda x: x[:0],
    "none in 2-D": lambda x: x[:0].reshape(4, 0),
    "2-D": lambda x: x[: x.size // 6 * 6].reshape(6, -1),
    "Fortran": lambda x: np.asfortranarray(x[: x.size // 6 * 6].reshape(6, -1)),
    "3-D, moved axes": lambda x: np.moveaxis(x[: x.size // 12 * 12].reshape(3, 4, -1), 0, 2)[:, ::-1],
    "repeated": lambda x: np.broadcast_to(x, (3, x.size)),
    "part of rows": lambda x: x[: x.size // 6 * 6].reshape(6, -1)[:, 1:-1],
    "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype),
    "bytes swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "bytes swapped, every second": lambda x: x.astype(x.dtype.newbyteorder())[::2],
    "not aligned": lambda x: np.ndarray(x.shape, x.dtype, b"\0" + x.tobytes(), 1),
    "field of a record": lambda x: np.rec.fromarrays([np.zeros(x.size, np.uint8), x], names="a,b")["b"],
}
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def sample(dtype: np.dtype, size: int = 300) -> np.ndarray:
    line = Line.of(dtype)
    few = ascending(dtype)
    some = patterns(line, size).astype(dtype)  # wraps round where the line is wider
    return np.random.default_rng(1).permutation(np.concatenate([few, few, some]))


@layouts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_reaches_a_place(dtype, layout):
    line, x = Line.of(dtype), LAYOUTS[layout](sample(dtype))
    if dtype.itemsize == 1 and layout.startswith("bytes"):
        x = x[::2]
    native = np.ascontiguousarray(x.astype(line.dtype))
    u = line.order(native.reshape(-1)).reshape(x.shape)
    places = [*line.order(ascending(dtype).astype(line.dtype)).tolist(), *line.finite]
    for least in places:
        for out in (np.empty(x.shape, np.bool_), np.empty((*x.shape, 2), np.bool_)[..., 0]):
            line.reaching(x, least, out)
            assert np.array_equal(out, u >= least)


@floats
def test_zeros_of_both_signs_reach_different_places(line):
    x = np.array([-0.0, 0.0, -1.0, 1.0, -np.finfo(line.dtype).smallest_subnormal], line.dtype)
    out = np.empty(5, np.bool_)
    minus = line.least_equal(line.dtype.type(0))
    for least, want in [(minus, [1, 1, 0, 1, 0]), (minus + 1, [0, 1, 0, 1, 0]), (minus - 1, [1, 1, 0, 1, 1])]:
        line.reaching(x, least, out)
        assert out.tolist() == [bool(bit) for bit in want]


@layouts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_blocks_give_every_number_once(dtype, layout):
    x = LAYOUTS[layout](sample(dtype, 60))
    wide = Line.of(dtype).dtype
    raw = f"u{wide.itemsize}"
    want = sorted(x.astype(wide).reshape(-1).view(raw).tolist())
    for size in (1, 7, 10**6):
        found = []
        for block in blocks(x, wide, size):
            assert block.ndim == 1 and block.flags.c_contiguous and block.dtype == wide and block.size <= size
            found += block.view(raw).tolist()
        assert sorted(found) == want


def test_contiguous_numbers_are_not_copied():
    x = np.arange(100, dtype=np.float32).reshape(5, 20)
    assert all(np.shares_memory(block, x) for block in blocks(x, x.dtype, 30))
