"""Code stays small enough to be read: limits on functions, files and the whole of `spec/`."""

import ast
import io
import tokenize
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bbdg_ref"

SPEC_LINES = 1200
FILE_LINES = 300
FUNCTION_LINES = 60

NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def docstring_lines(tree: ast.AST) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    found |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return found


@cache
def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: neither blank, nor comment, nor docstring."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            found |= set(range(token.start[0], token.end[0] + 1))
    return found - docstring_lines(ast.parse(source))


def long_functions(source: str, limit: int) -> list[str]:
    """`line: name (code lines)` of each function longer than the limit, what is nested in it included."""
    lines = code_lines(source)
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
            if count > limit:
                found.append(f"{node.lineno}: {node.name} ({count})")
    return found


def sources(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}


def test_spec_can_be_read_in_one_sitting():
    total = sum(len(code_lines(source)) for source in sources(PACKAGE / "spec").values())
    assert 0 < total < SPEC_LINES


def test_files_have_one_job():
    sizes = {name: len(code_lines(source)) for name, source in sources(PACKAGE).items()}
    assert {name: size for name, size in sizes.items() if size >= FILE_LINES} == {}


def test_functions_have_one_job():
    found = {name: long_functions(source, FUNCTION_LINES - 1) for name, source in sources(PACKAGE).items()}
    assert {name: every for name, every in found.items() if every} == {}


EXAMPLE = '''"""A module
of two lines."""

# a comment
import math


def f(
    x,
):
    """Docstring."""

    # why
    text = """not a
    docstring"""
    return math.sin(
        x
    ), text  # why
'''


def test_only_lines_of_code_are_counted():
    assert code_lines(EXAMPLE) == {5, 8, 9, 10, 14, 15, 16, 17, 18}


def test_a_function_over_the_limit_is_found():
    assert long_functions(EXAMPLE, 8) == []
    assert long_functions(EXAMPLE, 7) == ["8: f (8)"]
