"""The weights of the general domain in memory that is used again equal those of `spec`, bit for bit."""

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.ops.weights import general_weights, general_weights_backward
from bbdg_ref.spec.weights import general_weights as spec_general_weights
from bbdg_ref.spec.weights import general_weights_backward as spec_general_weights_backward


@given(
    dtype=st.sampled_from([np.float32, np.float64]),
    shape=st.sampled_from([(1,), (2, 3, 3, 3), (5, 7, 1, 1), (130, 60, 3, 3)]),
    tau=st.floats(-3, 3),
    phi=st.floats(-3, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_operations_are_those_of_the_definition(dtype, shape, tau, phi, seed):
    event(f"{dtype.__name__}, {'large' if np.prod(shape) > 65536 else 'small'}")
    rng = np.random.default_rng(seed)
    dw, s = rng.standard_normal(shape).astype(dtype), rng.choice(np.array([-1, 1], dtype), shape)
    before = dw.copy(), s.copy()
    got, want = general_weights(s, tau, phi), spec_general_weights(s, tau, phi)
    assert got.dtype == want.dtype == dtype
    np.testing.assert_array_equal(got, want)
    ours, theirs = general_weights_backward(dw, s, tau, phi), spec_general_weights_backward(dw, s, tau, phi)
    for name in ("s", "tau", "phi"):
        one, other = np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name))
        assert one.dtype == other.dtype == dtype
        np.testing.assert_array_equal(one, other)
    assert ours.latent is None
    assert np.array_equal(dw, before[0]) and np.array_equal(s, before[1])
