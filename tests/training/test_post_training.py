import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_cases import DOMAINS, rng, small

from bbdg_ref import nn, ops, project
from bbdg_ref.training import estimate_batch_norm, sparsify

ARCHS = ("resnet20", "resnet18", "reactnet18", "vgg-small")


def images(count: int = 6, *, seed: int = 1) -> np.ndarray:
    return rng(seed).standard_normal((count, 3, 32, 32)).astype(np.float32)


def dense(arch: str = "resnet20", *, domain: str = "general", seed: int = 0) -> nn.Network:
    """A network with learned values and moved batch norms: as after training without pruning."""
    network, source = small(arch, domain=domain, width=3, seed=seed), rng(seed + 50)
    for name, parameter in network.parameters().items():
        if not name.endswith("latent"):
            value = parameter.value + source.normal(0, 0.2, parameter.value.shape)
            parameter.value = np.asarray(value, np.float32)
    network.forward(images(), training=True)
    return network


def norms(network: nn.Network) -> list[nn.BatchNorm]:
    return [module for _, module in network.modules() if isinstance(module, nn.BatchNorm)]


# --- bits ---


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", ARCHS)
def test_every_layer_gets_the_density_exactly(arch, domain):
    network = dense(arch)
    for density in (0.5, 0.05, 1e-9, 1.0):
        sparse = sparsify(network, density, domain=domain, batches=[images()])
        assert (sparse.name, sparse.arguments) == (arch, network.arguments | {"domain": domain})
        for layer in sparse.binary_layers().values():
            assert layer.bits.sum() == max(1, round(density * layer.bits.size))


@given(st.floats(1e-3, 1.0), st.integers(0, 10))
@settings(max_examples=10)
def test_the_ones_are_the_largest_latent_weights(density, seed):
    network = dense(seed=seed)
    sparse = sparsify(network, density, batches=[images(2)])
    for old, new in zip(network.binary_layers().values(), sparse.binary_layers().values(), strict=True):
        assert np.array_equal(old.latent.value, new.latent.value)
        if not new.bits.all():
            smallest, largest = new.latent.value[new.bits].min(), new.latent.value[~new.bits].max()
            assert smallest >= new.threshold >= largest


def test_without_a_density_the_joint_projection_chooses_the_bits():
    network = dense()
    for layer in network.binary_layers().values():
        layer.latent.value = layer.latent.value**3
    sparse = sparsify(network, None, batches=[images()])
    for old, new in zip(network.binary_layers().values(), sparse.binary_layers().values(), strict=True):
        best = project(old.latent.value)
        assert np.array_equal(new.bits, best.bits) and new.threshold == np.float32(best.threshold)


# --- values ---


@pytest.mark.parametrize("trained_in", DOMAINS)
def test_general_values_are_the_means_of_the_weights_in_use(trained_in):
    network = dense(domain=trained_in)
    sparse = sparsify(network, 0.1, batches=[images()])
    for old, new in zip(network.binary_layers().values(), sparse.binary_layers().values(), strict=True):
        used = old.weights().astype(np.float64)
        size = np.abs(used).max()
        assert abs(new.values().alpha - used[~new.bits].mean()) <= 8 * np.finfo(np.float32).eps * size
        assert abs(new.values().beta - used[new.bits].mean()) <= 8 * np.finfo(np.float32).eps * size
        for shift in (-0.01, 0.01):  # the nearest two values, not near ones
            error, moved = (((used - value) ** 2).sum() for value in (new.weights(), new.weights() + shift))
            assert error < moved


def test_the_other_domains_take_their_own_values():
    network = dense()
    for domain in ("bipolar", "symmetric", "general-closed"):
        sparse = sparsify(network, 0.1, domain=domain, batches=[images()])
        for layer in sparse.binary_layers().values():
            latent, bits = layer.latent.value.astype(np.float64), layer.bits
            expected = {
                "bipolar": (-1.0, 1.0),
                "symmetric": tuple(sign * np.abs(latent).mean((1, 2, 3)) for sign in (-1, 1)),
                "general-closed": (latent[~bits].mean(), latent[bits].mean()),
            }[domain]
            assert np.allclose((layer.values().alpha, layer.values().beta), expected, rtol=1e-6, atol=0)


