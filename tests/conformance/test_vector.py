"""Vectors and bounds are values that do not change."""

import dataclasses

import pytest

from bbdg_ref.conformance import EXACT, Bound, Vector, vectors


def test_exact_is_no_units_at_all():
    assert Bound(0) == EXACT and EXACT.ulps == 0 and EXACT.scale is None
    assert Bound(2) != Bound(2, 1.0)


def test_a_vector_cannot_be_changed():
    vector = vectors("sign")[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        vector.id = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXACT.ulps = 1


def test_vectors_are_compared_by_identity():
    one = vectors("sign")[0]
    copy = Vector(**{field.name: getattr(one, field.name) for field in dataclasses.fields(Vector)})
    assert one == one and one != copy
