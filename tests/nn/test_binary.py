import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from network_cases import DOMAINS, check_gradients, check_input_gradient, in_float64, rng, soft_signs
from oracles import binary_layer as oracle

from bbdg_ref import nn, ops
from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.nn import EDE, BinaryConv2d, General, Identity
from bbdg_ref.spec.pruning import Selection

GEOMETRIES = [(1, 1), (2, 1), (1, 0), (2, 0)]


def made(domain: str, stride: int = 1, padding: int = 1, seed: int = 0) -> BinaryConv2d:
    layer = BinaryConv2d(2, 3, 3, stride=stride, padding=padding, domain=nn.DOMAINS[domain](), rng=rng(seed))
    if domain == "general":
        layer.domain.tau.value, layer.domain.phi.value = np.float32(0.6).reshape(()), np.float32(-0.25).reshape(())
    return layer


def check_against_oracle(layer, domain, x, dy, bound):
    t, k = layer.weight_estimator.t, layer.weight_estimator.k
    tau, phi = (float(layer.domain.tau.value), float(layer.domain.phi.value)) if domain == "general" else (1, 0)
    want = oracle.layer(
        domain, x, layer.latent.value, layer.bits, float(layer.threshold), dy,
        stride=layer.stride, padding=layer.padding, tau=tau, phi=phi, t=t, k=k,
    )  # fmt: skip
    y = layer.forward(x, training=True)
    dx = layer.backward(dy)
    pairs = {"y": (y, want.y), "dx": (dx, want.dx), "dlatent": (layer.latent.grad, want.dlatent)}
    if domain == "general":
        pairs |= {"dtau": (layer.domain.tau.grad, want.dtau), "dphi": (layer.domain.phi.grad, want.dphi)}
    for name, (got, wanted) in pairs.items():
        assert np.asarray(got).dtype == x.dtype, name
        assert np.abs(got - wanted).max() <= bound * max(1, np.abs(wanted).max()), name


@pytest.mark.parametrize("domain", DOMAINS)
@given(geometry=st.sampled_from(GEOMETRIES), density=st.sampled_from([None, 0.1, 0.5, 0.9]), seed=st.integers(0, 99))
def test_forward_and_backward_are_the_written_formulas(domain, geometry, density, seed):
    stride, padding = geometry
    event(f"stride {stride}, padding {padding}, density {density}")
    layer = made(domain, stride, padding, seed)
    in_float64(layer)
    if density is not None:
        layer.choose(ops.select_top_k(layer.latent.value, round(density * 54)))
        layer.threshold = layer.threshold.astype(np.float64)
    layer.weight_estimator = layer.activation_estimator = EDE(t=0.5, k=2.0)
    x = rng(seed + 1).standard_normal((2, 2, 5, 4))
    shape = layer.output_shape((2, 5, 4))
    # sums of at most 2 * 5 * 4 * 3 = 120 terms of size one, each term a few roundings
    check_against_oracle(layer, domain, x, rng(seed + 2).standard_normal((2, *shape)), 1e-12)


