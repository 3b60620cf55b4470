"""What a stage is: a function under test, with the names and kinds of its inputs and outputs."""

from dataclasses import dataclass

from .values import FLOATS, INTEGERS

__all__ = ["KINDS", "Field", "Stage", "fields", "stage"]

# The dtypes of an array of each kind; the other kinds are scalars.
KINDS = {
    "floats": FLOATS,
    "numbers": (*FLOATS, *INTEGERS),
    "ints": tuple(dtype for dtype in INTEGERS if dtype != "uint64"),
    "bits": ("bool",),
    "words": ("uint64",),
}


@dataclass(frozen=True)
class Field:
    """One input or output of a stage.

    Attributes
    ----------
    name : str
        What it is called in the vectors, and the name of the argument.
    kind : str
        Scalars: "float" (float64), "int", "bool". Arrays: "floats", "numbers" (floats or integers), "ints", "bits"
        (bool), "words" (uint64).
    axes : str
        The axes of an array, "()" for one of a single number without axes; empty for a scalar.
    comment : str
        What it is.
    """

    name: str
    kind: str
    axes: str
    comment: str


@dataclass(frozen=True)
class Stage:
    """A function under test.

    Attributes
    ----------
    name : str
        Its name in the protocol and in adapters.
    title : str
        What it does, in one line.
    spec : tuple of str
        The modules of `bbdg_ref.spec` that define it.
    inputs, outputs : tuple of Field
        In order.
    """

    name: str
    title: str
    spec: tuple[str, ...]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


def fields(text: str) -> tuple[Field, ...]:
    """Read the fields of a stage from text.

    Parameters
    ----------
    text : str
        One field a line, ``name: kind axes: comment``, the axes in parentheses for arrays only.

    Returns
    -------
    tuple of Field

    Examples
    --------
    >>> fields("x: floats (batch, in): the input")
    (Field(name='x', kind='floats', axes='(batch, in)', comment='the input'),)
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, what, comment = line.split(": ", 2)
        kind, _, axes = what.partition(" ")
        found.append(Field(name, kind, axes, comment))
    return tuple(found)


def stage(name: str, title: str, spec: str, inputs: str, outputs: str) -> Stage:
    """Return a stage whose fields are written as text.

    Parameters
    ----------
    name, title : str
        As in `Stage`.
    spec : str
        The modules of `bbdg_ref.spec`, with spaces between them.
    inputs, outputs : str
        As `fields` reads them.

    Returns
    -------
    Stage
    """
    return Stage(name, title, tuple(spec.split()), fields(inputs), fields(outputs))
