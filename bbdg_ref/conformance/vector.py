"""A test vector: what goes in, what must come out, how far from it an answer may lie, and which bugs it hunts."""

from dataclasses import dataclass
from typing import Any

__all__ = ["EXACT", "Bound", "Vector"]


@dataclass(frozen=True)
class Bound:
    """How far each element of an output may lie from what is expected.

    Attributes
    ----------
    ulps : float
        0: the values are equal as numbers (so 0.0 and -0.0 are), whatever their dtypes. Else
        ``abs(got - want) <= ulps * unit``, where the unit is the spacing of floats at ``want``, in the dtype of the
        expected array, or, with a scale, ``eps * scale`` with the eps of that dtype.
    scale : float or None
        For sums that cancel: the largest sum of the magnitudes of the terms of an element.

    Examples
    --------
    >>> Bound(4), Bound(20, scale=3.5), EXACT
    (Bound(ulps=4, scale=None), Bound(ulps=20, scale=3.5), Bound(ulps=0, scale=None))
    """

    ulps: float
    scale: float | None = None


EXACT = Bound(0)


@dataclass(frozen=True, eq=False)
class Vector:
    """One test vector.

    Attributes
    ----------
    id : str
        Unique and stable: a published id never changes its meaning.
    stage : str
        The function under test, a key of `bbdg_ref.conformance.STAGES`.
    comment : str
        What is particular about the inputs.
    flags : tuple of str
        The bugs that it hunts, keys of `bbdg_ref.conformance.FLAGS`.
    inputs, expected : dict of str to array, float, int or bool
        By the names of the stage's fields.
    bounds : dict of str to Bound
        For each output.

    Examples
    --------
    >>> from bbdg_ref.conformance import vectors
    >>> vector = vectors("pack_bits")[0]
    >>> vector.id, list(vector.inputs), list(vector.expected)
    ('pack_bits_width_1', ['bits'], ['words'])
    """

    id: str
    stage: str
    comment: str
    flags: tuple[str, ...]
    inputs: dict[str, Any]
    expected: dict[str, Any]
    bounds: dict[str, Bound]
