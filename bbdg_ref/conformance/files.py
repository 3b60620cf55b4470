"""The committed copies of the vectors: one JSON file a stage, with its schema, and the table of flags."""

import json
from pathlib import Path
from typing import Any

from .flags import FLAGS
from .registry import vectors
from .stages import STAGES, schema
from .values import float_hex, from_json, to_json
from .vector import EXACT, Bound, Vector

__all__ = ["FORMAT", "VERSION", "read", "vector_from_json", "vector_to_json", "write"]

FORMAT, VERSION = "bbdg_ref vectors", 1


def write(folder: Path) -> None:
    """Write ``<stage>.json`` and ``schema/<stage>.json`` for every stage, and ``flags.json``.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Files of the same names are replaced.

    Notes
    -----
    The same vectors give the same bytes: UTF-8, one vector a line, newline at the end.
    """
    folder = Path(folder)
    (folder / "schema").mkdir(parents=True, exist_ok=True)
    for name, stage in STAGES.items():
        lines = [json.dumps(vector_to_json(vector)) for vector in vectors(name)]
        head = json.dumps({"format": FORMAT, "version": VERSION, "stage": name})[:-1]
        body = ",\n".join(lines)
        _write_text(folder / f"{name}.json", f'{head}, "vectors": [\n{body}\n]}}\n')
        _write_text(folder / "schema" / f"{name}.json", json.dumps(schema(stage), indent=1) + "\n")
    _write_text(folder / "flags.json", json.dumps(FLAGS, indent=1) + "\n")


def read(folder: Path) -> list[Vector]:
    """Read the vectors of a folder that `write` has filled.

    Parameters
    ----------
    folder : Path
        Files of stages that this version does not know are left out; so are stages without a file.

    Returns
    -------
    list of Vector
        In the order of `STAGES`, within a stage in that of its file.

    Raises
    ------
    FileNotFoundError
        If there is not a single file of a stage.
    ValueError
        If a file is not one of this format and version, or a vector cannot be read. The message names the file.
    """
    paths = [path for name in STAGES if (path := Path(folder) / f"{name}.json").exists()]
    if not paths:
        raise FileNotFoundError(f"read: folder must hold files of vectors such as project.json; got {folder}")
    return [vector for path in paths for vector in _read_file(path)]


def _read_file(path: Path) -> list[Vector]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        head = {key: content[key] for key in ("format", "version", "stage")}
        if head != {"format": FORMAT, "version": VERSION, "stage": path.stem}:
            raise ValueError(f"it must begin with format {FORMAT!r}, version {VERSION} and its stage; got {head}")
        return [vector_from_json(item, path.stem) for item in content["vectors"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"read: {path} is not a file of vectors: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"read: {path} is not a file of vectors: {error}") from error


def vector_to_json(vector: Vector) -> dict[str, Any]:
    """Return the JSON form of a vector.

    Parameters
    ----------
    vector : Vector

    Returns
    -------
    dict
        As in the files, which name the stage once for all their vectors.
    """
    return {
        "id": vector.id,
        "comment": vector.comment,
        "flags": list(vector.flags),
        "inputs": {name: to_json(value) for name, value in vector.inputs.items()},
        "expected": {name: to_json(value) for name, value in vector.expected.items()},
        "bounds": {name: _bound_to_json(vector.bounds.get(name, EXACT)) for name in vector.expected},
    }


def vector_from_json(content: dict[str, Any], stage: str) -> Vector:
    """Return the vector of a JSON form.

    Parameters
    ----------
    content : dict
        As `vector_to_json` gives it.
    stage : str
        The stage of the file.

    Returns
    -------
    Vector

    Raises
    ------
    ValueError
        If a value cannot be read; the message names the vector and the field.
    """
    return Vector(
        id=content["id"],
        stage=stage,
        comment=content["comment"],
        flags=tuple(content["flags"]),
        inputs=_values(content, "inputs"),
        expected=_values(content, "expected"),
        bounds={name: _bound_from_json(bound) for name, bound in content["bounds"].items()},
    )


def _values(content: dict[str, Any], part: str) -> dict[str, Any]:
    values = {}
    for name, form in content[part].items():
        try:
            values[name] = from_json(form)
        except ValueError as error:
            raise ValueError(f"{content['id']}, {part}, {name}: {error}") from error
    return values


def _bound_to_json(bound: Bound) -> Any:
    if bound.ulps == 0:
        return "exact"
    form: dict[str, Any] = {"ulps": bound.ulps}
    if bound.scale is not None:
        form["scale"] = float_hex(bound.scale)
    return form


def _bound_from_json(form: Any) -> Bound:
    if form == "exact":
        return EXACT
    scale = form.get("scale")
    return Bound(form["ulps"], None if scale is None else float.fromhex(scale))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
