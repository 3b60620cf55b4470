import numpy as np

from bbdg_ref.pruning import SignOfLatent


def test_bits_are_the_positive_latents_about_zero():
    latents = [np.array([[0.5, -0.5, 0.0, -0.0, 1e-45]], np.float32), np.array([-1.0])]
    first, second = SignOfLatent().choose(latents, step=7)
    assert first.bits.tolist() == [[True, False, False, False, True]] and second.bits.tolist() == [False]
    assert first.threshold == second.threshold == 0.0


def test_nothing_is_added_to_the_loss():
    penalty = SignOfLatent().penalty([], loss=3.0)
    assert (penalty.value, penalty.push) == (0.0, 0.0)
