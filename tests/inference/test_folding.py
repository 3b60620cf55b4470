from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from network_cases import DOMAINS, in_float64, randomise, rng, small

from bbdg_ref import nn
from bbdg_ref.inference import fold
from bbdg_ref.nn import BatchNorm, BinaryConv2d, Conv2d, HardTanh, Linear, Network, Residual, Sequential
from bbdg_ref.spec.evaluation import Block, FoldedNetwork, Pooled, RealLayer, StridePad, evaluate
from bbdg_ref.spec.pruning import Selection

ARCHITECTURES = ("resnet20", "resnet18")
UNIT = 2.0**-24  # the relative error of one rounding to float32


def trained(arch: str, domain: str, *, width: int = 2, density: float = 0.5, seed: int = 0) -> Network:
    """A network with parameters and running statistics that a training could have left."""
    network, source = small(arch, domain=domain, width=width, seed=seed), rng(seed + 1)
    randomise(network, seed)
    nn.shift_latents(network, density)
    network.forward(normal(source, 16, 3, 16, 16), training=True)
    network.forward(normal(source, 16, 3, 16, 16), training=True)
    for _, module in network.modules():
        if isinstance(module, BatchNorm):
            channels = len(module.running_mean)
            module.running_mean = module.running_mean + normal(source, channels) / 4
            module.running_var = (module.running_var * source.uniform(0.5, 2, channels)).astype(np.float32)
    return network


def normal(source: np.random.Generator, *shape: int) -> np.ndarray:
    return source.standard_normal(shape).astype(np.float32)


