import numpy as np
import pytest
from hypothesis import event, given
from network_cases import DOMAINS, SMALL, check_gradients, in_float64, randomise, rng, set_estimators, small, soft_signs

from bbdg_ref import nn
from bbdg_ref.nn import BinaryConv2d, network_size
from bbdg_ref.training.arguments import PUBLISHED_WIDTH

# Side of the image, binary convolutions, binary weights, 3x3 kernels, binary MACs an image, parameters but tau, phi.
PUBLISHED = {
    "resnet20": (32, 18, 267_264, 29_696, 40_108_032, 269_850),
    "resnet18": (32, 16, 10_985_472, 1_220_608, 547_356_672, 11_174_986),
    "vgg-small": (32, 5, 4_571_136, 507_904, 603_979_776, 4_660_106),
    "reactnet18": (32, 16, 10_985_472, 1_220_608, 136_839_168, 11_235_044),
    "reactnet-a": (224, 31, 28_253_184, 2_790_400, 4_816_896_000, 29_343_592),
}


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_a_network_holds_and_does_what_the_published_one_does(arch):
    side, convolutions, weights, kernels, macs, parameters = PUBLISHED[arch]
    network = nn.NETWORKS[arch](rng=rng())
    assert network_size(network, (3, side, side)) == nn.NetworkSize(parameters, weights, macs)
    shapes = [layer.bits.shape for layer in network.binary_layers().values()]
    assert len(shapes) == convolutions
    assert sum(out * into for out, into, *size in shapes if size == [3, 3]) == kernels


def test_the_stem_of_resnet20_ends_in_a_hardtanh_that_of_resnet18_does_not():
    kinds = {arch: [type(layer) for layer in small(arch).layers[0].layers] for arch in ("resnet20", "resnet18")}
    assert kinds["resnet18"] == [nn.Conv2d, nn.BatchNorm]
    assert kinds["resnet20"] == [nn.Conv2d, nn.BatchNorm, nn.HardTanh]
    x = 3 * rng().standard_normal((2, 3, 32, 32)).astype(np.float32)
    largest = {arch: np.abs(small(arch).layers[0].forward(x, training=True)).max() for arch in kinds}
    assert largest["resnet18"] > 1 == largest["resnet20"]


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_the_published_width_of_the_command_line_is_that_of_the_builder(arch):
    layers = small(arch, width=PUBLISHED_WIDTH[arch]).binary_layers()
    published = nn.NETWORKS[arch](rng=rng()).binary_layers()
    assert [layer.bits.shape for layer in layers.values()] == [layer.bits.shape for layer in published.values()]


def test_tau_and_phi_come_on_top_of_the_counted_parameters():
    for domain, scalars in (("general", 36), ("bipolar", 0), ("symmetric", 0), ("general-closed", 0)):
        network = nn.resnet20(domain=domain, rng=rng())
        everything = sum(p.value.size for p in network.parameters().values())
        assert everything == network_size(network).parameters + scalars


def test_macs_grow_with_the_image():
    network = small()
    assert network_size(network, (3, 64, 64)).binary_macs == 4 * network_size(network).binary_macs


@given(SMALL)
def test_width_and_classes_set_every_shape(case):
    arch, width = case
    event(f"{arch}, width {width}")
    classes = 7
    network = small(arch, width=width, classes=classes)
    last = width * {"resnet20": 4, "resnet18": 8, "vgg-small": 64, "reactnet18": 8, "reactnet-a": 32}[arch]
    parameters = network.parameters()
    assert parameters["stem.0.weight"].value.shape == (width, 3, 3, 3)
    assert list(parameters)[-2].startswith("head.")
    assert list(parameters.values())[-2].value.shape == (classes, last)
    assert all(p.value.dtype == np.float32 for p in parameters.values())
    assert network.forward(np.zeros((2, 3, 32, 32), np.float32), training=False).shape == (2, classes)


@given(SMALL)
def test_walk_and_output_shape_tell_the_shapes_that_forward_meets(case):
    arch, width = case
    network, met = small(arch, width=width), []
    for _, module in network.modules():
        if module in [leaf for leaf, _ in network.walk((3, 32, 32))]:
            _record(module, met)
    network.forward(rng().standard_normal((1, 3, 32, 32)).astype(np.float32), training=False)
    leaves = [(leaf, shape) for leaf, shape in network.walk((3, 32, 32)) if not isinstance(leaf, nn.HardTanh)]
    told = {id(leaf): (shape, leaf.output_shape(shape)) for leaf, shape in leaves}  # hardtanh runs with what is before
    assert {key: (x, y) for key, x, y in met} == told
    assert network.output_shape((3, 32, 32)) == (3,)


