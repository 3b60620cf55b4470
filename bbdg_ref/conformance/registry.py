"""The list of cases: functions that are both the test and the generator of a vector."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .flags import FLAGS
from .stages import STAGES
from .vector import EXACT, Bound, Vector

__all__ = ["Expected", "case", "vectors"]


@dataclass(frozen=True, eq=False)
class Expected:
    """What a case returns.

    Attributes
    ----------
    inputs, expected : dict of str to array, float, int or bool
        By the names of the stage's fields.
    bounds : dict of str to Bound
        Of the outputs that need not be exact.
    """

    inputs: dict[str, Any]
    expected: dict[str, Any]
    bounds: dict[str, Bound] = field(default_factory=dict)


Make = Callable[[], Expected]


@dataclass(frozen=True)
class _Case:
    id: str
    stage: str
    comment: str
    flags: tuple[str, ...]
    make: Make

    def vector(self) -> Vector:
        made = self.make()
        bounds = {name: made.bounds.get(name, EXACT) for name in made.expected}
        return Vector(self.id, self.stage, self.comment, self.flags, made.inputs, made.expected, bounds)


_CASES: dict[str, _Case] = {}


def case(stage: str, *flags: str) -> Callable[[Make], Make]:
    """Register the decorated function as a case: its name is the id, its docstring the comment.

    Parameters
    ----------
    stage : str
        A key of `STAGES`.
    *flags : str
        Keys of `FLAGS`, at least one.

    Returns
    -------
    callable
        The decorator; it leaves the function as it is.

    Raises
    ------
    ValueError
        If the stage or a flag is unknown, there is no flag, no docstring, or the name is taken.
    """

    def register(make: Make) -> Make:
        name, comment = make.__name__, " ".join(inspect.cleandoc(make.__doc__ or "").split())
        if stage not in STAGES:
            raise ValueError(f"case {name}: there is no stage {stage!r}")
        unknown = [flag for flag in flags if flag not in FLAGS]
        if unknown or not flags:
            raise ValueError(f"case {name}: flags must be keys of FLAGS, at least one; got {unknown or 'none'}")
        if not comment:
            raise ValueError(f"case {name}: the function needs a docstring, the comment of the vector")
        if name in _CASES:
            raise ValueError(f"case {name}: the id is taken by a case of {_CASES[name].stage}")
        _CASES[name] = _Case(name, stage, comment, flags, make)
        return make

    return register


def vectors(stage: str | None = None) -> list[Vector]:
    """Build the vectors from their cases, by `bbdg_ref.spec`.

    Parameters
    ----------
    stage : str, optional
        Of this stage only.

    Returns
    -------
    list of Vector
        In the order of `STAGES`, within a stage in that of the source.

    Raises
    ------
    ValueError
        If there is no such stage.

    Examples
    --------
    >>> from bbdg_ref.conformance import vectors
    >>> [vector.id for vector in vectors("project")][:2]
    ['project_0_3_4', 'project_0_1_3_minus_2']
    """
    if stage is not None and stage not in STAGES:
        raise ValueError(f"vectors: stage must be one of {', '.join(STAGES)}; got {stage!r}")
    wanted = STAGES if stage is None else [stage]
    return [case.vector() for name in wanted for case in _CASES.values() if case.stage == name]