def binary_inputs(module: nn.Module, images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """What each binary layer of an unfolded module reads, in order, and what the module answers.

    Of two convolutions side by side, which are one layer of the folded network, the second counts for nothing.
    """
    seen: list[np.ndarray] = []
    forward = BinaryConv2d.forward
    twins = {id(part) for name, part in module.modules() if name.endswith("main.1.1.0")}

    def recording(self, x, *, training):
        if id(self) not in twins:
            seen.append(x)
        return forward(self, x, training=training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BinaryConv2d, "forward", recording)
        return seen, module.forward(images, training=False)


def blocks_of(network: Network) -> list[Residual]:
    return [module for _, module in network.modules() if isinstance(module, Residual)]


def error_bound(block: Block, x: np.ndarray) -> float:
    """How far float32 can lead one folded block from the exact value, for inputs with the same bits.

    Every term meets the rounding of its factor and of its product and those of the sums after it.
    """
    last = block.layers[-1]
    taps = last.bits[0].size
    terms = float((taps * (np.abs(last.scale) + np.abs(last.shared)) + np.abs(last.shift)).max())
    if isinstance(block.shortcut, RealLayer):
        channels = block.shortcut.weight.shape[1]
        largest = np.abs(block.shortcut.weight).sum(axis=(1, 2, 3)) * np.abs(x).max() + np.abs(block.shortcut.bias)
        return ((channels + 4) * float(largest.max()) + 5 * terms) * UNIT
    return (5 * terms + 1) * UNIT


@settings(max_examples=settings().max_examples // 2)  # an example is two whole networks
@given(st.sampled_from(ARCHITECTURES), st.sampled_from(DOMAINS), st.sampled_from([0.05, 0.5, 0.95]), SEEDS)
def test_every_block_is_the_unfolded_block(arch, domain, density, seed):
    """Block by block, from the same input, against float64: only the roundings of float32 lie between."""
    network = trained(arch, domain, density=density, seed=seed)
    in_float64(network)
    folded = fold(network)
    images = normal(rng(seed), 2, 3, 8, 8)
    result = evaluate(folded, images)

    stem = folded.stem
    y = network.layers[0].forward(images.astype(float), training=False)
    terms = np.abs(stem.weight).sum(axis=(1, 2, 3)) * np.abs(images).max() + np.abs(stem.bias)
    assert np.abs(result.features[0] - y).max() <= (27 + 3) * UNIT * terms.max()

    flips, inputs = 0, iter(result.bits)
    for index, (block, unfolded) in enumerate(zip(folded.blocks, blocks_of(network), strict=True)):
        x = result.features[index]
        seen, _ = binary_inputs(unfolded, x.astype(float))
        same = np.ones(len(x), bool)
        for values in seen:
            differs = (values > 0) != next(inputs)
            assert np.abs(values[differs]).max(initial=0) <= error_bound(Block(block.layers[:1], None), x)
            same &= ~differs.any(axis=(1, 2, 3))
            flips += int(differs.sum())
        y = unfolded.forward(x.astype(float), training=False)
        assert np.abs(result.features[index + 1] - y)[same].max(initial=0) <= error_bound(block, x)
    y = network.layers[-1].forward(result.features[-1].astype(float), training=False)
    head = folded.classifier
    terms = np.abs(head.weight).sum(axis=1) + np.abs(head.bias)  # hardtanh keeps the maps within 1
    assert np.abs(result.logits - y).max() <= (head.weight.shape[1] + 2 * 2 + 4) * UNIT * terms.max()
    event(f"bits flipped within a block: {flips}")


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_answers_are_those_of_the_unfolded_network(arch, domain):
    """End to end in float32: the first bits to differ lie at zero, and where none does the logits agree."""
    network = trained(arch, domain, width=8)
    images = normal(rng(7), 24, 3, 32, 32)
    result = evaluate(fold(network), images)
    seen, logits = binary_inputs(network, images)
    assert result.logits.shape == logits.shape and len(seen) == len(result.bits)

    roundings = sum(layer.latent.value[0].size for layer in network.binary_layers().values())  # on the longest path
    tolerance = 2 * UNIT * roundings
    flips, same = 0, np.ones(len(images), bool)
    for values, bits in zip(seen, result.bits, strict=True):
        differs = (values > 0) != bits
        first = differs & same[:, None, None, None]
        assert np.abs(values[first]).max(initial=0) <= tolerance
        same &= ~differs.any(axis=(1, 2, 3))
        flips += int(differs.sum())
    print(f"{arch}, {domain}: {flips} of {sum(bits.size for bits in result.bits)} bits differ, {(~same).sum()} images")
    assert same.mean() >= 0.75
    assert np.abs(result.logits - logits)[same].max() <= tolerance * (1 + np.abs(logits).max())


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("bit", [False, True])
def test_layers_whose_bits_are_all_the_same(domain, bit):
    network = trained("resnet18", domain)
    for layer in network.binary_layers().values():
        layer.choose(Selection(np.full(layer.bits.shape, bit), 0.0))
    images = normal(rng(3), 2, 3, 8, 8)
    folded = fold(network)
    assert all((layer.bits == bit).all() for block in folded.blocks for layer in block.layers)
    seen, logits = binary_inputs(network, images)
    result = evaluate(folded, images)
    assert all(np.array_equal(x > 0, bits) for x, bits in zip(seen, result.bits, strict=True))
    assert np.abs(result.logits - logits).max() <= 1000 * UNIT * (1 + np.abs(logits).max())


def test_resnet20_has_the_structure_of_its_modules():
    network = nn.resnet20(width=3, classes=7, rng=rng())
    folded = fold(network)
    assert isinstance(folded, FoldedNetwork) and folded.name == "resnet20" and folded.image_shape is None
    assert folded.stem.weight.shape == (3, 3, 3, 3) and folded.stem.padding == (1, 1) and folded.opening is None
    assert [block.layers[0].bits.shape[:2] for block in folded.blocks[5:7]] == [(3, 3), (6, 3)]
    strides = [block.layers[0].stride for block in folded.blocks]
    assert strides == [(2, 2) if index in (6, 12) else (1, 1) for index in range(18)]
    shortcuts = {6: StridePad(3, 6, 2), 12: StridePad(6, 12, 2)}
    assert [block.shortcut for block in folded.blocks] == [shortcuts.get(index) for index in range(18)]
    assert folded.classifier.weight.shape == (7, 12) and folded.classifier.bias.shape == (7,)


def test_resnet18_has_the_structure_of_its_modules():
    network = nn.resnet18(width=2, classes=5, rng=rng())
    folded = fold(network)
    assert folded.opening == ()
    network.layers[0].layers.append(HardTanh())
    assert fold(network).opening is None
    assert [len(block.layers) for block in folded.blocks] == [2] * 8
    real = [index for index, block in enumerate(folded.blocks) if block.shortcut is not None]
    assert real == [2, 4, 6]
    for index in real:
        shortcut = folded.blocks[index].shortcut
        assert isinstance(shortcut, RealLayer) and shortcut.weight.shape[2:] == (1, 1)
        assert shortcut.stride == (2, 2) and shortcut.padding == (0, 0)
    assert folded.classifier.weight.shape == (5, 16)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_numbers_are_those_of_the_layers(domain):
    network = trained("resnet20", domain)
    folded = fold(network)
    for block, unfolded in zip(folded.blocks, blocks_of(network), strict=True):
        conv, norm = unfolded.main.layers
        (layer,), values = block.layers, conv.values()
        g = norm.weight.value.astype(float) / np.sqrt(norm.running_var.astype(float) + 1e-5)
        assert np.array_equal(layer.bits, conv.bits)
        assert np.array_equal(layer.scale, (g * (np.asarray(values.beta) - values.alpha)).astype(np.float32))
        assert np.array_equal(layer.shared, (g * values.alpha).astype(np.float32))


def test_what_is_folded_stays_when_the_network_changes():
    network = trained("resnet18", "general")
    before = {name: array.copy() for name, array in network.state().items()}
    folded, images = fold(network), normal(rng(1), 2, 3, 8, 8)
    logits = evaluate(folded, images).logits
    assert all(np.array_equal(array, before[name]) for name, array in network.state().items())
    for array in network.state().values():
        if array.ndim:
            array[...] = 1
    assert np.array_equal(evaluate(folded, images).logits, logits)


def test_the_image_shape_is_kept():
    network = nn.resnet20(width=1, rng=rng())
    assert fold(network, image_shape=(3, 32, 24)).image_shape == (3, 32, 24)


@pytest.mark.parametrize(
    ("shape", "error", "text"),
    [
        ((1, 32, 32), ValueError, r"with 3 channels; got \(1, 32, 32\)"),
        ((3, 32), ValueError, r"image_shape must be \(channels, height, width\); got \(3, 32\)"),
        ((3, 0, 32), ValueError, "image_shape must be an integer of at least 1; got 0"),
        ((3, 32.0, 32), TypeError, "image_shape must be an integer"),
    ],
)
def test_another_image_shape_is_refused(shape, error, text):
    with pytest.raises(error, match=f"^fold: .*{text}"):
        fold(nn.resnet20(width=1, rng=rng()), image_shape=shape)


class Doubling(HardTanh):
    """A module that computes something else than the class it is derived from."""


def swap(path: str, module: nn.Module | None) -> Callable[[Network], None]:
    """Put another module in the place that the path names; None takes it out, and `+` at the end puts one after."""

    def change(network: Network) -> None:
        *parents, last = path.rstrip("+").split(".")
        place: nn.Module = network
        for name in parents:
            place = dict(place.parts())[name]
        if not isinstance(place, Sequential):
            setattr(place, last, module)
        elif module is None:
            del place.layers[int(last)]
        else:
            names = [name for name, _ in place.parts()]
            index = names.index(last)
            place.layers[index : index if path.endswith("+") else index + 1] = [module]

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (swap("stem", HardTanh()), "stem must be a Sequential; got a HardTanh"),
        (swap("stem.1", HardTanh()), "stem.1 must be a BatchNorm; got a HardTanh"),
        (lambda net: net.layers[0].layers.append(Doubling()), "stem.2 must be a HardTanh; got a Doubling"),
        (swap("stem.1", None), r"stem must be a Sequential of 3 modules .*; got 1 \(Conv2d\)"),
        (swap("stage1", HardTanh()), "stage1 must be a Sequential; got a HardTanh"),
        (swap("stage2.1", HardTanh()), "stage2.1 must be a Residual or a ResidualSum or a Sequential; got a"),
        (swap("stage1.0.main", HardTanh()), "stage1.0.main must be a Sequential; got a HardTanh"),
        (swap("stage1.0.main.0", Conv2d(1, 1, 3, padding=1, rng=rng())), "stage1.0.main.0 must be a BinaryConv2d"),
        (swap("stage1.0.main.3", HardTanh()), "stage1.0.main.3 must be a BinaryConv2d; got a HardTanh"),
        (swap("stage1.0.main.4", None), "stage1.0.main must be a Sequential of 5 modules"),
        (swap("stage1.0.main.0+", HardTanh()), "stage1.0.main.0 must be a BinaryConv2d; got a HardTanh"),
        (swap("stage2.0.shortcut", HardTanh()), "shortcut must be a Sequential or a StrideAndPad; got a HardTanh"),
        (swap("stage2.0.shortcut.1", None), "stage2.0.shortcut must be a Sequential of 2 modules"),
        (swap("stage2.0.shortcut.0", HardTanh()), "stage2.0.shortcut.0 must be a Conv2d; got a HardTanh"),
        (swap("head.1", HardTanh()), "head.1 must be a BatchNorm; got a HardTanh"),
        (swap("head.0", Linear(8, 3, rng=rng())), "head.0 must be a GlobalAvgPool; got a Linear"),
    ],
)
def test_a_module_that_it_does_not_know_is_named(change, text):
    network = nn.resnet18(width=1, classes=3, rng=rng())
    fold(network)
    change(network)
    with pytest.raises(TypeError, match=f"^fold: .*{text}.*; fold knows the modules of the networks of bbdg_ref.nn"):
        fold(network)