def _record(module, met):
    forward = module.forward

    def recording(x, *, training):
        y = forward(x, training=training)
        met.append((id(module), x.shape[1:], y.shape[1:]))
        return y

    module.forward = recording


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_the_same_seed_builds_the_same_network(arch):
    first, second, other = small(arch, seed=3).state(), small(arch, seed=3).state(), small(arch, seed=4).state()
    assert list(first) == list(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_initial_latents_are_uniform_within_one_over_the_root_of_fan_in():
    for layer in nn.resnet20(rng=rng()).binary_layers().values():
        latent = layer.latent.value
        bound = 1 / np.sqrt(np.prod(latent.shape[1:]))
        assert np.abs(latent).max() <= bound
        # the mean of |u| over n draws from U(0, bound) is bound/2 with standard error bound/sqrt(12 n)
        assert abs(np.abs(latent).mean() - bound / 2) < 6 * bound / np.sqrt(12 * latent.size)


@pytest.mark.parametrize("build", nn.NETWORKS.values())
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("domain", "ternary", ValueError),
        ("domain", None, ValueError),
        ("width", 0, ValueError),
        ("width", -4, ValueError),
        ("width", 2.5, TypeError),
        ("width", True, TypeError),
        ("width", "16", TypeError),
        ("classes", 1, ValueError),
        ("classes", 10.0, TypeError),
    ],
)
def test_a_bad_argument_is_refused_by_name(build, argument, value, error):
    with pytest.raises(error, match=rf"{build.__name__}: {argument} must be"):
        build(**{argument: value}, rng=rng())


@pytest.mark.parametrize("arch", ["resnet20", "resnet18"])
@pytest.mark.parametrize("domain", ["bipolar", "general"])
def test_backward_is_the_derivative_of_forward_through_the_whole_network(arch, domain):
    network = small(arch, domain=domain)
    in_float64(network)
    randomise(network)
    set_estimators(network, 0.8, 1.0)
    with soft_signs(0.8, 1.0):
        check_gradients(network, rng(1).standard_normal((6, 3, 8, 8)), list(network.parameters()))


@pytest.mark.parametrize("arch", ["resnet20", "resnet18"])
def test_backward_of_symmetric_layers_is_the_derivative_but_for_the_scale(arch):
    # a = mean|latent| is a constant for backward: all but the latents themselves can be checked
    network = small(arch, domain="symmetric")
    in_float64(network)
    randomise(network)
    set_estimators(network, 0.8, 1.0)
    names = [name for name in network.parameters() if not name.endswith("latent")]
    with soft_signs(0.8, 1.0):
        check_gradients(network, rng(1).standard_normal((6, 3, 8, 8)), names)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", ["resnet20", "resnet18"])
def test_what_follows_the_last_binary_convolution_is_smooth_as_it_is(arch, domain):
    # Past the last sign nothing stands in for a derivative: here the network is checked as it is.
    network = small(arch, domain=domain)
    in_float64(network)
    randomise(network)
    last = list(network.binary_layers())[-1]
    *block, number = last.split(".")
    norm = ".".join([*block, str(int(number) + 1)])
    after = [name for name in network.parameters() if name.startswith(("head.", f"{norm}.", f"{last}.domain."))]
    assert len(after) == (8 if domain == "general" else 6)
    check_gradients(network, rng(1).standard_normal((8, 3, 16, 16)), after)


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_evaluation_changes_nothing(arch):
    network = small(arch)
    before = {name: array.copy() for name, array in network.state().items()}
    x = rng().standard_normal((4, 3, 32, 32)).astype(np.float32)
    first = network.forward(x, training=False)
    assert np.array_equal(first, network.forward(x, training=False))
    assert all(np.array_equal(before[name], array) for name, array in network.state().items())


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_training_moves_the_running_statistics_of_every_batch_norm(arch):
    network = small(arch)
    before = {name: array.copy() for name, array in network.state().items() if "running" in name}
    network.forward(rng().standard_normal((4, 3, 32, 32)).astype(np.float32), training=True)
    assert all(not np.array_equal(before[name], network.state()[name]) for name in before)


@pytest.mark.parametrize("density", [0.01, 0.05, 0.3, 0.5, 0.9])
def test_shifted_latents_start_at_the_density(density):
    network = nn.resnet20(width=4, rng=rng())
    nn.shift_latents(network, density)
    for layer in network.binary_layers().values():
        assert np.array_equal(layer.bits, layer.latent.value > 0)
        assert layer.bits.sum() == round(density * layer.bits.size)
        assert layer.latent.value.dtype == np.float32


@pytest.mark.parametrize("density", [0.0, 1.0, -0.1, float("nan"), "half"])
def test_a_density_to_start_with_that_is_no_fraction_is_refused(density):
    with pytest.raises((ValueError, TypeError), match="shift_latents: density must be"):
        nn.shift_latents(small(), density)


@pytest.mark.parametrize("arch", nn.NETWORKS)
def test_binary_layers_come_in_the_order_of_the_data_flow(arch):
    network = small(arch)
    walked = [module for module, _ in network.walk((3, 32, 32)) if isinstance(module, BinaryConv2d)]
    assert list(network.binary_layers().values()) == walked
