"""Every public function and class has a numpydoc docstring that agrees with its signature."""

import ast
import doctest
import inspect
import re
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import bbdg_ref

ROOT = Path(__file__).parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(?P<names>\*{0,2}\w+(?:, *\*{0,2}\w+)*)(?: *:.*)?$", re.MULTILINE)


def sections(docstring: str) -> dict[str, str]:
    """The numpydoc sections of a docstring: title -> body."""
    marks = list(SECTION.finditer(docstring))
    ends = [mark.start() for mark in marks] + [len(docstring)]
    return {mark["title"]: docstring[mark.end() : end] for mark, end in zip(marks, ends[1:], strict=True)}


def described(body: str) -> set[str]:
    """The names that a Parameters or Attributes section describes (`first, second : type` describes two)."""
    return {name.strip().lstrip("*") for entry in ENTRY.finditer(body) for name in entry["names"].split(",")}


def parameters(function: Function) -> set[str]:
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    names = {argument.arg for argument in every if argument is not None}
    return {name for name in names if name not in ("self", "cls") and not name.startswith("_")}


def returns_something(function: Function) -> bool:
    if function.returns is not None:
        return ast.unparse(function.returns).strip("'\"") not in ("None", "NoReturn", "Never")
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))


def decorators(node: Definition) -> set[str]:
    called = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
    return {ast.unparse(item).rpartition(".")[2] for item in called}


def is_field(item: ast.stmt) -> bool:
    """Whether a statement in the body of a dataclass declares a public field."""
    if not (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)):
        return False
    return not item.target.id.startswith("_") and "ClassVar" not in ast.unparse(item.annotation)


def fields(node: ast.ClassDef) -> set[str]:
    """What a class is made from: the fields of a dataclass, else the parameters of its `__init__`."""
    if "dataclass" in decorators(node):
        return {item.target.id for item in node.body if is_field(item)}  # type: ignore[attr-defined]
    for item in node.body:
        if isinstance(item, Function) and item.name == "__init__":
            return parameters(item)
    return set()


def noted_fields(node: ast.ClassDef, lines: list[str]) -> set[str]:
    """The fields of a small dataclass whose own line ends in a comment, or that its docstring quotes."""
    quoted = set(re.findall(r"`(\w+)`", ast.get_docstring(node) or ""))
    commented = {
        item.target.id  # type: ignore[attr-defined]
        for item in node.body
        if is_field(item) and "#" in lines[(item.end_lineno or item.lineno) - 1]
    }
    return (quoted | commented) & fields(node) if "dataclass" in decorators(node) else set()


def name_faults(wanted: set[str], told: set[str]) -> list[str]:
    return [f"does not describe {name}" for name in sorted(wanted - told)] + [
        f"describes {name}, which is not there" for name in sorted(told - wanted)
    ]


def function_faults(function: Function) -> list[str]:
    parts = sections(ast.get_docstring(function) or "")
    found = name_faults(parameters(function), described(parts.get("Parameters", "")))
    if returns_something(function) and not {"Returns", "Yields"} & parts.keys():
        found.append("returns something but has no Returns section")
    return found


def twin_faults(function: Function) -> list[str]:
    """As `function_faults`, but a faster twin may point to the function of spec that it equals."""
    refers = re.search(rf"`\S*spec\S*\.{function.name}`", ast.get_docstring(function) or "")
    return [] if refers else function_faults(function)


def kernel_faults(function: Function) -> list[str]:
    """What kernels/ holds is called by ops alone: that there is a docstring is enough."""
    return []


def class_faults(node: ast.ClassDef, lines: list[str]) -> list[str]:
    parts = sections(ast.get_docstring(node) or "")
    told = described(parts.get("Parameters", "")) | described(parts.get("Attributes", ""))
    told |= noted_fields(node, lines)
    # A class may tell of attributes it computes (`Domain.tau`), so only what is missing is a fault.
    found = name_faults(fields(node), told & fields(node))
    for item in node.body:
        if isinstance(item, Function) and not item.name.startswith("_") and not ast.get_docstring(item):
            if not {"overload", "setter"} & decorators(item):
                found.append(f"its method {item.name} has no docstring")
    return found


def exported(tree: ast.Module) -> set[str] | None:
    """The names in a module's `__all__`, or None where it has none that can be read."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return set(ast.literal_eval(node.value))  # type: ignore[union-attr]
    return None


def public_definitions(tree: ast.Module) -> list[Definition]:
    names = exported(tree)
    found = [node for node in tree.body if isinstance(node, Definition) and "overload" not in decorators(node)]
    return [node for node in found if (node.name in names if names is not None else not node.name.startswith("_"))]


def faults(source: str, judge: Callable[[Function], list[str]] = function_faults) -> list[str]:
    """Every breach of the docstring rules in one module, one line each; `judge` finds those of a function."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) or not tree.body else ["1: the module has no docstring"]
    for node in public_definitions(tree):
        if not ast.get_docstring(node):
            details = ["has no docstring"]
        else:
            lines = source.splitlines()
            details = class_faults(node, lines) if isinstance(node, ast.ClassDef) else judge(node)
        found += [f"{node.lineno}: {node.name} {detail}" for detail in details]
    return found


