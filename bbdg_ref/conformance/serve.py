"""A Python adapter behind the protocol: questions on standard input, answers on standard output.

An adapter is a Python module with one function for each stage that it has, named as the stage. It takes the stage's
inputs as keyword arguments (NumPy arrays, floats, ints, bools) and returns a dict of the stage's outputs, or the value
itself where there is one. `bbdg_ref.conformance.reference` is an example.
"""

import faulthandler
import importlib.util
import json
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .stages import STAGES
from .values import from_json, to_json

__all__ = ["answer", "load_adapter", "serve"]


def load_adapter(name: str) -> ModuleType:
    """Import an adapter.

    Parameters
    ----------
    name : str
        The name of a module, or the path of a .py file, whose folder is searched for what it imports.

    Returns
    -------
    module

    Raises
    ------
    FileNotFoundError, ModuleNotFoundError, ValueError
        If there is no such file or module, or the text is neither.
    """
    if not name.endswith(".py"):
        found = pkgutil.resolve_name(name)
        if not isinstance(found, ModuleType):
            raise ValueError(f"an adapter must be a module or a .py file; {name!r} is a {type(found).__name__}")
        return found
    path = Path(name).resolve()
    if not path.is_file():
        raise FileNotFoundError(2, "there is no such adapter", name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # there is a loader of .py files
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules[path.stem] = module  # dataclasses and pickle look for it there
    spec.loader.exec_module(module)
    return module


def answer(adapter: ModuleType, line: str | bytes) -> dict[str, Any]:
    """Return the answer to one question.

    Parameters
    ----------
    adapter : module
        As `load_adapter` returns it.
    line : str or bytes
        The question, JSON.

    Returns
    -------
    dict
        The answer, to be written as JSON. What an adapter raises becomes its error, with the traceback on standard
        error.

    Examples
    --------
    >>> from bbdg_ref.conformance import reference
    >>> answer(reference, '{"id": "a", "stage": "start", "inputs": {}}')
    {'id': 'a', 'missing': True}
    """
    asked = None
    try:
        question = json.loads(line)
        asked, name = question["id"], question["stage"]
        stage = STAGES.get(name)
        inputs = {key: from_json(value) for key, value in question["inputs"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return {"id": asked, "error": f"the question cannot be read: {error!r}"}
    function = getattr(adapter, name, None) if stage is not None else None
    if stage is None or not callable(function):
        return {"id": asked, "missing": True}
    try:
        result = function(**inputs)
        if not isinstance(result, dict):
            if len(stage.outputs) > 1:
                names = ", ".join(field.name for field in stage.outputs)
                raise TypeError(f"{name} must return a dict of its outputs {names}; got {type(result).__name__}")
            result = {stage.outputs[0].name: result}
        return {"id": asked, "outputs": {str(key): to_json(value) for key, value in result.items()}}
    except Exception as error:
        traceback.print_exc()
        return {"id": asked, "error": f"{type(error).__name__}: {error}"}


def serve(name: str) -> int:
    """Answer every question on standard input, one line each, until it ends.

    The protocol keeps the real standard output for itself: what the adapter prints goes to standard error, and it
    finds its standard input empty.

    Parameters
    ----------
    name : str
        The adapter, as in `load_adapter`.

    Returns
    -------
    int
        Exit status: 0, or 2 if there is no such adapter.
    """
    with os.fdopen(os.dup(0), "rb") as questions, os.fdopen(os.dup(1), "wb") as answers:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        faulthandler.enable(2)  # a crash in compiled code tells where
        try:
            adapter = load_adapter(name)
        except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
            if isinstance(error, ModuleNotFoundError) and not name.startswith(error.name or name):
                raise  # the adapter itself imports what is not there
            print(f"error: {error}", file=sys.stderr)
            return 2
        for line in questions:
            answers.write(json.dumps(answer(adapter, line), allow_nan=False).encode() + b"\n")
            answers.flush()
    return 0
