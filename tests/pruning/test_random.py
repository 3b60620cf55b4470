import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbdg_ref.pruning import Cubic, RandomBits

SHAPES = st.lists(st.sampled_from([(1,), (3, 2, 3, 3), (64,), (65,)]), min_size=1, max_size=3)


def bits_of(strategy, shapes, step=0, fill=0.0):
    return [s.bits for s in strategy.choose([np.full(shape, fill, np.float32) for shape in shapes], step)]


@given(shapes=SHAPES, density=st.floats(1e-6, 1), seed=st.integers(0, 2**40))
def test_every_layer_gets_its_count_the_same_at_every_step_and_for_all_latents(shapes, density, seed):
    strategy = RandomBits(density, seed)
    first = bits_of(strategy, shapes)
    assert [bits.shape for bits in first] == shapes
    assert [bits.sum() for bits in first] == [max(1, round(density * bits.size)) for bits in first]
    for other in (bits_of(strategy, shapes, step=7), bits_of(RandomBits(density, seed), shapes, fill=-1.0)):
        assert all(map(np.array_equal, first, other))


def test_layers_and_seeds_differ():
    first, second = bits_of(RandomBits(0.5, 0), [(100,), (100,)])
    (other,) = bits_of(RandomBits(0.5, 1), [(100,)])
    assert not np.array_equal(first, second) and not np.array_equal(first, other)


def test_every_place_may_be_a_one():
    drawn = sum(bits_of(RandomBits(0.5, seed), [(2, 3, 3, 3)])[0].astype(int) for seed in range(200))
    assert 60 < drawn.min() and drawn.max() < 140  # 100 in the mean, 7 the standard deviation


def test_with_a_falling_density_no_one_comes():
    strategy = RandomBits(Cubic(1.0, 0.05, 0, 10), seed=3)
    steps = [bits_of(strategy, [(200,)], step)[0] for step in range(12)]
    assert steps[0].all() and steps[10].sum() == 10 and np.array_equal(steps[10], steps[11])
    assert all(not np.any(later & ~earlier) for earlier, later in itertools.pairwise(steps))


def test_the_estimator_is_centred_at_zero():
    assert RandomBits(0.5, 0).choose([np.full(8, 3.0)], step=0)[0].threshold == 0


@pytest.mark.parametrize(("density", "seed"), [(0, 0), (1.1, 0), ("x", 0), (0.5, -1), (0.5, 0.5), (0.5, None)])
def test_what_is_no_density_or_seed_is_refused(density, seed):
    with pytest.raises((TypeError, ValueError), match=r"RandomBits: \w+ must be"):
        RandomBits(density, seed)