@pytest.mark.parametrize(
    ("arch", "change", "text"),
    [
        ("resnet20", swap("stem.2", Doubling()), "stem.2 must be a HardTanh; got a Doubling"),
        (
            "resnet20",
            swap("stem.2+", HardTanh()),
            r"stem must be a Sequential of 3 modules .*; got 4 \(Conv2d, BatchNorm, HardT",
        ),
        ("vgg-small", swap("stage1.0.1", HardTanh()), "stage1.0.1 must be a BatchNorm; got a HardTanh"),
        (
            "vgg-small",
            swap("stage2.0.2", None),
            r"stage2.0 must be a Sequential of 3 modules .*; got 2 \(BinaryConv2d, B",
        ),
        ("vgg-small", swap("head.1", HardTanh()), "head.1 must be a Linear; got a HardTanh"),
        ("reactnet18", swap("stem.2", nn.AvgPool2d(2)), "stem.2 must be a .*; got a AvgPool2d"),
        ("reactnet18", swap("stage1.0.main.0", nn.PReLU(2)), "stage1.0.main.0 must be a ChannelBias; got a PReLU"),
        ("reactnet18", swap("stage2.0.shortcut.1", None), "stage2.0.shortcut.1 must be a Conv2d; got a B"),
        ("reactnet18", swap("stage1.0.activation.1", HardTanh()), "stage1.0.activation.1 must be a PReLU; got a Hard"),
        ("reactnet18", swap("stage1.0.shortcut", HardTanh()), "shortcut must be a Sequential or a AvgPool2d or a Para"),
        ("reactnet-a", swap("stage1.0.1", HardTanh()), "stage1.0.1 must be a ResidualSum; got a HardTanh"),
        ("reactnet-a", swap("stage1.0.1.main.1.0.1", HardTanh()), "stage1.0.1.main.1.0.1 must be a BatchNorm"),
        ("reactnet-a", swap("stage1.0.1.main.1", HardTanh()), "stage1.0.1.main.1 must be a .*; got a HardTanh"),
        (
            "reactnet-a",
            swap("stage2.0.0.shortcut", nn.MaxPool2d(2)),
            "stage2.0.0.shortcut must be a .*; got a MaxPool2d",
        ),
    ],
)
def test_a_module_of_another_network_that_it_does_not_know_is_named(arch, change, text):
    network = small(arch)
    fold(network)
    change(network)
    with pytest.raises(TypeError, match=f"^fold: .*{text}.*; fold knows the modules of the networks of bbdg_ref.nn"):
        fold(network)


