import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbdg_ref.pruning import NofM


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**32), st.data())
def test_every_group_has_its_ones_and_they_are_the_largest(m, groups, seed, data):
    n = data.draw(st.integers(1, m))
    latent = np.random.default_rng(seed).integers(-2, 3, (3, groups * m, 2, 1)).astype(np.float32)
    (got,) = NofM(n, m).choose([latent], step=0)
    bits, values = got.bits.reshape(3, groups, m, 2), latent.reshape(3, groups, m, 2)
    assert np.all(bits.sum(axis=2) == n) and got.bits.mean() == n / m
    assert np.all(np.where(bits, values, 9).min(axis=2) >= np.where(bits, -9, values).max(axis=2))


def test_of_fewer_weights_than_a_group_as_many_are_ones():
    latents = [np.arange(8.0).reshape(2, 2, 2, 1), np.arange(3.0).reshape(1, 3, 1, 1)]
    first, second = NofM(2, 4).choose(latents, step=5)
    assert first.bits.all() and second.bits.ravel().tolist() == [False, True, True]


def test_the_text_of_the_command_line():
    assert NofM.from_text("2:4") == NofM(2, 4) and NofM.from_text("1:16") == NofM(1, 16)


@pytest.mark.parametrize("text", ["", "2", "2:", ":4", "a:b", "2:4:8", "-1:4", "1.0:4", "٢:٤", 24, None])
def test_what_is_no_such_text_is_refused(text):
    with pytest.raises(ValueError, match="NofM: text must be"):
        NofM.from_text(text)


@pytest.mark.parametrize(("n", "m"), [(0, 4), (5, 4), (1, 0), (1.0, 4), (1, None)])
def test_numbers_out_of_their_ranges_are_refused(n, m):
    with pytest.raises((TypeError, ValueError), match=r"NofM: [nm] must be"):
        NofM(n, m)