def test_at_the_dense_density_and_with_the_signs_as_bits_nothing_is_lost():
    network = dense()
    for layer in network.binary_layers().values():  # as many ones in every layer as top-k gives
        order = np.argsort(np.argsort(layer.latent.value, axis=None)).reshape(layer.latent.value.shape)
        middle = layer.latent.value.size - round(0.5 * layer.latent.value.size)
        layer.latent.value = ((order - middle + 0.5) / layer.latent.value.size).astype(np.float32)
        layer.choose(ops.select_positive(layer.latent.value))
    sparse = sparsify(network, 0.5, batches=[images()])
    for old, new in zip(network.binary_layers().values(), sparse.binary_layers().values(), strict=True):
        assert np.array_equal(old.bits, new.bits)
        assert np.allclose(old.weights(), new.weights(), rtol=0, atol=1e-6)


def test_the_dense_network_is_not_changed_and_shares_nothing():
    network = dense()
    before = {name: array.copy() for name, array in network.state().items()}
    sparse = sparsify(network, 0.05, batches=[images()])
    for name, array in sparse.state().items():
        assert not np.shares_memory(array, network.state()[name])
    for array in sparse.state().values():
        array[...] = 1
    assert all(np.array_equal(before[name], array) for name, array in network.state().items())


def test_everything_real_but_the_statistics_is_kept():
    network = dense("resnet18")
    sparse = sparsify(network, 0.05, batches=[images()])
    old, new = network.state(), sparse.state()
    changed = {name.rpartition(".")[2] for name in old if not np.array_equal(old[name], new[name])}
    assert changed == {"bits", "threshold", "tau", "phi", "running_mean", "running_var"}


def test_a_sparse_network_answers_otherwise_and_can_be_trained_on():
    network, x = dense(), images(4, seed=3)
    sparse = sparsify(network, 0.05, batches=[images()])
    assert not np.allclose(network.forward(x, training=False), sparse.forward(x, training=False), atol=1e-2)
    sparse.backward(np.ones_like(sparse.forward(x, training=True)))
    assert all(parameter.grad is not None for parameter in sparse.parameters().values())


# --- batch norm ---


def recorded_inputs(network: nn.Network, x: np.ndarray) -> list[np.ndarray]:
    """What reaches every batch norm in a training pass over x."""
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        update = nn.BatchNorm._update
        patch.setattr(
            nn.BatchNorm, "_update", lambda self, x, result: (seen.append((self, x)), update(self, x, result))
        )
        network.forward(x, training=True)
    by_norm = {id(norm): x for norm, x in seen}
    return [by_norm[id(norm)] for norm in norms(network)]


@pytest.mark.parametrize("arch", ARCHS)
def test_statistics_of_one_batch_are_those_of_what_reaches_each_batch_norm(arch):
    network = dense(arch)
    inputs = recorded_inputs(network, images(8))
    estimate_batch_norm(network, [images(8)])
    for norm, x in zip(norms(network), inputs, strict=True):
        axes = (0, *range(2, x.ndim))
        x = x.astype(np.float64)
        bound = 64 * np.finfo(np.float32).eps * np.abs(x).max()
        assert np.abs(norm.running_mean - x.mean(axes)).max() <= bound
        assert np.abs(norm.running_var - x.var(axes, ddof=1)).max() <= bound * max(1, np.abs(x).max())
        assert norm.running_mean.dtype == norm.running_var.dtype == np.float32


@given(st.lists(st.integers(2, 5), min_size=1, max_size=4))
@settings(max_examples=10)
def test_several_batches_are_pooled(sizes):
    network = dense()
    batches = [images(size, seed=index) for index, size in enumerate(sizes)]
    inputs = [recorded_inputs(network, batch) for batch in batches]
    estimate_batch_norm(network, iter(batches))
    for place, norm in enumerate(norms(network)):
        x = np.concatenate([each[place] for each in inputs]).astype(np.float64)
        axes = (0, *range(2, x.ndim))
        bound = 64 * np.finfo(np.float32).eps * max(1, np.abs(x).max() ** 2)
        assert np.abs(norm.running_mean - x.mean(axes)).max() <= bound
        assert np.abs(norm.running_var - x.var(axes, ddof=1)).max() <= bound


def test_estimating_changes_the_statistics_alone_and_leaves_nothing_behind():
    network = dense()
    network.forward(images(), training=False)
    before = {name: array.copy() for name, array in network.state().items()}
    estimate_batch_norm(network, [images(4, seed=9)])
    after = network.state()
    changed = {name.rpartition(".")[2] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"running_mean", "running_var"}
    assert not any("_saved" in vars(module) for _, module in network.modules())