def test_paths_of_other_kernels_cannot_be_one_convolution():
    network = small("reactnet-a")
    paths = network.layers[1].layers[0].layers[1].main.layers[1]
    paths.branches[1].layers[0] = BinaryConv2d(2, 2, 3, padding=1, domain=nn.General(), rng=rng())
    with pytest.raises(
        TypeError, match=r"^fold: stage1.0.1.main.1 must be convolutions side by side that have one kern"
    ):
        fold(network)


def settled(arch: str, side: int, domain: str = "general", *, width: int = 2) -> Network:
    """As `trained`, for images of a side; scales of both signs."""
    network, source = small(arch, domain=domain, width=width), rng(1)
    randomise(network)
    for _ in range(2):
        network.forward(normal(source, 16, 3, side, side), training=True)
    for _, module in network.modules():
        if isinstance(module, BatchNorm):
            module.weight.value = module.weight.value * source.choice([-1, 1, 1], len(module.weight.value))
            module.weight.value = module.weight.value.astype(np.float32)
    return network


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("arch", "side"), [("vgg-small", 32), ("reactnet18", 32), ("reactnet-a", 64)])
def test_the_answers_of_networks_of_other_blocks_are_those_of_the_unfolded_network(arch, side, domain):
    network = settled(arch, side, domain, width=4)
    images = normal(rng(7), 24, 3, side, side)
    result, (seen, logits) = evaluate(fold(network), images), binary_inputs(network, images)
    same, flips, largest = np.ones(len(images), bool), 0, [0.0]
    for values, bits in zip(seen, result.bits, strict=True):
        differs = (values > 0) != bits
        largest.append(float(np.abs(values[differs & same[:, None, None, None]]).max(initial=0)))
        same &= ~differs.any(axis=(1, 2, 3))
        flips += int(differs.sum())
    scale = 1 + np.abs(logits).max()
    print(f"{arch}, {domain}: {flips} bits differ, in {(~same).sum()} images, the first to differ up to {max(largest)}")
    assert max(largest) <= 1e-4 * scale and same.mean() >= 0.75
    assert np.abs(result.logits - logits)[same].max() <= 1e-4 * scale


