"""Cases: how they are registered, and in which order they become vectors."""

import pytest

from bbdg_ref.conformance import EXACT, STAGES, Bound, registry, vectors
from bbdg_ref.conformance.registry import Expected, case


@pytest.fixture
def empty(monkeypatch):
    monkeypatch.setattr(registry, "_CASES", {})


def simple():
    """Give one
    bit.

    And more.
    """
    return Expected({"x": 1.0}, {"bits": True, "more": 2.0}, {"more": Bound(3)})


def test_a_case_becomes_a_vector(empty):
    assert case("sign_bits", "zero", "corner")(simple) is simple
    (vector,) = vectors("sign_bits")
    assert (vector.id, vector.stage, vector.flags) == ("simple", "sign_bits", ("zero", "corner"))
    assert vector.comment == "Give one bit. And more."
    assert vector.inputs == {"x": 1.0} and vector.expected == {"bits": True, "more": 2.0}
    assert vector.bounds == {"bits": EXACT, "more": Bound(3)}


def test_nothing_is_computed_before_it_is_asked_for(empty):
    def fails():
        """Fail when it is called."""
        raise AssertionError

    case("sign", "zero")(fails)
    assert vectors("sign_bits") == []
    with pytest.raises(AssertionError):
        vectors("sign")


@pytest.mark.parametrize(
    ("stage", "flags", "message"),
    [
        ("no_stage", ("zero",), "there is no stage 'no_stage'"),
        ("sign", ("no_flag", "zero"), "got ['no_flag']"),
        ("sign", (), "at least one; got none"),
    ],
)
def test_a_case_of_an_unknown_stage_or_flag_is_refused(empty, stage, flags, message):
    with pytest.raises(ValueError, match="case simple") as raised:
        case(stage, *flags)(simple)
    assert message in str(raised.value)


def test_a_case_needs_a_comment_and_an_id_of_its_own(empty):
    def bare():
        return simple()

    with pytest.raises(ValueError, match="needs a docstring"):
        case("sign", "zero")(bare)
    case("sign", "zero")(simple)
    with pytest.raises(ValueError, match="the id is taken by a case of sign"):
        case("sign_bits", "zero")(simple)


def test_vectors_come_in_the_order_of_the_stages():
    every = vectors()
    order = list(STAGES)
    places = [order.index(vector.stage) for vector in every]
    assert places == sorted(places) and len(every) > 300
    of_one = [vector.id for vector in every if vector.stage == "pack_bits"]
    assert of_one == [vector.id for vector in vectors("pack_bits")]


def test_an_unknown_stage_is_refused_by_name():
    with pytest.raises(ValueError, match=r"stage must be one of project, .*; got 'nothing'"):
        vectors("nothing")
