import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_cases import in_float64, rng

from bbdg_ref import nn, ops
from bbdg_ref.nn.official import PREFIX, load_official, official_layers, to_official
from bbdg_ref.nn.official_layouts import LAYOUTS
from bbdg_ref.nn.state_dict import read_state_dict, write_state_dict
from bbdg_ref.pruning import Filters, SubBit, TopK, Within
from bbdg_ref.spec.pruning import Selection

NAMES = sorted(LAYOUTS)


def build(name: str = "resnet20", *, domain: str = "general", width: int = 2, classes: int = 3, seed: int = 0):
    return nn.NETWORKS[name](domain=domain, width=width, classes=classes, rng=rng(seed))


def trained(name: str = "resnet20", *, domain: str = "general", width: int = 2, seed: int = 0):
    """A network in which nothing is at its start: as after training."""
    network, source = build(name, domain=domain, width=width, seed=seed), rng(seed + 100)
    for key, parameter in network.parameters().items():
        value = parameter.value
        if not key.endswith("latent"):
            parameter.value = (value + source.normal(0, 0.2, value.shape)).astype(np.float32)
    for _, module in network.modules():
        if isinstance(module, nn.BatchNorm):
            module.running_mean = source.normal(0, 0.3, module.running_mean.shape).astype(np.float32)
            module.running_var = source.uniform(0.5, 8, module.running_var.shape).astype(np.float32)
    return network


def images(name: str, count: int, dtype: type = np.float32) -> np.ndarray:
    side = 64 if name == "reactnet-a" else 32
    return rng(7).standard_normal((count, 3, side, side)).astype(dtype)


def same(first: nn.Network, second: nn.Network) -> bool:
    one, two = first.state(), second.state()
    return list(one) == list(two) and all(np.array_equal(one[key], two[key]) for key in one)


# --- there and back ---


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_comes_back_from_a_file_as_it_was(tmp_path, name, suffix):
    network, other = trained(name), build(name, seed=5)
    write_state_dict(tmp_path / f"weights.{suffix}", to_official(network))
    found = load_official(other, read_state_dict(tmp_path / f"weights.{suffix}"))
    assert same(network, other)
    assert found.zeros == {} and all(entry.endswith("num_batches_tracked") for entry in found.unused)
    x = images(name, 2)
    assert np.array_equal(network.forward(x, training=False), other.forward(x, training=False))


@pytest.mark.parametrize(("name", "domain"), [*((name, "bipolar") for name in NAMES), ("reactnet18", "symmetric")])
def test_a_domain_without_tau_and_phi_is_written_with_them_at_one_and_zero(name, domain):
    network, other = trained(name, domain=domain), build(name, domain=domain, seed=5)
    arrays = to_official(network)
    scalars = {key: float(array) for key, array in arrays.items() if key.endswith((".tau", ".phi"))}
    assert len(scalars) == 2 * len(network.binary_layers())
    assert all(value == (1 if key.endswith("tau") else 0) for key, value in scalars.items())
    assert set(scalars) < set(load_official(other, arrays).unused)
    assert same(network, other)
    for key in scalars:  # plain signs need neither
        del arrays[key]
    load_official(build(name, domain=domain, seed=6), arrays)


def test_closed_form_values_are_written_as_tau_and_phi():
    closed, learned = trained(domain="general-closed"), build(seed=5)
    load_official(learned, to_official(closed))
    for one, two in zip(closed.binary_layers().values(), learned.binary_layers().values(), strict=True):
        assert np.array_equal(one.bits, two.bits)
        for which in ("alpha", "beta"):
            value, other = getattr(one.values(), which), getattr(two.values(), which)
            assert abs(value - other) <= 4 * np.finfo(np.float32).eps * max(abs(value), abs(two.values().tau))


