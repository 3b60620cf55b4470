"""Every network against the same network written out independently, in float64: logits and all gradients."""

import numpy as np
import pytest
from network_cases import DOMAINS, in_float64, randomise, rng, small
from oracles import networks as oracle

from bbdg_ref import nn, ops

# Images as small as the network takes them with every pooling meeting whole windows.
SIZES = {"vgg-small": 32, "reactnet18": 32, "reactnet-a": 64}


def made(arch: str, domain: str, width: int = 2) -> nn.Network:
    network = small(arch, domain=domain, width=width)
    in_float64(network)
    randomise(network)
    for layer in network.binary_layers().values():
        if arch == "vgg-small":
            make_sums_exact(layer)
        layer.anneal(nn.EDE(t=0.7, k=1.4))
        layer.choose(ops.select_positive(layer.latent.value))
    return network


def make_sums_exact(layer: nn.BinaryConv2d) -> None:
    """Give a layer weights that are multiples of 1/64.

    Where maxima are taken of sums over few weights, many are equal, and the gradient goes to the first: two orders of
    summation agree on which one that is only if they do not round.
    """
    latent = layer.latent.value
    if isinstance(layer.domain, nn.General):
        layer.domain.tau.value, layer.domain.phi.value = (
            np.round(value * 64) / 64 for value in (layer.domain.tau.value, layer.domain.phi.value)
        )
    elif isinstance(layer.domain, nn.Symmetric):  # the mean magnitude of a filter is that of each weight
        layer.latent.value = np.where(latent > 0, 1, -1) * (np.arange(1, len(latent) + 1) / 64)[:, None, None, None]
    elif isinstance(layer.domain, nn.GeneralClosed):  # so are the means of positive and negative weights
        layer.latent.value = np.where(latent > 0, 23 / 64, -11 / 64)


def gradients(network: nn.Network, x: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
    network.backward(c)
    return {name: parameter.grad for name, parameter in network.parameters().items()}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", SIZES)
def test_logits_and_gradients_are_those_of_the_network_as_published(arch, domain):
    network, side = made(arch, domain), SIZES[arch]
    x, c = rng(1).standard_normal((3, 3, side, side)), rng(2).standard_normal((3, 3))
    logits = network.forward(x, training=True)
    want = oracle.run(arch, network.state(), x, c, domain=domain, t=0.7, k=1.4)
    scale = np.abs(want.logits).max()
    # float64 through at most 31 layers, each of which normalises: rounding grows by a small factor a layer
    np.testing.assert_allclose(logits, want.logits, rtol=0, atol=1e-10 * scale)
    got = gradients(network, x, c)
    assert got.keys() == want.grads.keys()
    for name, grad in want.grads.items():
        np.testing.assert_allclose(got[name], grad, rtol=0, atol=1e-9 * max(np.abs(grad).max(), 1e-3), err_msg=name)
        assert np.abs(grad).max() > 0, f"{name}: an oracle that gives zeros shows nothing"


@pytest.mark.parametrize("arch", SIZES)
def test_in_float32_the_logits_agree_until_a_sign_flips(arch):
    network, side = made(arch, "general"), SIZES[arch]
    x = rng(1).standard_normal((2, 3, side, side))
    wide = network.forward(x, training=False)
    for parameter in network.parameters().values():
        parameter.value = parameter.value.astype(np.float32)
    for _, module in network.modules():
        for name in module.state_names:
            if getattr(module, name).dtype == np.float64:
                setattr(module, name, getattr(module, name).astype(np.float32))
    narrow = network.forward(x.astype(np.float32), training=False)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-3 * np.abs(wide).max())


@pytest.mark.parametrize(
    ("arch", "parts"),
    [
        ("reactnet18", ["stage2.0.shortcut.1.weight", "stage4.3.activation.1.slope", "stage3.1.main.0.bias"]),
        (
            "reactnet-a",
            ["stage2.0.1.main.1.1.0.latent", "stage5.0.1.main.1.0.0.latent", "stage1.0.0.activation.2.bias"],
        ),
        ("vgg-small", ["stage3.1.0.latent", "stage1.0.2.weight"]),
    ],
)
def test_the_comparison_would_notice_a_wrong_gradient(arch, parts):
    network, side = made(arch, "general"), SIZES[arch]
    x, c = rng(1).standard_normal((3, 3, side, side)), rng(2).standard_normal((3, 3))
    network.forward(x, training=True)
    got = gradients(network, x, c)
    other = made(arch, "general")
    for name in parts:
        value = other.parameters()[name].value
        other.parameters()[name].value = value + 0.05 * rng(5).standard_normal(value.shape)
    for layer in other.binary_layers().values():
        layer.choose(ops.select_positive(layer.latent.value))
    want = oracle.run(arch, other.state(), x, c, domain="general", t=0.7, k=1.4)
    far = [name for name, grad in want.grads.items() if np.abs(got[name] - grad).max() > 1e-6 * np.abs(grad).max()]
    assert far
