"""The JSON Schema of the files of vectors."""

from typing import Any

from .stage import KINDS, Field, Stage
from .values import FLOATS, INTEGERS

__all__ = ["schema"]


def schema(stage: Stage) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a stage's file of vectors.

    Parameters
    ----------
    stage : Stage

    Returns
    -------
    dict
        What ``data/vectors/v1/schema/<stage>.json`` holds.

    Examples
    --------
    >>> from bbdg_ref.conformance import STAGES
    >>> schema(STAGES["pack_bits"])["properties"]["stage"]
    {'const': 'pack_bits'}
    """
    bound = {
        "oneOf": [
            {"const": "exact"},
            {
                "type": "object",
                "properties": {"ulps": {"type": "number", "exclusiveMinimum": 0}, "scale": _float_schema()},
                "required": ["ulps"],
                "additionalProperties": False,
            },
        ]
    }
    vector = _object(
        {
            "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
            "comment": {"type": "string", "minLength": 1},
            "flags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            "inputs": _object({field.name: _value_schema(field) for field in stage.inputs}),
            "expected": _object({field.name: _value_schema(field) for field in stage.outputs}),
            "bounds": _object({field.name: bound for field in stage.outputs}),
        }
    )
    file = _object(
        {
            "format": {"const": "bbdg_ref vectors"},
            "version": {"const": 1},
            "stage": {"const": stage.name},
            "vectors": {"type": "array", "items": vector},
        }
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": stage.title, **file}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _float_schema() -> dict[str, Any]:
    return {"type": "string", "pattern": r"^(-?0x[01]\.?[0-9a-f]*p[+-]?[0-9]+|-?inf|nan)$"}


def _value_schema(field: Field) -> dict[str, Any]:
    if field.kind not in KINDS:
        scalar = {
            "float": _object({"float64": _float_schema()}),
            "int": {"type": "integer"},
            "bool": {"type": "boolean"},
        }[field.kind]
        return {"description": field.comment, **scalar}
    arrays = [_array_schema(dtypes) for dtypes in _by_encoding(KINDS[field.kind])]
    described = {"description": f"{field.axes}: {field.comment}"}
    return {**described, **arrays[0]} if len(arrays) == 1 else {**described, "oneOf": arrays}


def _by_encoding(dtypes: tuple[str, ...]) -> list[list[str]]:
    """Return the dtypes in groups whose elements are written alike."""
    groups = [
        [dtype for dtype in dtypes if dtype in FLOATS],
        [dtype for dtype in dtypes if dtype == "uint64"],
        [dtype for dtype in dtypes if dtype == "bool"],
        [dtype for dtype in dtypes if dtype in INTEGERS and dtype != "uint64"],
    ]
    return [group for group in groups if group]


def _array_schema(dtypes: list[str]) -> dict[str, Any]:
    if dtypes[0] in FLOATS:
        items: dict[str, Any] = _float_schema()
    elif dtypes[0] == "uint64":
        items = {"type": "string", "pattern": "^0x[0-9a-f]{16}$"}
    else:
        items = {"enum": [0, 1]} if dtypes[0] == "bool" else {"type": "integer"}
    sizes = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    return _object({"dtype": {"enum": dtypes}, "shape": sizes, "data": {"type": "array", "items": items}})
