import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from bbdg_ref import ops
from bbdg_ref.nn.signed import LEAST, signed_latents

LATENTS = arrays_of.arrays(np.float32, (12,), elements=st.floats(-1.5, 1.5, width=32))


@given(latent=LATENTS, bits=arrays_of.arrays(np.bool_, (12,)), threshold=st.floats(-1.5, 1.5, width=32))
def test_the_signs_are_the_bits_and_the_sizes_the_distances(latent, bits, threshold):
    found = signed_latents(latent, bits, threshold)
    assert found.dtype == np.float32 and np.array_equal(found > 0, bits) and (found != 0).all()
    distance = np.abs(latent.astype(np.float64) - threshold).astype(np.float32)
    assert np.array_equal(np.abs(found), np.maximum(distance, LEAST))


@given(latent=LATENTS, k=st.integers(1, 12))
def test_a_cut_by_a_threshold_is_a_shift(latent, k):
    chosen = ops.select_top_k(latent, k)
    found = signed_latents(latent, chosen.bits, chosen.threshold)
    shifted = (latent.astype(np.float64) - chosen.threshold).astype(np.float32)
    assert np.abs(found - shifted).max() <= LEAST
    assert np.array_equal(ops.select_positive(found).bits, chosen.bits)