@pytest.mark.parametrize("domain", DOMAINS)
def test_float32_does_the_same_within_its_rounding(domain):
    layer = made(domain)
    layer.weight_estimator = layer.activation_estimator = EDE(t=0.5, k=2.0)
    x = rng(1).standard_normal((4, 2, 6, 6)).astype(np.float32)
    dy = rng(2).standard_normal((4, 3, 6, 6)).astype(np.float32)
    check_against_oracle(layer, domain, x, dy, 144 * 4 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("domain", ["bipolar", "general"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_with_soft_signs_backward_is_the_derivative_of_forward(domain, geometry):
    layer = made(domain, *geometry)
    in_float64(layer)
    layer.choose(ops.select_top_k(layer.latent.value, 5))
    layer.weight_estimator = layer.activation_estimator = EDE(t=0.8, k=1.25)
    with soft_signs(0.8, 1.25):
        x = rng(1).standard_normal((2, 2, 5, 4))
        check_gradients(layer, x, list(layer.parameters()))
        check_input_gradient(layer, x)


def test_the_estimator_of_the_weights_is_centred_about_the_threshold():
    layer = made("bipolar")
    layer.choose(ops.select_top_k(layer.latent.value, 3))
    threshold = float(layer.threshold)
    assert threshold > 0.05
    layer.weight_estimator = EDE(t=20.0, k=1.0)
    layer.activation_estimator = Identity()
    x, dy = np.ones((4, 2, 6, 6), np.float32), np.ones((4, 3, 6, 6), np.float32)
    layer.forward(x, training=True)
    layer.backward(dy)
    # with all activations 1 and all gradients 1, dW depends on the kernel offset only: compare one offset
    latent, grad = layer.latent.value[:, :, 1, 1].ravel(), layer.latent.grad[:, :, 1, 1].ravel()
    nearest, zero = np.argmin(np.abs(latent - threshold)), np.argmin(np.abs(latent))
    assert nearest != zero
    assert np.argmax(np.abs(grad)) == nearest


def test_bits_by_sign_call_zero_a_zero():
    layer = made("bipolar")
    layer.latent.value = np.zeros_like(layer.latent.value)
    layer.latent.value[0, 0, 0, 0], layer.latent.value[0, 0, 0, 1] = 1e-45, -0.0
    layer.choose(ops.select_positive(layer.latent.value))
    assert layer.bits.sum() == 1 and layer.bits[0, 0, 0, 0]
    assert layer.threshold == 0


def test_an_activation_of_zero_counts_as_minus_one():
    layer = made("bipolar", padding=0)
    y = layer.forward(np.zeros((1, 2, 3, 3), np.float32), training=False)
    assert np.array_equal(y.ravel(), -layer.signs().sum(axis=(1, 2, 3)))


@given(geometry=st.sampled_from(GEOMETRIES), density=st.sampled_from([0.02, 0.5, 0.9]), seed=st.integers(0, 99))
def test_training_counts_what_the_float_convolution_of_the_signs_sums(geometry, density, seed):
    """In the domain {-1, +1} the result is the integer itself, so that the two can be compared exactly."""
    event(f"density {density}")
    stride, padding = geometry
    layer = BinaryConv2d(19, 5, 3, stride=stride, padding=padding, domain=nn.Bipolar(), rng=rng(seed))
    layer.choose(ops.select_top_k(layer.latent.value, round(density * layer.bits.size)))
    x = rng(seed + 1).standard_normal((5, 19, 7, 6)).astype(np.float32)
    x[0, :, 2] = 0
    counted = layer.forward(x, training=True)
    summed = ops.conv2d(ops.sign(x), layer.weights(), stride=stride, padding=padding)
    assert counted.dtype == np.float32
    np.testing.assert_array_equal(counted, summed)
    np.testing.assert_array_equal(counted, layer.forward(x, training=False))


@pytest.mark.skipif(not jit_is_on(), reason="without the JIT training sums floats")
@pytest.mark.parametrize("domain", DOMAINS)
def test_training_and_evaluation_count_alike_in_every_domain(domain):
    layer = made(domain)
    x = rng(1).standard_normal((6, 2, 7, 7)).astype(np.float32)
    np.testing.assert_array_equal(layer.forward(x, training=True), layer.forward(x, training=False))


def test_bits_and_threshold_are_saved_and_the_choice_stays_until_the_next():
    layer = made("general")
    layer.choose(ops.select_top_k(layer.latent.value, 7))
    state = layer.state()
    assert set(state) == {"latent", "bits", "threshold", "domain.tau", "domain.phi"}
    assert state["bits"].sum() == 7 and state["bits"].dtype == bool
    assert state["threshold"].shape == () and state["threshold"].dtype == np.float32
    layer.latent.value = -layer.latent.value
    assert layer.bits.sum() == 7


def test_macs_are_weights_times_output_pixels():
    assert made("bipolar", stride=2).macs((2, 6, 8)) == 54 * 3 * 4


def test_evaluation_follows_bits_and_domain_also_where_they_are_changed_in_place():
    layer = BinaryConv2d(3, 4, 3, padding=1, domain=General(), rng=rng(0))
    x = rng(1).standard_normal((2, 3, 5, 5)).astype(np.float32)

    def check() -> None:
        values = layer.values()
        weight = np.where(layer.bits, values.beta, values.alpha)
        expected = ops.conv2d(np.where(x > 0, 1.0, -1.0), weight, padding=1)
        np.testing.assert_allclose(layer.forward(x, training=False), expected, rtol=1e-6, atol=1e-6)

    check()
    assert layer.packed() is layer.packed()
    layer.bits[0] = ~layer.bits[0]
    check()
    layer.domain.tau.value[...] = 0.25
    check()


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("domain", DOMAINS)
def test_backward_goes_by_the_bits_of_its_forward_pass(domain, in_place):
    x = rng(1).standard_normal((4, 2, 6, 6)).astype(np.float32)
    dy = rng(2).standard_normal((4, 3, 6, 6)).astype(np.float32)
    results = []
    for changed in (False, True):
        layer = made(domain)
        layer.choose(ops.select_top_k(layer.latent.value, 9))
        layer.forward(x, training=True)
        if changed and in_place:
            layer.bits[...] = ~layer.bits
            layer.threshold[...] = 3.0
        elif changed:
            layer.choose(ops.select_top_k(layer.latent.value, 40))
        results.append([layer.backward(dy), *(p.grad for p in layer.parameters().values())])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_evaluation_between_forward_and_backward_changes_nothing_and_a_second_backward_is_refused():
    x, other = rng(1).standard_normal((2, 4, 2, 6, 6)).astype(np.float32)
    layer, same = made("general"), made("general")
    dy = layer.forward(x, training=True)
    same.forward(x, training=True)
    same.forward(other, training=False)
    assert np.array_equal(layer.backward(dy), same.backward(dy))
    assert np.array_equal(layer.latent.grad, same.latent.grad)
    with pytest.raises(RuntimeError, match="training=True before it"):
        layer.backward(dy)


def test_chosen_bits_are_bytes_of_0_and_1_whatever_bytes_the_selection_has():
    layer = made("bipolar")
    mask = rng(3).choice(np.array([0, 1, 3, 255], np.uint8), layer.bits.shape)
    layer.choose(Selection(mask.view(bool), 0.0))
    assert np.array_equal(layer.bits.view(np.uint8), mask != 0)


def test_only_an_ede_follows_the_schedule():
    made = {"domain": nn.Bipolar(), "rng": rng()}
    both, neither = nn.BinaryConv2d(1, 1, 1, **made), nn.BinaryConv2d(
        1, 1, 1, **made, weight_estimator=nn.Identity(), activation_estimator=nn.Quadratic()
    )  # fmt: skip
    mixed = nn.BinaryConv2d(1, 1, 1, **made, activation_estimator=nn.ClippedSTE())
    for layer in (both, neither, mixed):
        layer.anneal(nn.EDE(t=3.0, k=2.0))
    moved = nn.EDE(t=3.0, k=2.0)
    assert (both.weight_estimator, both.activation_estimator) == (moved, moved)
    assert (neither.weight_estimator, neither.activation_estimator) == (nn.Identity(), nn.Quadratic())
    assert (mixed.weight_estimator, mixed.activation_estimator) == (moved, nn.ClippedSTE())