def test_vgg_small_has_the_structure_of_its_modules():
    network = settled("vgg-small", 32, width=3)
    folded = fold(network)
    assert folded.opening is None and [len(block.layers) for block in folded.blocks] == [1] * 5
    assert all(block.shortcut == Pooled(1, 0) and block.activation is None for block in folded.blocks)
    assert [bool(block.pool) for block in folded.blocks] == [True, False, True, False, True]
    pool, norm = folded.blocks[0].pool[0], network.layers[1].layers[0].layers[2]
    assert (pool.size, pool.stride, pool.padding) == (2, 2, 0)
    assert np.array_equal(pool.sign, np.sign(norm.weight.value)) and {-1, 1} == set(pool.sign.tolist())
    assert folded.classifier.weight.shape == (3, 12 * 16)


def test_reactnet18_has_the_structure_of_its_modules():
    network = settled("reactnet18", 32)
    folded = fold(network)
    assert [(p.size, p.stride, p.padding, p.sign.tolist()) for p in folded.opening] == [(3, 2, 1, [1, 1])]
    shortcuts = [block.shortcut for block in folded.blocks]
    assert [index for index, short in enumerate(shortcuts) if short is not None] == [4, 8, 12]
    assert all((s.size, s.copies, s.layer.stride) == (2, 1, (1, 1)) for s in shortcuts if s is not None)
    step = network.layers[1].layers[1]
    block, (before, prelu, after) = folded.blocks[1], step.activation.layers
    assert np.array_equal(block.layers[0].threshold, -step.main.layers[0].bias.value)
    assert np.array_equal(block.activation.before, before.bias.value)
    assert np.array_equal(block.activation.slope, prelu.slope.value)
    assert np.array_equal(block.activation.after, after.bias.value)


def test_reactnet_a_has_the_structure_of_its_modules():
    network = settled("reactnet-a", 64)
    folded = fold(network)
    assert folded.opening == () and len(folded.blocks) == 26
    wide = [index for index, block in enumerate(folded.blocks) if block.shortcut == Pooled(1, 2)]
    assert wide == [1, 3, 7, 11, 23]
    halved = [index for index, block in enumerate(folded.blocks) if block.shortcut == Pooled(2, 1)]
    assert halved == [2, 6, 10, 22]
    branches = network.layers[1].layers[0].layers[1].main.layers[1].branches
    bits = np.concatenate([branch.layers[0].bits for branch in branches])
    assert np.array_equal(folded.blocks[1].layers[0].bits, bits) and bits.shape == (4, 2, 1, 1)
    assert sum(layer.bits.size for block in folded.blocks for layer in block.layers) == 27_591 * 2**2


def test_what_is_folded_shares_nothing_with_a_network_of_other_blocks():
    for arch, side in (("vgg-small", 32), ("reactnet18", 32), ("reactnet-a", 64)):
        network, images = settled(arch, side), normal(rng(1), 2, 3, side, side)
        folded = fold(network)
        logits = evaluate(folded, images).logits
        for array in network.state().values():
            if array.ndim:
                array[...] = 1
        assert np.array_equal(evaluate(folded, images).logits, logits)


@pytest.mark.parametrize(
    ("arch", "name", "place"),
    [
        ("reactnet18", "stage1.0.main.0.bias", "stage1.0.main.0"),
        ("reactnet18", "stage1.0.activation.1.slope", "stage1.0.activation"),
        ("reactnet-a", "stage1.0.1.main.1.1.1.bias", "stage1.0.1.main.1.1.0"),
        ("vgg-small", "head.1.bias", "head"),
    ],
)
def test_numbers_of_other_blocks_that_are_not_finite_are_refused(arch, name, place):
    network = small(arch)
    network.state()[name].ravel()[-1] = np.inf
    with pytest.raises(ValueError, match=rf"^fold: {place} must be a layer whose weights are finite .*first bad value"):
        fold(network)


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"^fold: network must be a Network; got Sequential"):
        fold(Sequential())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("stem.1.running_var", -1.0, "stem"),
        ("stage1.0.main.4.weight", np.nan, "stage1.0.main.3"),
        ("stage2.0.shortcut.0.weight", np.inf, "stage2.0.shortcut"),
        ("stage1.0.main.1.bias", -np.inf, "stage1.0.main.0"),
        ("head.2.bias", np.nan, "head"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_layer(name, value, place):
    network = nn.resnet18(width=2, rng=rng())
    network.state()[name].ravel()[-1] = value
    with pytest.raises(ValueError, match=rf"^fold: {place} must be a layer whose weights are finite .*first bad value"):
        fold(network)