def test_bits_above_a_threshold_are_written_as_signs():
    network, other = trained(), build(seed=5)
    for layer in network.binary_layers().values():
        layer.choose(ops.select_top_k(layer.latent.value, layer.latent.value.size // 20 + 1))
    load_official(other, to_official(network))
    for one, two in zip(network.binary_layers().values(), other.binary_layers().values(), strict=True):
        assert np.array_equal(one.bits, two.bits) and two.threshold == 0
    x = images("resnet20", 2)
    assert np.array_equal(network.forward(x, training=False), other.forward(x, training=False))


def test_what_is_written_is_a_copy():
    network = build()
    before = {key: array.copy() for key, array in network.state().items()}
    for array in to_official(network).values():
        array[...] = 7
    assert all(np.array_equal(before[key], array) for key, array in network.state().items())


# --- against PyTorch ---


def as_tensors(arrays):
    torch = pytest.importorskip("torch")
    return {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}


def reference(name: str, arrays, x: np.ndarray, *, width: int, scaled: bool = False) -> np.ndarray:
    """Logits of the re-implementation in float64; it refuses a state dict that is not exactly its own."""
    torch = pytest.importorskip("torch")
    import torch_networks

    network = torch_networks.build(name, width, 3, scaled=scaled)
    network.load_state_dict(as_tensors(arrays), strict=True)
    with torch.no_grad():
        return network(torch.from_numpy(x.astype(np.float64))).numpy()


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


CASES = [*((name, "general") for name in NAMES), ("resnet20", "bipolar"), ("reactnet18", "symmetric")]


@pytest.mark.parametrize(("name", "domain"), CASES)
def test_logits_are_those_of_the_official_network(name, domain):
    network, width = trained(name, domain=domain, width=4), 4
    arrays, x = to_official(network), images(name, 4, np.float64)
    expected = log_softmax(reference(name, arrays, x, width=width, scaled=domain == "symmetric"))
    imported = build(name, domain=domain, width=width, seed=9)
    load_official(imported, arrays)
    in_float64(imported)
    got = log_softmax(imported.forward(x, training=False))
    # 40 layers of sums of at most 1152 terms, each step relatively stable: 1e-9 leaves 1e4 over the usual error
    assert np.abs(got - expected).max() <= 1e-9 * max(1, np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 0.01  # the images do not all get the same answer


@pytest.mark.parametrize(("name", "domain"), CASES)
def test_logits_in_float32_are_those_but_where_an_activation_is_next_to_zero(name, domain):
    network = trained(name, domain=domain, width=4)
    x = images(name, 8)
    expected = log_softmax(reference(name, to_official(network), x, width=4, scaled=domain == "symmetric"))
    got = log_softmax(network.forward(x, training=False))
    close = np.abs(got - expected).max(axis=1) <= 1e-4 * max(1, np.abs(expected).max())
    assert close.sum() >= 5  # a sign that float32 turns over moves its image's logits


# --- names ---


def test_the_prefix_of_data_parallel_is_taken_off():
    network, other = trained(), build(seed=5)
    load_official(other, {PREFIX + key: array for key, array in to_official(network).items()})
    assert same(network, other)


def test_the_prefix_on_some_names_only_is_refused():
    arrays = to_official(build())
    arrays[PREFIX + "conv1.weight"] = arrays.pop("conv1.weight")
    with pytest.raises(ValueError, match=r"load_official: arrays must be named with 'module\.' all or not at all"):
        load_official(build(), arrays)


def test_names_of_another_repository_can_be_given():
    network, other = trained(), build(seed=5)
    names = {f"net.{theirs}": ours for theirs, ours in official_layers(network).items()}
    arrays = to_official(network, names=names)
    assert "net.layer1.0.conv1.tau" in arrays
    load_official(other, arrays, names=names)
    assert same(network, other)


@pytest.mark.parametrize("change", [{"fc": "head.7"}, {"linear": "stem.0"}, {"linear": "head"}])
def test_names_that_are_no_table_of_the_network_are_refused(change):
    network = build()
    for call in (
        lambda names: load_official(network, {}, names=names),
        lambda names: to_official(network, names=names),
    ):
        with pytest.raises(ValueError, match="names must be the official name of every layer with numbers, once"):
            call(official_layers(network) | change)


def test_a_network_without_a_table_is_refused():
    network = nn.NETWORKS["vgg-small"](width=4, rng=rng())
    for call in (official_layers, to_official, lambda net: load_official(net, {})):
        with pytest.raises(
            ValueError, match="network must be one of 'resnet18', 'resnet20', 'reactnet18', 'reactnet-a'"
        ):
            call(network)


def test_the_table_is_a_copy():
    official_layers(build()).clear()
    assert official_layers(build())["conv1"] == "stem.0"


# --- what is refused ---


def refused(arrays, pattern: str, *, domain: str = "general"):
    network = build(domain=domain, seed=5)
    before = {key: array.copy() for key, array in network.state().items()}
    with pytest.raises(ValueError, match=pattern):
        load_official(network, arrays)
    assert all(np.array_equal(before[key], array) for key, array in network.state().items())  # nothing is changed


@given(st.data())
@settings(max_examples=15)
def test_every_missing_entry_is_named(data):
    arrays = to_official(build())
    needed = sorted(key for key in arrays if not key.endswith("num_batches_tracked"))
    key = data.draw(st.sampled_from(needed))
    del arrays[key]
    refused(arrays, f"load_official: arrays must be of the layout of resnet20; got no '{key}'")


def test_steps_of_a_batch_norm_may_be_missing():
    arrays = {key: array for key, array in to_official(trained()).items() if not key.endswith("tracked")}
    assert load_official(build(), arrays).unused == ()


@given(st.data())
@settings(max_examples=15)
def test_every_entry_of_another_shape_is_named(data):
    arrays = to_official(build())
    key = data.draw(st.sampled_from(sorted(arrays)))
    arrays[key] = np.stack([arrays[key]] * 2)
    refused(arrays, f"arrays must be of shape .* at '{key}'; got shape")


@pytest.mark.parametrize(
    ("key", "value", "pattern"),
    [
        ("fc.weight", np.zeros(3, np.float32), "only entries of the layout; got 'fc.weight' as well"),
        ("linear.bias", np.zeros(3, np.int64), "float16, float32 or float64 at 'linear.bias'; got int64"),
        ("linear.bias", np.zeros(3, np.complex64), "float16, float32 or float64 at 'linear.bias'"),
        ("linear.bias", np.array([0, np.nan, 0], np.float32), "finite in float32 at 'linear.bias'"),
        ("linear.bias", np.array([0, np.inf, 0], np.float16), "finite in float32 at 'linear.bias'"),
        ("linear.bias", np.array([0, 1e39, 0]), "finite in float32 at 'linear.bias'"),
        ("linear.bias", np.array([0, 1e-60, 0]), "of the same sign in float32 at 'linear.bias'"),
    ],
)
def test_an_entry_that_is_no_float32_is_refused_by_name(key, value, pattern):
    refused(to_official(build()) | {key: value}, pattern)


@pytest.mark.parametrize(("scalar", "value"), [("tau", 0.5), ("tau", -1.0), ("phi", 0.25), ("tau", np.nan)])
def test_learned_values_are_refused_where_they_have_no_place(scalar, value):
    arrays = to_official(build(domain="bipolar"))
    arrays[f"layer1.0.conv1.{scalar}"] = np.float32(value)
    refused(arrays, rf"at 'layer1.0.conv1.{scalar}'.*domain='general'", domain="bipolar")


def test_weights_without_tau_and_phi_are_told_to_be_bipolar():
    arrays = {key: array for key, array in to_official(build()).items() if not key.endswith((".tau", ".phi"))}
    refused(arrays, "no 'layer1.0.conv1.tau'; .*domain='bipolar'")


def test_half_and_double_precision_are_taken():
    network, other = trained(), build(seed=5)
    arrays = to_official(network)
    load_official(other, {key: array.astype(np.float64) for key, array in arrays.items()})
    assert same(network, other)
    half = {key: array.astype(np.float16) for key, array in arrays.items()}
    load_official(other, half)
    assert np.array_equal(other.parameters()["stem.0.weight"].value, half["conv1.weight"].astype(np.float32))


def test_latent_weights_that_are_zero_are_counted_and_get_bit_zero():
    arrays = to_official(build())
    arrays["layer2.1.conv2.weight"][0, 0, 0] = [0.0, -0.0, 1.0]
    network = build(seed=5)
    assert load_official(network, arrays).zeros == {"layer2.1.conv2": 2}
    assert network.binary_layers()["stage2.3.main.0"].bits[0, 0, 0].tolist() == [False, False, True]


def test_what_the_layout_cannot_say_is_refused():
    with pytest.raises(ValueError, match=r"two values a layer; got two a filter at 'layer1\.0\.conv1'"):
        to_official(build(domain="symmetric"))


CHOICES = {
    "top-k": lambda latent: ops.select_top_k(latent, latent.size // 20 + 1),
    "filters": Within(Filters(0.5), TopK(0.25)).choose,
    "inverted": lambda latent: Selection(latent <= 0, 0.0),
}


@pytest.mark.parametrize("how", CHOICES)
@pytest.mark.parametrize(
    ("name", "domain"), [("resnet20", "general"), ("resnet20", "bipolar"), ("reactnet18", "symmetric")]
)
def test_bits_by_any_rule_are_written_with_latent_weights_of_their_signs(name, domain, how):
    network, other = trained(name, domain=domain), build(name, domain=domain, seed=5)
    for layer in network.binary_layers().values():
        layer.latent.value.flat[::7] = 1.5  # as the clamp leaves them: ties at the cut
        layer.latent.value.flat[1::7] = 0
        found = CHOICES[how]([layer.latent.value], 0)[0] if how == "filters" else CHOICES[how](layer.latent.value)
        layer.choose(found)
    arrays = to_official(network)
    assert load_official(other, arrays).zeros == {}
    for one, two in zip(network.binary_layers().values(), other.binary_layers().values(), strict=True):
        assert np.array_equal(one.bits, two.bits)
    x = images(name, 2)
    assert np.array_equal(network.forward(x, training=False), other.forward(x, training=False))


def test_a_cut_between_adjacent_latent_weights_is_written():
    network, other = build(), build(seed=5)
    layer = network.binary_layers()["stage1.0.main.0"]
    one = np.float32(0.3)
    layer.latent.value = np.full_like(layer.latent.value, one)
    layer.latent.value.flat[:5] = np.nextafter(one, np.float32(1))
    layer.choose(ops.select_top_k(layer.latent.value, 5))
    load_official(other, to_official(network))
    assert np.flatnonzero(other.binary_layers()["stage1.0.main.0"].bits).tolist() == [0, 1, 2, 3, 4]


# --- domains, variances, counts and names ---


@pytest.mark.parametrize(
    ("name", "domain"),
    [("resnet20", "general-closed"), ("resnet20", "symmetric"), ("resnet18", "symmetric"),
     ("reactnet-a", "symmetric"), ("reactnet18", "general-closed")],
)  # fmt: skip
def test_a_domain_that_the_official_code_does_not_have_is_refused(name, domain):
    network = build(name, domain=domain, seed=5)
    before = {key: array.copy() for key, array in network.state().items()}
    pattern = r"load_official: network must be in the domain 'general' or 'bipolar'.*; got .* at 'stage1"
    with pytest.raises(ValueError, match=pattern):
        load_official(network, to_official(trained(name, domain="bipolar")))
    assert all(np.array_equal(before[key], array) for key, array in network.state().items())


def test_a_negative_variance_is_refused_by_name():
    arrays = to_official(build())
    arrays["layer1.0.bn1.running_var"][1] = -0.5
    refused(arrays, r"0 or more at 'layer1\.0\.bn1\.running_var', a variance; got -0\.5")
    arrays["layer1.0.bn1.running_var"][1] = 0
    load_official(build(), arrays)


@pytest.mark.parametrize(
    "value",
    [
        np.array("evil"),
        np.array(None),
        np.float32(1.5),
        np.float32(np.nan),
        np.float32(np.inf),
        np.array(True),
        np.int64(-1),
    ],
)
def test_steps_that_are_no_count_are_refused(value):
    arrays = to_official(build()) | {"bn1.num_batches_tracked": value}
    refused(arrays, r"a count at 'bn1\.num_batches_tracked'; got")


def test_steps_that_are_a_count_are_taken():
    arrays = to_official(build()) | {"bn1.num_batches_tracked": np.int32(390)}
    assert "bn1.num_batches_tracked" in load_official(build(), arrays).unused


@pytest.mark.parametrize("value", [np.array("1"), np.array(None)])
def test_a_fixed_value_that_is_no_number_is_refused(value):
    arrays = to_official(build(domain="bipolar")) | {"layer1.0.conv1.tau": value}
    refused(arrays, r"1\.0 at 'layer1\.0\.conv1\.tau'", domain="bipolar")


@pytest.mark.parametrize("key", [None, 3, b"conv1.weight"])
def test_a_name_that_is_no_text_is_refused(key):
    network = build()
    with pytest.raises(TypeError, match="load_official: arrays must be named by str; got the name"):
        load_official(network, to_official(network) | {key: np.zeros(3, np.float32)})


# --- what is no state dict of the layout ---


@pytest.mark.parametrize("domain", ["general", "symmetric"])
def test_sub_bit_weights_are_refused_and_taken_over_as_the_message_says(domain):
    network, other = trained("reactnet18", domain=domain), build("reactnet18", domain=domain, seed=5)
    arrays = to_official(network)  # of the same latent weights without their codebooks
    layers = network.binary_layers()
    chosen = SubBit(1).choose([layer.latent.value for layer in layers.values()], 0)
    for layer, found in zip(layers.values(), chosen, strict=True):
        layer.choose(found)
    theirs = {ours: key for key, ours in official_layers(network).items()}
    patterns = {f"{theirs[place]}.binarize.patterns": np.ones((2, 9), np.float32) for place in layers}
    before = {key: array.copy() for key, array in other.state().items()}
    message = (
        r"signs are the bits; got 'layer1\.0\.binary_conv\.binarize\.patterns', of sub-bit weights: .* cannot be taken "
        r"over; in the official code, give every latent weight w the sign of its bit"
    )
    for prefix in ("", PREFIX):
        given = {prefix + key: array for key, array in (arrays | {"odd": np.ones(1)} | patterns).items()}
        with pytest.raises(ValueError, match=message) as refusal:
            load_official(other, given)
        assert "leave it out" not in str(refusal.value)
    assert all(np.array_equal(before[key], array) for key, array in other.state().items())

    for place, layer in layers.items():
        key = f"{theirs[place]}.weight"
        assert not np.array_equal(arrays[key] > 0, layer.bits)  # without the patterns, another network
        arrays[key] = np.where(layer.bits, 1, -1) * np.abs(arrays[key])
    load_official(other, arrays)
    x = images("reactnet18", 2)
    assert np.array_equal(network.forward(x, training=False), other.forward(x, training=False))


@pytest.mark.parametrize(
    ("key", "has"),
    [
        ("layer1.0.conv1.scale", r"'layer1\.0\.conv1' has tau, phi, weight"),
        ("linear.weight_v", "'linear' has weight, bias"),
        ("fc.weight", r"its 40 layers are conv1, bn1, bn2, linear, layer1\.0\.conv1 …"),
        ("patterns", "its 40 layers are conv1, .*"),
    ],
)
def test_an_unknown_entry_is_not_told_to_be_left_out(key, has):
    arrays = to_official(build()) | {key: np.zeros(3, np.float32)}
    refused(
        arrays, f"only entries of the layout; got '{key}' as well; {has}; pass names .*drop no entry before you know"
    )


@pytest.mark.parametrize("arrays", [None, [], 3, "conv1.weight", np.zeros(3)])
def test_what_is_no_mapping_is_refused(arrays):
    with pytest.raises(TypeError, match=r"load_official: arrays must be a mapping of names to arrays; got .*; pass a"):
        load_official(build(), arrays)


class Unreadable:
    def __init__(self, error: Exception):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("requires grad"), TypeError("BFloat16"), ValueError("ragged")])
def test_an_entry_that_numpy_cannot_read_is_named(error):
    arrays = to_official(build()) | {"bn1.weight": Unreadable(error)}
    message = rf"an array at 'bn1\.weight'; got Unreadable, which NumPy cannot read \({error}\); .*tensor\.detach\(\)"
    with pytest.raises(TypeError, match=message) as found:
        load_official(build(), arrays)
    assert found.value.__cause__ is error


def test_want_of_memory_is_not_said_of_an_entry():
    with pytest.raises(MemoryError):
        load_official(build(), to_official(build()) | {"bn1.weight": Unreadable(MemoryError())})


def test_tensors_that_numpy_cannot_read_are_read_as_the_message_says():
    torch = pytest.importorskip("torch")
    network, other = trained(), build(seed=5)
    tensors = as_tensors(to_official(network))
    for odd in (torch.nn.Parameter(tensors["conv1.weight"]), tensors["conv1.weight"].bfloat16()):
        with pytest.raises(
            TypeError, match=r"'conv1\.weight'; got .*tensor\.detach\(\)\.float\(\)\.cpu\(\)\.numpy\(\)"
        ):
            load_official(other, tensors | {"conv1.weight": odd})
        load_official(other, tensors | {"conv1.weight": odd.detach().float().cpu().numpy()})
    load_official(other, tensors)
    assert same(network, other)
