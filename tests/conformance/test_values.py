"""The JSON form of values: nothing is lost on the way, and nothing else is read."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bbdg_ref.conformance.values import DTYPES, float_hex, from_json, to_json


def there_and_back(value):
    return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))


@given(st.data())
def test_arrays_keep_every_bit(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    elements = {"allow_nan": False} if dtype.startswith("float") else None
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=elements))
    read = there_and_back(array)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.tobytes() == array.tobytes()


@given(st.floats(allow_nan=False))
def test_floats_keep_every_bit(x):
    read = there_and_back(x)
    assert read == x and math.copysign(1, read) == math.copysign(1, x)


def test_nan_is_kept():
    assert math.isnan(there_and_back(math.nan))
    assert np.isnan(there_and_back(np.array([1, math.nan], np.float16))).tolist() == [False, True]


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.text()))
def test_other_values_are_their_own_form(value):
    assert to_json(value) is value
    assert there_and_back(value) == value and type(there_and_back(value)) is type(value)


def test_numpy_scalars_become_python_numbers():
    assert to_json(np.float64(1.5)) == {"float64": "0x1.8p+0"}
    assert to_json(np.int8(-3)) == -3 and type(to_json(np.int8(-3))) is int
    assert to_json(np.True_) is True
    assert to_json(np.float32(1.5)) == {"dtype": "float32", "shape": [], "data": ["0x1.8p+0"]}


def test_arrays_are_written_in_c_order():
    transposed = np.arange(6, dtype=np.int16).reshape(2, 3).T
    assert to_json(transposed) == {"dtype": "int16", "shape": [3, 2], "data": [0, 3, 1, 4, 2, 5]}


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1.0, "0x1.0p+0"),
        (-0.0, "-0x0.0p+0"),
        (0.1, "0x1.999999999999ap-4"),
        (2.0**100, "0x1.0p+100"),
        (5e-324, "0x0.0000000000001p-1022"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_floats_are_written_short(x, text):
    assert float_hex(x) == text


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("0x1.8p+0", 1.5),
        ("0x1p0", 1.0),
        ("0X1.8P+1", 3.0),
        ("-0x0p+0", 0.0),
        ("0xcp-3", 1.5),
        ("+inf", math.inf),
        ("-INF", -math.inf),
        ("infinity", math.inf),
        ("0x0.8p-1022", 2.0**-1023),
        ("0x0p-9999999999", 0.0),
        ("-0x1.00000000000000000p+1023", -(2.0**1023)),
    ],
)
def test_what_c_prints_is_read(text, x):
    assert from_json({"float64": text}) == x
    assert from_json({"dtype": "float64", "shape": [], "data": [text]}) == x


@pytest.mark.parametrize("value", [object(), 1j, [1.0], {"float64": "0x1p+0"}, np.array([1j]), np.array(["a"])])
def test_what_has_no_form_is_refused(value):
    with pytest.raises(TypeError, match="to_json"):
        to_json(value)


def array(dtype, shape, data):
    return {"dtype": dtype, "shape": shape, "data": data}


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (1.5, 'plain number with a fraction; write {"float64": "0x1.8p+0"}'),
        (math.nan, "plain number"),
        ([1, 2], "an object with the one key float64"),
        ({"float32": "0x1p+0"}, "float32"),
        ({"float64": "1.5"}, "the scalar must be a float as a string"),
        ({"float64": "0x1.8"}, "the scalar must be a float as a string"),
        ({"float64": 1}, "the scalar must be a float as a string"),
        ({"float64": "0x1p+99999"}, "exactly a float64"),
        ({"float64": "0x1.00000000000001p+0"}, "exactly a float64"),
        ({"float64": "0x1.8p-1074"}, "exactly a float64"),
        ({"float64": "-0x1p-9999999999"}, "exactly a float64"),
        (array("float128", [1], ["0x1p+0"]), "dtype must be one of"),
        (array(["float64"], [1], ["0x1p+0"]), "dtype must be one of"),
        (array("float32", [-1], []), "shape must be a list of integers"),
        (array("float32", [True], ["0x1p+0"]), "shape must be a list of integers"),
        (array("float32", 1, ["0x1p+0"]), "shape must be a list of integers"),
        (array("float32", [2, 2], ["0x1p+0"] * 3), "a list of 4 elements for shape [2, 2]; got 3 elements"),
        (array("float32", [1], "0x1p+0"), "a list of 1 elements"),
        (array("float32", [2], ["0x1p+0", "0x1.000001p+0"]), "element 1 must be exactly a float32"),
        (array("float16", [1], ["0x1p+16"]), "element 0 must be exactly a float16"),
        (array("float32", [1], [1]), "element 0 must be a float as a string"),
        (array("int8", [2], [0, 128]), "element 1 must be an integer from -128 to 127; got 128"),
        (array("int8", [1], [True]), "element 0 must be an integer"),
        (array("int8", [1], [1.0]), "element 0 must be an integer"),
        (array("bool", [1], [2]), "from 0 to 1"),
        (array("bool", [1], [True]), "from 0 to 1"),
        (array("uint64", [1], [13]), '"0x" and 16 hexadecimal digits; got 13'),
        (array("uint64", [1], ["0xd"]), '"0x" and 16 hexadecimal digits'),
        ({"dtype": "int8", "shape": [0]}, "keys dtype, shape and data"),
    ],
)
def test_other_forms_are_refused_with_the_reason(form, message):
    with pytest.raises(ValueError) as raised:
        from_json(form)
    assert str(raised.value).startswith("from_json: ") and message in str(raised.value)


def test_long_values_are_shortened_in_messages():
    with pytest.raises(ValueError) as raised:
        from_json(list(range(1000)))
    assert len(str(raised.value)) < 300
