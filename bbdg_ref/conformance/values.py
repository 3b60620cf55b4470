"""Values as JSON without a lost bit: floats as hexadecimal strings, arrays flat in C order with dtype and shape.

================  ==================================================================================================
value             JSON
================  ==================================================================================================
array of floats   ``{"dtype": "float32", "shape": [2], "data": ["0x1.8p+0", "-0x0.0p+0"]}``; also "inf", "-inf", "nan"
array of bool     ``{"dtype": "bool", "shape": [2], "data": [0, 1]}``
array of uint64   ``{"dtype": "uint64", "shape": [1], "data": ["0x000000000000000d"]}``: 16 digits, because many
                  readers of JSON keep 53 bits of a number
other integers    ``{"dtype": "int8", "shape": [2], "data": [-1, 127]}``
float             ``{"float64": "0x1.8p+0"}``
int, bool, text   a JSON number without fraction, true or false, a string; None is null
================  ==================================================================================================
"""

import math
import re
from typing import Any

import numpy as np

__all__ = ["DTYPES", "float_hex", "from_json", "to_json"]

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, "bool", *INTEGERS)

# Also what "%a" of C prints, which may leave the point out or begin with another digit.
_HEX_FLOAT = re.compile(r"([+-]?)(?:0x([0-9a-f]+)\.?([0-9a-f]*)p([+-]?\d+)|inf|infinity|nan)", re.IGNORECASE)
_TAIL = re.compile(r"(?<=[0-9a-f])0+(p)")  # leaves one digit after the point
_HEX_WORD = re.compile(r"0x[0-9a-f]{16}")


def float_hex(x: float) -> str:
    """Return a float as a hexadecimal string: `float.hex` without the zeros at its end.

    Parameters
    ----------
    x : float

    Returns
    -------
    str

    Examples
    --------
    >>> float_hex(1.5), float_hex(-0.0)
    ('0x1.8p+0', '-0x0.0p+0')
    """
    return _TAIL.sub(r"\1", float(x).hex())


def to_json(value: Any) -> Any:
    """Return the JSON form of a value.

    Parameters
    ----------
    value : array, float, int, bool, str or None
        An array of one of `DTYPES`. A NumPy scalar is taken as the Python number, but float16 and float32, which
        become arrays of shape ().

    Returns
    -------
    dict, int, bool, str or None
        What the module's table says; `json.dumps` takes it.

    Raises
    ------
    TypeError
        If the value has no JSON form.

    Examples
    --------
    >>> to_json(1.5), to_json(3)
    ({'float64': '0x1.8p+0'}, 3)
    >>> to_json(np.array([13], np.uint64))
    {'dtype': 'uint64', 'shape': [1], 'data': ['0x000000000000000d']}
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):  # np.float64 is one
        return {"float64": float_hex(value)}
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, np.ndarray | np.floating):
        return _array_to_json(np.asarray(value))
    raise TypeError(f"to_json: value must be an array, a number, a string or None; got {type(value).__name__}")


def _array_to_json(array: np.ndarray) -> dict[str, Any]:
    dtype = array.dtype.name
    if dtype not in DTYPES:
        raise TypeError(f"to_json: the dtype of an array must be one of {', '.join(DTYPES)}; got {dtype}")
    flat = array.ravel(order="C").tolist()
    if dtype in FLOATS:
        data: list[Any] = [float_hex(x) for x in flat]  # as float64, which holds every float16 and float32
    elif dtype == "uint64":
        data = [f"0x{x:016x}" for x in flat]
    else:
        data = [int(x) for x in flat]
    return {"dtype": dtype, "shape": list(array.shape), "data": data}


def from_json(value: Any) -> Any:
    """Return the value of a JSON form: the inverse of `to_json`.

    Parameters
    ----------
    value : dict, int, bool, str or None
        As `to_json` gives it, or as `json.loads` reads it.

    Returns
    -------
    array, float, int, bool, str or None
        Arrays own their memory.

    Raises
    ------
    ValueError
        If it is not such a form: a plain JSON number with a fraction, a wrong number of elements, a float that the
        dtype does not hold exactly, an integer out of range. The message says which and where.

    Examples
    --------
    >>> from_json({"dtype": "float32", "shape": [2], "data": ["0x1.8p+0", "-inf"]})
    array([ 1.5, -inf], dtype=float32)
    >>> from_json(1.5)
    Traceback (most recent call last):
    ...
    ValueError: from_json: 1.5 is a plain number with a fraction; write {"float64": "0x1.8p+0"}
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        raise ValueError(
            f"from_json: {value!r} is a plain number with a fraction; "
            f'write {{"float64": "{float_hex(value)}"}}'
        )  # fmt: skip
    if isinstance(value, dict) and set(value) == {"float64"}:
        return _float(value["float64"], "float64", "the scalar")
    if isinstance(value, dict) and set(value) == {"dtype", "shape", "data"}:
        return _array_from_json(value["dtype"], value["shape"], value["data"])
    raise ValueError(
        "from_json: a value must be an integer, true, false, null, a string, an object with the one key float64, "
        f"or one with the keys dtype, shape and data; got {_short(value)}"
    )


def _array_from_json(dtype: Any, shape: Any, data: Any) -> np.ndarray:
    if dtype not in DTYPES:
        raise ValueError(f"from_json: dtype must be one of {', '.join(DTYPES)}; got {_short(dtype)}")
    sizes = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes:
        raise ValueError(f"from_json: shape must be a list of integers >= 0; got {_short(shape)}")
    if not isinstance(data, list) or len(data) != math.prod(shape):
        got = f"{len(data)} elements" if isinstance(data, list) else _short(data)
        raise ValueError(f"from_json: data must be a list of {math.prod(shape)} elements for shape {shape}; got {got}")
    read = _float if dtype in FLOATS else _integer
    return np.array([read(x, dtype, f"element {i}") for i, x in enumerate(data)], dtype).reshape(shape)


def _float(text: Any, dtype: str, place: str) -> float:
    match = _HEX_FLOAT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'from_json: {place} must be a float as a string such as "0x1.8p+0"; got {_short(text)}')
    try:
        number = float.fromhex(text)
        with np.errstate(over="ignore"):  # which the comparison finds
            held = float(np.dtype(dtype).type(number))
    except OverflowError:
        number, held = math.inf, -math.inf
    if not math.isnan(number) and (held != number or not _is_exact(number, match)):
        raise ValueError(f"from_json: {place} must be exactly a {dtype}; got {_short(text)}")
    return number


def _is_exact(number: float, match: re.Match[str]) -> bool:
    """Return whether no digit of the text was rounded away."""
    sign, whole, part, power = match.groups()
    if whole is None:  # inf
        return True
    digits, exponent = int(sign + whole + part, 16), int(power) - 4 * len(part)
    if number == 0:
        return digits == 0
    top, bottom = number.as_integer_ratio()
    return top << max(-exponent, 0) == digits * bottom << max(exponent, 0)


def _integer(given: Any, dtype: str, place: str) -> int:
    if dtype == "uint64":
        if not (isinstance(given, str) and _HEX_WORD.fullmatch(given)):
            raise ValueError(f'from_json: {place} must be "0x" and 16 hexadecimal digits; got {_short(given)}')
        return int(given, 16)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if type(given) is not int or not low <= given <= high:
        raise ValueError(f"from_json: {place} must be an integer from {low} to {high}; got {_short(given)}")
    return given


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