def test_it_forgets_the_statistics_that_were_there():
    one, other = dense(), dense()
    for norm in norms(other):
        norm.running_mean, norm.running_var = norm.running_mean + 5, norm.running_var * 7
    for network in (one, other):
        estimate_batch_norm(network, [images(4), images(5, seed=2)])
    assert all(np.array_equal(a, b) for a, b in zip(one.state().values(), other.state().values(), strict=True))


@pytest.mark.parametrize(
    ("batches", "got"),
    [
        ([], "got none"),
        ([images(4), images(1)], r"got one of shape \(1, 3, 32, 32\)"),
        ([images(4)[0]], r"got one of shape \(3, 32, 32\)"),
    ],
)
def test_batches_without_statistics_are_refused_and_change_nothing(batches, got):
    network = dense()
    before = {name: array.copy() for name, array in network.state().items()}
    with pytest.raises(ValueError, match=f"estimate_batch_norm: batches must be .* {got}"):
        estimate_batch_norm(network, batches)
    assert all(np.array_equal(before[name], array) for name, array in network.state().items())


def spoiled(value: float) -> np.ndarray:
    batch = images(4)
    batch[1, 2, 3, 4] = value
    return batch


@pytest.mark.parametrize(
    ("batch", "kind", "got"),
    [
        (spoiled(np.nan), ValueError, r"got float32 of shape .*first bad value nan at index \(1, 2, 3, 4\)"),
        (spoiled(np.inf), ValueError, r"first bad value inf at index \(1, 2, 3, 4\)"),
        (images(4).astype(np.uint8), TypeError, "got one of uint8; .*normalise makes float32 of pixels"),
        (images(4)[:, :2], ValueError, r"\(batch, 3, height, width\).*got one of shape \(4, 2, 32, 32\)"),
        (images(4).tolist(), TypeError, "got one of type list"),
        (None, TypeError, "got one of type NoneType"),
    ],
)
def test_batches_that_are_no_images_are_refused_in_the_packages_form(batch, kind, got):
    network = dense()
    before = {name: array.copy() for name, array in network.state().items()}
    with pytest.raises(kind, match=f"estimate_batch_norm: batches must be .*{got}"):
        estimate_batch_norm(network, [images(4), batch])
    assert all(np.array_equal(before[name], array) for name, array in network.state().items())
    assert not any("_saved" in vars(module) for _, module in network.modules())


def test_an_altered_network_keeps_its_alterations():
    network = dense("resnet20")
    network.layers[0].layers.pop()  # the hardtanh of the stem
    stage = network.layers[1].layers
    stage.pop()
    for layer in network.binary_layers().values():
        layer.weight_estimator = nn.ClippedSTE()
    x = images(4, seed=3)
    sparse = sparsify(network, 0.5, domain="bipolar", batches=[images()])
    assert [type(m) for _, m in sparse.layers[0].modules()] == [type(m) for _, m in network.layers[0].modules()]
    assert len(sparse.layers[1].layers) == len(stage) == 5
    for layer in sparse.binary_layers().values():
        assert type(layer.weight_estimator) is nn.ClippedSTE and type(layer.domain) is nn.DOMAINS["bipolar"]
    assert network.arguments["domain"] == "general" and network.forward(x, training=False).shape == (4, 3)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5, float("nan"), "half"])
def test_a_density_that_is_no_fraction_is_refused(density):
    with pytest.raises((ValueError, TypeError), match="sparsify: density must be"):
        sparsify(dense(), density, batches=[images()])


def test_a_domain_that_is_none_is_refused():
    with pytest.raises(ValueError, match="domain must be one of"):
        sparsify(dense(), 0.1, domain="ternary", batches=[images()])


def test_what_is_no_network_or_holds_no_batches_is_refused_by_its_name():
    network = dense()
    for batches in (None, 3):
        for function, call in (
            ("estimate_batch_norm", lambda batches: estimate_batch_norm(network, batches)),
            ("sparsify", lambda batches: sparsify(network, 0.1, batches=batches)),
        ):
            with pytest.raises(
                TypeError, match=f"{function}: batches must be an iterable of .*; got {type(batches).__name__};"
            ):
                call(batches)
    with pytest.raises(TypeError, match=r"sparsify: network must be a network of bbdg_ref\.nn; got str; read"):
        sparsify("x", 0.1, batches=[images()])
    with pytest.raises(
        TypeError, match=r"estimate_batch_norm: network must be a network of bbdg_ref\.nn; got NoneType"
    ):
        estimate_batch_norm(None, [images()])
