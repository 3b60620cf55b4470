"""The committed vectors are what the cases make, and nobody changes what is published."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref.conformance import EXACT, FLAGS, STAGES, Bound, Vector, differences, read, vectors, write
from bbdg_ref.conformance.files import vector_from_json, vector_to_json
from bbdg_ref.conformance.stages import schema

COMMITTED = Path(__file__).parents[2] / "data" / "vectors" / "v1"
LIMIT = 5_000_000  # bytes


@pytest.fixture(scope="module")
def committed():
    return {vector.id: vector for vector in read(COMMITTED)}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.json"))}


def bits_of(value):
    array = np.asarray(value)
    return array.dtype, array.shape, array.tobytes()


def changes(published: Vector, made: Vector) -> list[str]:
    """What differs between a published vector and the one that its case makes now."""
    found = [name for name in ("stage", "comment", "flags") if getattr(published, name) != getattr(made, name)]
    if list(published.inputs) != list(made.inputs):
        return [*found, "names of the inputs"]
    found += [name for name, value in published.inputs.items() if bits_of(value) != bits_of(made.inputs[name])]
    found += differences(published, made.expected)
    return found + [name for name in published.expected if name not in made.expected]


def test_the_committed_vectors_are_those_of_the_cases(committed):
    made = {vector.id: vector for vector in vectors()}
    assert [name for name in committed if name not in made] == [], "a published id must stay"
    assert [name for name in made if name not in committed] == [], "not written yet"
    found = {name: changes(vector, made[name]) for name, vector in committed.items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_order_of_the_committed_vectors_is_that_of_the_cases(committed):
    assert list(committed) == [vector.id for vector in vectors()]


def test_bounds_are_published_as_the_cases_state_them(committed):
    for vector in vectors():
        published = committed[vector.id].bounds
        assert list(published) == list(vector.bounds)
        for name, bound in vector.bounds.items():
            assert published[name].ulps == bound.ulps
            scales = {published[name].scale, bound.scale}
            # A scale is a sum that may round in another way.
            assert scales == {None} or max(scales) <= 1.01 * min(scales)


@pytest.mark.parametrize("change", ["comment", "flags", "input", "expected", "bound"])
def test_a_change_of_a_published_vector_is_noticed(change):
    made = vectors("conv2d")[0]
    published = Vector(**{**vars(made), "inputs": dict(made.inputs), "expected": dict(made.expected)})
    assert changes(published, made) == []
    if change == "comment":
        published = Vector(**{**vars(published), "comment": "Another."})
    elif change == "flags":
        published = Vector(**{**vars(published), "flags": ("zero",)})
    elif change == "input":
        published.inputs["x"] = published.inputs["x"].astype(np.float64)
    elif change == "expected":
        published.expected["y"] = published.expected["y"] + np.float32(1)
    else:
        published.expected["more"] = 1.0
    assert changes(published, made) != []


def test_the_same_cases_give_the_same_bytes(tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "two")
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two and len(one) == 2 * len(STAGES) + 1
    assert all(text.endswith(b"\n") and b"\r" not in text for text in one.values())


def test_schemas_and_flags_are_committed_as_they_are_written(tmp_path):
    write(tmp_path)
    made, kept = contents(tmp_path), contents(COMMITTED)
    assert made.keys() == kept.keys()
    fixed = [name for name in made if name == "flags.json" or name.startswith("schema")]
    assert [name for name in fixed if made[name] != kept[name]] == []
    assert json.loads(kept["flags.json"]) == FLAGS


def test_the_committed_files_are_small():
    assert 0 < sum(path.stat().st_size for path in COMMITTED.parent.rglob("*") if path.is_file()) < LIMIT


def test_what_is_written_is_read(tmp_path):
    write(tmp_path)
    for first, second in zip(vectors(), read(tmp_path), strict=True):
        assert (first.id, first.stage, first.comment, first.flags) == (
            second.id, second.stage, second.comment, second.flags
        )  # fmt: skip
        assert first.bounds == second.bounds
        for one, other in ((first.inputs, second.inputs), (first.expected, second.expected)):
            assert list(one) == list(other)
            assert all(bits_of(one[name]) == bits_of(other[name]) for name in one), first.id


def test_bounds_go_there_and_back():
    for bound in (EXACT, Bound(3), Bound(2, 0.1)):
        vector = Vector("name", "sign", "Text.", ("zero",), {}, {"y": 1.0}, {"y": bound})
        form = json.loads(json.dumps(vector_to_json(vector)))
        assert vector_from_json(form, "sign").bounds == {"y": bound}


def test_a_folder_without_vectors_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold files of vectors"):
        read(tmp_path)


HEAD = {"format": "bbdg_ref vectors", "version": 1, "stage": "sign"}
GOOD = {
    "id": "a",
    "comment": "A.",
    "flags": ["zero"],
    "inputs": {"x": 1},
    "expected": {"y": 1},
    "bounds": {"y": "exact"},
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a file of vectors"),
        ("[]", "is not a file of vectors"),
        (json.dumps({**HEAD, "vectors": [GOOD], "version": 2}), "version 1"),
        (json.dumps({**HEAD, "vectors": [GOOD], "stage": "sign_bits"}), "its stage"),
        (json.dumps({**HEAD, "vectors": [{**GOOD, "inputs": {"x": 1.5}}]}), "a, inputs, x: from_json: 1.5"),
        (json.dumps({**HEAD, "vectors": [{**GOOD, "bounds": {"y": "about"}}]}), "is not a file of vectors"),
        (json.dumps({**HEAD, "vectors": [{"id": "a"}]}), "'comment'"),
        (json.dumps(HEAD), "'vectors'"),
    ],
)
def test_a_file_that_is_not_one_of_vectors_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "sign.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"sign\.json") as raised:
        read(tmp_path)
    assert message in str(raised.value)


# --- the schemas, checked by a few lines that need nothing installed, and by jsonschema where it is ---

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}


def breaches(value, rule, place="file"):
    """Where a value breaks the parts of JSON Schema that the schemas use."""
    assert rule.keys() <= {
        "$schema", "title", "description", "type", "const", "enum", "oneOf", "pattern", "minLength", "minimum",
        "exclusiveMinimum", "items", "minItems", "uniqueItems", "properties", "required", "additionalProperties",
    }  # fmt: skip
    if "oneOf" in rule and sum(not breaches(value, option, place) for option in rule["oneOf"]) != 1:
        return [f"{place}: none or several of oneOf"]
    if "const" in rule and (value != rule["const"] or type(value) is not type(rule["const"])):
        return [f"{place}: not {rule['const']!r}"]
    if "enum" in rule and not any(value == x and type(value) is type(x) for x in rule["enum"]):
        return [f"{place}: not one of {rule['enum']}"]
    kind = rule.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{place}: no {kind}"]
    found = []
    if kind == "object":
        found += [f"{place}: {name} is missing" for name in rule["required"] if name not in value]
        found += [f"{place}: {name} is unknown" for name in value if name not in rule["properties"]]
        inner = [(value[name], part, f"{place}.{name}") for name, part in rule["properties"].items() if name in value]
        found += [fault for item in inner for fault in breaches(*item)]
    elif kind == "array":
        found += [f"{place}: too short"] * (len(value) < rule.get("minItems", 0))
        found += [f"{place}: twice the same"] * (rule.get("uniqueItems", False) and len(set(value)) < len(value))
        found += [fault for i, x in enumerate(value) for fault in breaches(x, rule["items"], f"{place}[{i}]")]
    elif kind == "string":
        found += [f"{place}: {value!r}"] * (not re.search(rule.get("pattern", ""), value))
        found += [f"{place}: too short"] * (len(value) < rule.get("minLength", 0))
    elif kind in ("integer", "number"):
        low = value < rule.get("minimum", value) or value <= rule.get("exclusiveMinimum", value - 1)
        found += [f"{place}: {value} is too small"] * low
    return found


@pytest.mark.parametrize("name", STAGES)
def test_committed_vectors_obey_their_schema(name):
    rule = json.loads((COMMITTED / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    content = json.loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))
    assert content["vectors"] and breaches(content, rule) == []


@pytest.mark.parametrize("name", STAGES)
def test_committed_vectors_obey_their_schema_by_jsonschema(name):
    jsonschema = pytest.importorskip("jsonschema")
    rule = json.loads((COMMITTED / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    content = json.loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rule)
    jsonschema.Draft202012Validator(rule).validate(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 2),
        (["stage"], "sign"),
        (["vectors", 0, "id"], "With-Dash"),
        (["vectors", 0, "comment"], ""),
        (["vectors", 0, "flags"], []),
        (["vectors", 0, "flags"], ["zero", "zero"]),
        (["vectors", 0, "more"], 1),
        (["vectors", 0, "bounds", "bits"], {"ulps": 0}),
        (["vectors", 0, "bounds", "bits"], {"ulps": 1, "scale": 1.0}),
        (["vectors", 0, "bounds", "bits"], "near"),
        (["vectors", 0, "inputs", "alpha"], 1.5),
        (["vectors", 0, "inputs", "alpha"], {"float64": "1.5"}),
        (["vectors", 0, "inputs", "w", "dtype"], "float128"),
        (["vectors", 0, "inputs", "w", "dtype"], "uint64"),
        (["vectors", 0, "inputs", "w", "shape"], [-1]),
        (["vectors", 0, "inputs", "w", "data"], [1, 2]),
        (["vectors", 0, "expected", "bits", "data"], [True]),
        (["vectors", 0, "expected", "bits", "data"], [2]),
    ],
)
def test_schemas_refuse_what_is_wrong(path, value):
    rule = schema(STAGES["assign"])
    content = json.loads((COMMITTED / "assign.json").read_text(encoding="utf-8"))
    assert breaches(content, rule) == []
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert breaches(content, rule) != []