def public_modules() -> list[Path]:
    paths = sorted((ROOT / "bbdg_ref").rglob("*.py"))
    return [path for path in paths if path.stem.startswith("__") or not path.stem.startswith("_")]


def judge_of(path: Path) -> Callable[[Function], list[str]]:
    """The rule for the functions of a module."""
    return {"kernels": kernel_faults, "ops": twin_faults}.get(path.parent.name, function_faults)


def without_example(module: types.ModuleType) -> list[str]:
    """The functions and classes that a module exports whose docstring holds no example."""
    finder = doctest.DocTestFinder(recurse=False)
    found = []
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            if not any(test.examples for test in finder.find(thing, name)):
                found.append(name)
    return found


def test_docstrings_agree_with_their_signatures():
    paths = public_modules()
    assert len(paths) > 1
    found = {path: faults(path.read_text(encoding="utf-8"), judge_of(path)) for path in paths}
    assert [f"{path.relative_to(ROOT)}:{fault}" for path, every in found.items() for fault in every] == []


def test_everything_the_package_exports_has_an_example():
    assert len(bbdg_ref.__all__) > 1
    assert without_example(bbdg_ref) == []


# --- the checker is checked: each breach is found, and sound code has none ---

GOOD = '''
"""A module."""

def scale(values, *rest, factor: float = 1.0, **options) -> float:
    """Scale.

    Parameters
    ----------
    values, factor : array_like, float
        What to scale, and by how much.
    *rest
        More values.
    **options : dict
        Passed on: `other : thing` is no parameter.

    Returns
    -------
    float
        The result.
    """
    return 0.0

@dataclass(frozen=True)
class Result:
    """A result.

    Attributes
    ----------
    value : float
        Its value.
    twice : float
        Computed.
    """

    value: float

    @property
    def twice(self) -> float:
        """Twice the value."""
        return 2 * self.value

@dataclass(frozen=True)
class Pair:
    """A pair whose `first` goes before the other."""

    first: int
    second: int  # goes after

class Layer:
    """A layer.

    Parameters
    ----------
    size : int
        Its size.
    """

    def __init__(self, size):
        self.size = size

def _private(x):
    return x

def quiet() -> None:
    """Return nothing."""
'''


def test_sound_docstrings_have_no_faults():
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"""A module."""', "", "the module has no docstring"),
        ("values, factor : array_like, float", "values : array_like", "scale does not describe factor"),
        ("values, factor : array_like, float", "values, factor, gone : float", "scale describes gone"),
        ("    *rest\n", "    *others\n", "scale does not describe rest"),
        ("    Returns\n    -------\n    float", "    Notes\n    -----\n    float", "no Returns section"),
        ("-> None:", ":\n    return 1\n", "quiet has no docstring"),
        ("    value : float\n", "    other : float\n", "Result does not describe value"),
        ('        """Twice the value."""\n', "", "its method twice has no docstring"),
        ("whose `first` goes", "whose first goes", "Pair does not describe first"),
        ("  # goes after", "", "Pair does not describe second"),
        ("    size : int\n", "    sizes : int\n", "Layer does not describe size"),
        ("def _private(x):", "def private(x):", "private has no docstring"),
        ('"""A module."""', '"""A module."""\n__all__ = ["_private"]', "_private has no docstring"),
    ],
)
def test_each_fault_of_a_docstring_is_found(old, new, expected):
    assert GOOD.count(old) == 1
    found = faults(GOOD.replace(old, new))
    assert any(expected in fault for fault in found), found


TWIN = '"""A module."""\ndef scale(x):\n    """Equal to {}."""\n    return x\n'


def test_a_twin_may_point_to_the_function_that_it_equals():
    assert faults(TWIN.format("`bbdg_ref.spec.scale`"), twin_faults) == []
    assert faults(TWIN.format("`bbdg_ref.spec.other`"), twin_faults) != []
    assert faults(TWIN.format("`bbdg_ref.spec.scale`")) != []


def test_a_kernel_needs_a_docstring():
    assert faults(TWIN.format("nothing"), kernel_faults) == []
    assert faults('"""A module."""\ndef scale(x):\n    return x\n', kernel_faults) == ["2: scale has no docstring"]


def test_a_module_with_all_answers_for_its_names_only():
    hidden = '"""A module."""\n__all__ = []\ndef helper(x):\n    return x\n'
    assert faults(hidden) == []


def test_a_missing_example_is_found():
    def shown():
        """Show.

        >>> 1
        1
        """

    def bare():
        """Show nothing."""

    module = types.ModuleType("module")
    module.__dict__.update(shown=shown, bare=bare, number=1, __all__=["shown", "bare", "number"])
    assert without_example(module) == ["bare"]
