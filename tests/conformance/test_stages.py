"""The stages: what they say of themselves is complete, and their schemas are right."""

import re
from pathlib import Path

import numpy as np
import pytest

import bbdg_ref
from bbdg_ref.conformance import STAGES, vectors
from bbdg_ref.conformance.stages import KINDS, Field, Stage, schema

SPEC = Path(bbdg_ref.__file__).parent / "spec"
SCALARS = {"float": float, "int": int, "bool": bool}


def test_every_stage_names_its_fields_and_the_files_that_define_it():
    for name, stage in STAGES.items():
        assert isinstance(stage, Stage) and stage.name == name and stage.title and stage.spec
        assert all((SPEC / f"{module}.py").exists() for module in stage.spec), name
        for fields in (stage.inputs, stage.outputs):
            names = [field.name for field in fields]
            assert names and len(set(names)) == len(names) and all(map(str.isidentifier, names)), name


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_field_has_a_kind_and_axes_if_it_is_an_array(stage):
    for field in (*stage.inputs, *stage.outputs):
        assert isinstance(field, Field) and field.comment
        assert (field.kind in KINDS) != (field.kind in SCALARS), field
        balanced = field.axes.startswith("(") and field.axes.count("(") == field.axes.count(")")
        assert balanced == (field.kind in KINDS), field


def of_kind(field, value):
    if field.kind in SCALARS:
        return type(value) in (SCALARS[field.kind], np.float64 if field.kind == "float" else SCALARS[field.kind])
    return isinstance(value, np.ndarray) and value.dtype.name in KINDS[field.kind]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_vectors_hold_the_fields_of_their_stage_in_order_and_kind(stage):
    for vector in vectors(stage.name):
        for fields, values in ((stage.inputs, vector.inputs), (stage.outputs, vector.expected)):
            assert list(values) == [field.name for field in fields], vector.id
            assert all(of_kind(field, values[field.name]) for field in fields), vector.id


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_arrays_have_the_axes_that_their_fields_name(stage):
    for vector in vectors(stage.name):
        for fields, values in ((stage.inputs, vector.inputs), (stage.outputs, vector.expected)):
            shapes = {name: np.shape(value) for name, value in {**vector.expected, **vector.inputs}.items()}
            for field in fields:
                axes = [axis.strip() for axis in field.axes.strip("()").split(",") if axis.strip()]
                if axes[:1] and axes[0].startswith("shape of "):
                    assert np.shape(values[field.name]) == shapes[axes[0].removeprefix("shape of ")], (vector.id, field)
                elif not re.search(r"any shape|shape of|\.\.\.| or ", field.axes):
                    assert np.ndim(values[field.name]) == len(axes), (vector.id, field)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_schemas_are_valid_json_schema(stage):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema(stage))


def test_a_schema_describes_every_field():
    vector = schema(STAGES["assign"])["properties"]["vectors"]["items"]["properties"]
    assert list(vector["inputs"]["properties"]) == vector["inputs"]["required"] == ["w", "alpha", "beta"]
    assert "perhaps below alpha" in vector["inputs"]["properties"]["beta"]["description"]
    assert vector["expected"]["properties"]["bits"]["properties"]["dtype"] == {"enum": ["bool"]}
    assert len(vector["inputs"]["properties"]["w"]["oneOf"]) == 3  # floats, uint64, other integers
