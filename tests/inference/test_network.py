"""A packed network is the definition of inference, bit for bit, and the trained network but for rounding."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from network_cases import DOMAINS, randomise, rng, small
from packed_cases import WAYS, NetworkCase, check_network

from bbdg_ref import nn
from bbdg_ref.datasets import synthetic
from bbdg_ref.inference import PackedNetwork, compile_network, fold, save_packed
from bbdg_ref.inference.network import _runs as packed_runs
from bbdg_ref.nn import BatchNorm, BinaryConv2d, Network
from bbdg_ref.ops import packed_layout
from bbdg_ref.ops.folded_layers import LayerByLayer
from bbdg_ref.pruning import TopK
from bbdg_ref.spec.evaluation import evaluate
from bbdg_ref.training.augmentation import normalise
from bbdg_ref.training.loop import Images, Recipe, Trainer

ARCHITECTURES = ("resnet20", "resnet18")
LAYERED = {"vgg-small": 32, "reactnet18": 32, "reactnet-a": 64}  # what runs layer by layer, and a side of its images
UNIT = 2.0**-24  # the relative error of one rounding to float32


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return rng(seed).standard_normal(shape).astype(np.float32)


def network(arch: str, domain: str = "general", *, width=2, density=0.1, classes=10, seed=0, negative=True) -> Network:
    """A network with parameters and statistics that a training could have left; some scales are negative."""
    built, source = small(arch, domain=domain, width=width, classes=classes, seed=seed), rng(seed + 1)
    randomise(built, seed)
    nn.shift_latents(built, density)
    for _ in range(2):
        side = LAYERED.get(arch, 16)
        built.forward(source.standard_normal((8, 3, side, side)).astype(np.float32), training=True)
    for _, part in built.modules():
        if isinstance(part, BatchNorm):
            channels = len(part.running_mean)
            part.running_mean = (part.running_mean + source.normal(0, 0.25, channels)).astype(np.float32)
            part.running_var = (part.running_var * source.uniform(0.5, 2, channels)).astype(np.float32)
            if negative:
                signs = source.choice([-1, 1, 1], channels).astype(np.float32)
                part.weight.value = part.weight.value * signs
    return built


def check(built: Network, images: np.ndarray) -> None:
    check_network(NetworkCase(fold(built), images))


# ------------------------------------------------------------------------------------------------- the definition


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_layer_equals_the_definition(arch, domain):
    folded = fold(network(arch, domain, width=6))
    assert any((layer.scale < 0).any() for block in folded.blocks for layer in block.layers)
    check_network(NetworkCase(folded, normal(2, 3, 32, 32)))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", LAYERED)
def test_every_layer_equals_the_definition_layer_by_layer(arch, domain):
    folded = fold(network(arch, domain, width=3))
    assert any((layer.scale < 0).any() for block in folded.blocks for layer in block.layers)
    side = LAYERED[arch]
    check_network(NetworkCase(folded, normal(2, 3, side, side)))
    assert not PackedNetwork(folded).is_fast((3, side, side))


@given(
    st.sampled_from(list(LAYERED)), st.sampled_from(DOMAINS), st.integers(1, 5), st.sampled_from([0.02, 0.5, 0.95]),
    st.sampled_from([1, 2, 33]), st.sampled_from(WAYS), SEEDS,
)  # fmt: skip
@settings(max_examples=max(1, settings().max_examples // 4))  # an example is a whole network
def test_layered_networks_of_any_width_and_density(arch, domain, width, density, batch, way, seed):
    folded = fold(network(arch, domain, width=width, density=density, seed=seed))
    check_network(NetworkCase(folded, normal(batch, 3, LAYERED[arch], LAYERED[arch], seed=seed), way))


def test_large_images_are_run_a_few_at_a_time(monkeypatch):
    packed, images = compile_network(network("reactnet-a", width=1)), normal(5, 3, 128, 128)
    asked, call = [], LayerByLayer.__call__
    monkeypatch.setattr(LayerByLayer, "__call__", lambda self, part: asked.append(len(part)) or call(self, part))
    assert np.array_equal(packed(images), evaluate(packed.folded, images).logits)
    assert asked == [2, 2, 1]


@pytest.mark.parametrize(
    ("arch", "side", "text"),
    [
        ("vgg-small", 40, r"the classifier reads 128 numbers; the last maps are \(8, 5, 5\)"),
        ("vgg-small", 4, "a pooling reads maps of 1 x 1 pixels"),
        ("reactnet18", 20, r"the shortcut of block \d+ leads to maps"),
    ],
)
def test_images_of_a_size_that_a_network_does_not_take_are_refused(arch, side, text):
    packed = compile_network(network(arch))
    for batch in (2, 100):  # of which a part is run at a time
        wrong = rf"^PackedNetwork: images must be images of a size .*; got shape \({batch}, 3, {side}, {side}\): {text}"
        for answer in (packed, packed.trace):
            with pytest.raises(ValueError, match=wrong):
                answer(normal(batch, 3, side, side))


@pytest.mark.parametrize("batch", [1, 2, 31, 32, 33, 65])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_batches_of_one_and_of_several_programs(arch, batch):
    check(network(arch, width=3), normal(batch, 3, 32, 32))


SIZES = [(16, 16), (64, 64), (32, 64), (48, 16), (20, 20), (33, 33), (8, 8), (9, 15), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_images_of_other_sizes(arch, size):
    check(network(arch), normal(3, 3, *size))


def test_which_sizes_the_kernels_run():
    folded = {arch: fold(network(arch)) for arch in ARCHITECTURES}
    fast = {arch: [packed_layout.fits(folded[arch], (3, *size)) for size in SIZES] for arch in ARCHITECTURES}
    jit = packed_layout.fits(folded["resnet20"], (3, 32, 32))  # off, all is the definition
    assert fast["resnet20"] == [jit and size in [(16, 16), (64, 64), (32, 64), (48, 16)] for size in SIZES]
    assert fast["resnet18"] == [jit and size in [(64, 64), (32, 64)] for size in SIZES]


@pytest.mark.parametrize("classes", [2, 17, 100])
def test_any_number_of_classes(classes):
    check(network("resnet20", classes=classes), normal(2, 3, 16, 16))


@given(
    st.sampled_from(ARCHITECTURES), st.sampled_from(DOMAINS), st.integers(1, 9),
    st.sampled_from([0.01, 0.05, 0.5, 0.95]), st.sampled_from([1, 2, 5, 8, 32]), st.sampled_from(WAYS), SEEDS,
)  # fmt: skip
@settings(max_examples=max(1, settings().max_examples // 2))  # an example is a whole network
def test_networks_of_any_width_and_density(arch, domain, width, density, batch, way, seed):
    folded = fold(network(arch, domain, width=width, density=density, seed=seed))
    check_network(NetworkCase(folded, normal(batch, 3, 32, 32, seed=seed), way))


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_wide_networks(arch):
    """More output channels than a group of vectors, counts of more than 8 bits."""
    check(network(arch, width=40, density=0.4), normal(33, 3, 32, 32))


def test_images_of_zeros_and_of_huge_values():
    built = network("resnet20", width=3)
    images = np.zeros((4, 3, 16, 16), np.float32)
    images[1], images[2], images[3] = -0.0, 1e30, -1e-45
    check(built, images)


# ------------------------------------------------------------------------------------------ the trained network


def unfolded(built: Network, images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """What each binary layer of the training network reads, in order, and the logits.

    Of two convolutions side by side, which are one layer of the folded network, the second counts for nothing.
    """
    seen: list[np.ndarray] = []
    forward = BinaryConv2d.forward
    twins = {id(layer) for name, layer in built.binary_layers().items() if name.endswith("main.1.1.0")}

    def recording(self, x, *, training):
        if id(self) not in twins:
            seen.append(x > 0)
        return forward(self, x, training=training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BinaryConv2d, "forward", recording)
        return seen, built.forward(images, training=False)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("arch", [*ARCHITECTURES, *LAYERED])
def test_where_no_bit_flips_the_logits_are_those_of_the_trained_network(arch, domain):
    built, images = network(arch, domain, width=4, negative=False), normal(40, 3, 32, 32)
    traced = compile_network(built).trace(images)
    seen, logits = unfolded(built, images)
    same = np.ones(len(images), np.bool_)
    flips = 0
    for mine, theirs in zip(traced.bits, seen, strict=True):
        flips += int((mine != theirs).sum())
        same &= (mine == theirs).all(axis=(1, 2, 3))
    print(f"{arch}, {domain}: {flips} of {sum(bits.size for bits in seen)} bits differ, in {(~same).sum()} images")
    roundings = sum(layer.latent.value[0].size for layer in built.binary_layers().values())  # on the longest path
    tolerance = 2 * UNIT * roundings * (1 + np.abs(logits).max())
    assert same.mean() >= 0.75
    assert np.abs(traced.logits - logits)[same].max() <= tolerance
    two = np.sort(logits, axis=1)[:, -2:]
    clear = same & (two[:, 1] - two[:, 0] > 2 * tolerance)
    assert clear.mean() >= 0.5
    assert np.array_equal(traced.logits.argmax(axis=1)[clear], logits.argmax(axis=1)[clear])


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_ten_thousand_images_are_answered_as_by_the_trained_network(arch):
    """After a short training: the same class for at least 99.9 %, and few bits flipped."""
    data = synthetic(n_train=3200, n_test=10_000)
    training = Images(data.train_images, data.train_labels, len(data.classes), data.mean, data.std)
    built = nn.NETWORKS[arch](width=8, classes=len(data.classes), rng=rng(0))
    trainer = Trainer(built, TopK(0.1), Recipe(3, 50, 1e-2, False, False, False), training, rng(1))
    for _ in range(3):
        trainer.train_epoch(lambda: None)
        trainer.next_epoch()
    packed = compile_network(built)
    right = equal = flips = bits = unflipped = 0
    largest = 0.0
    for start in range(0, len(data.test_labels), 250):
        images = normalise(data.test_images[start : start + 250], data.mean, data.std)
        traced, (seen, logits) = packed.trace(images), unfolded(built, images)
        assert np.array_equal(packed(images), traced.logits)
        mine, theirs = traced.logits.argmax(axis=1), logits.argmax(axis=1)
        equal += int((mine == theirs).sum())
        right += int((theirs == data.test_labels[start : start + 250]).sum())
        differs = [a != b for a, b in zip(traced.bits, seen, strict=True)]
        flips += sum(int(each.sum()) for each in differs)
        bits += sum(each.size for each in differs)
        same = ~np.any([each.any(axis=(1, 2, 3)) for each in differs], axis=0)
        unflipped += int(same.sum())
        largest = max(largest, float(np.abs(traced.logits - logits)[same].max(initial=0)))
    print(f"{arch}: {equal} of 10000 answers equal, {right} right")
    print(f"{flips} of {bits} bits flipped, in {10_000 - unflipped} images; other logits within {largest:.2g}")
    assert right >= 3000  # of ten classes: it has learned
    assert equal >= 9990
    assert flips <= 1e-5 * bits
    assert largest <= 1e-3


def test_argmax_agrees_on_many_images():
    built = network("resnet20", width=4, negative=False)
    images = normal(500, 3, 32, 32)
    agree = compile_network(built)(images).argmax(axis=1) == built.forward(images, training=False).argmax(axis=1)
    assert agree.mean() >= 0.99


def test_later_training_does_not_reach_the_packed_network():
    built, images = network("resnet20"), normal(2, 3, 16, 16)
    packed = compile_network(built)
    before, state = packed(images), {name: array.copy() for name, array in built.state().items()}
    for array in built.state().values():
        if array.ndim:
            array[...] = 1
    assert np.array_equal(packed(images), before)
    assert any(not np.array_equal(array, state[name]) for name, array in built.state().items())


# --------------------------------------------------------------------------------------------- how it is called


def test_images_are_unchanged_and_need_not_be_contiguous_or_writeable():
    packed, images = compile_network(network("resnet20")), normal(3, 3, 16, 32)
    want, before = packed(images), images.copy()
    assert np.array_equal(images, before)
    images.flags.writeable = False
    assert np.array_equal(packed(images), want)
    for view in (
        np.asfortranarray(images),
        np.repeat(images, 2, axis=3)[..., ::2],
        images.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        np.frombuffer(b"\0" + images.tobytes(), np.uint8)[1:].view(np.float32).reshape(images.shape),
        images.tolist() and images.astype(">f4").astype(np.float32),
    ):
        assert np.array_equal(packed(view), want) and np.array_equal(packed.trace(view).logits, want)


def test_the_answer_to_an_image_does_not_depend_on_the_others():
    packed, images = compile_network(network("resnet18")), normal(40, 3, 32, 32)
    want = packed(images)
    for chosen in ([0], [39, 0], [5] * 33, range(39, -1, -1)):
        assert np.array_equal(packed(images[list(chosen)]), want[list(chosen)])


def test_results_are_the_callers_own():
    """Neither logits nor a trace changes with the next call."""
    packed, images = compile_network(network("resnet20")), normal(2, 3, 16, 16)
    logits, traced = packed(images), packed.trace(images)
    copies = logits.copy(), [feature.copy() for feature in traced.features], [bits.copy() for bits in traced.bits]
    packed(images + 1), packed.trace(images + 1)
    assert np.array_equal(logits, copies[0]) and np.array_equal(traced.logits, copies[0])
    assert all(np.array_equal(mine, copy) for mine, copy in zip(traced.features, copies[1], strict=True))
    assert all(np.array_equal(mine, copy) for mine, copy in zip(traced.bits, copies[2], strict=True))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_several_threads_may_call_it_at_once(arch):
    """More shapes than a network remembers programs for."""
    packed = compile_network(network(arch))
    shapes = [(batch, 3, 32, width) for batch in (1, 3, 33) for width in (32, 64, 96, 128)]
    inputs = [normal(*shape, seed=number) for number, shape in enumerate(shapes)]
    wanted = [evaluate(packed.folded, images).logits for images in inputs]
    order = [i for seed in range(6) for i in rng(seed).permutation(len(inputs))]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda i: packed(inputs[i]), order))
    finally:
        sys.setswitchinterval(interval)
    for i, answer in zip(order, answers, strict=True):
        assert np.array_equal(answer, wanted[i])


@pytest.mark.slow  # a process each
@pytest.mark.parametrize(
    "environment", [{"NUMBA_NUM_THREADS": "1"}, {"NUMBA_NUM_THREADS": "3"}, {"NUMBA_DISABLE_JIT": "1"}]
)
def test_neither_threads_nor_the_jit_change_a_bit(environment, tmp_path):
    """The network comes from a file: building it may round otherwise without the JIT."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    folded = {arch: fold(network(arch)) for arch in ARCHITECTURES}
    images = normal(70, 3, 32, 32)
    for arch in ARCHITECTURES:
        save_packed(tmp_path / f"{arch}.h5", folded[arch])
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, numpy as np\n"
        "from bbdg_ref.inference import load_packed\n"
        "images = np.load(sys.argv[1] + '/images.npy')\n"
        "for arch in sys.argv[2:]:\n"
        "    packed = load_packed(f'{sys.argv[1]}/{arch}.h5')\n"
        "    np.save(f'{sys.argv[1]}/{arch}.npy', packed(images))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *ARCHITECTURES], check=True, capture_output=True, text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", "PYTHONPATH": path, **environment},
    )  # fmt: skip
    for arch in ARCHITECTURES:
        assert np.array_equal(np.load(tmp_path / f"{arch}.npy"), PackedNetwork(folded[arch])(images))


def test_without_the_jit_the_definition_serves(monkeypatch):
    monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    monkeypatch.setattr(packed_layout, "build", None)
    check(network("resnet20"), normal(2, 3, 16, 16))


def test_programs_are_laid_out_once(monkeypatch):
    built, calls = compile_network(network("resnet20")), []
    build = packed_layout.build
    monkeypatch.setattr(packed_layout, "build", lambda *given, **named: calls.append(given) or build(*given, **named))
    images = normal(70, 3, 16, 16)
    for _ in range(3):
        built(images), built(images[:32]), built(images[:6])
    assert sorted(given[2] for given in calls) == ([2, 4, 32] if packed_layout.fits(built.folded, (3, 16, 16)) else [])


# ------------------------------------------------------------------------------------------------------- refusals


PACKED = compile_network(small("resnet20"))
SIZED = PackedNetwork(replace(PACKED.folded, image_shape=(3, 16, 16)))
REFUSED = [
    (
        PACKED,
        normal(2, 4, 16, 16),
        ValueError,
        r"shape \(batch, 3, height, width\); got shape \(2, 4, 16, 16\)",
    ),
    (PACKED, normal(3, 16, 16), ValueError, r"got shape \(3, 16, 16\); normalise the images as in training"),
    (PACKED, normal(2, 3, 16), ValueError, r"got shape \(2, 3, 16\)"),
    (PACKED, normal(3), ValueError, r"got shape \(3,\)"),
    (PACKED, normal(0, 3, 16, 16), ValueError, r"got shape \(0, 3, 16, 16\); pass at least one image"),
    (PACKED, np.zeros((1, 3, 16, 16)), TypeError, "got dtype float64"),
    (PACKED, np.zeros((1, 3, 16, 16), np.uint8), TypeError, "got dtype uint8"),
    (PACKED, np.zeros((1, 3, 16, 16), bool), TypeError, "got bool"),
    (PACKED, "images", TypeError, "images must be"),
    (SIZED, normal(2, 3, 32, 32), ValueError, r"float32 of shape \(batch, 3, 16, 16\); got shape \(2, 3, 32, 32\)"),
    (SIZED, normal(2, 3, 16, 17), ValueError, r"got shape \(2, 3, 16, 17\)"),
]


@pytest.mark.parametrize(("packed", "images", "error", "text"), REFUSED, ids=range(len(REFUSED)))
@pytest.mark.parametrize("call", [PackedNetwork.__call__, PackedNetwork.trace])
def test_images_that_do_not_fit_are_refused(call, packed, images, error, text):
    with pytest.raises(error, match=f"^PackedNetwork: .*{text}"):
        call(packed, images)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    images = normal(2, 3, 16, 16)
    images[1, 2, 3, 4] = bad
    with pytest.raises(ValueError, match=rf"^PackedNetwork: images .*first bad value {bad} at index \(1, 2, 3, 4\)"):
        PACKED(images)


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"^PackedNetwork: folded must be a FoldedNetwork; got Network; use compile"):
        PackedNetwork(small("resnet20"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^fold: network must be a Network; got FoldedNetwork"):
        compile_network(PACKED.folded)  # type: ignore[arg-type]


def test_the_image_shape_is_kept():
    packed = compile_network(small("resnet20"), image_shape=(3, 16, 16))
    assert packed.folded.image_shape == (3, 16, 16)
    with pytest.raises(ValueError, match="fold: image_shape"):
        compile_network(small("resnet20"), image_shape=(1, 16, 16))


def test_any_batch_is_cut_into_few_sizes():
    for images in range(1, 100):
        runs = packed_runs(images)
        assert [image for run in runs for image in range(images)[run]] == list(range(images))
        assert {run.stop - run.start for run in runs} <= {1, 2, 4, 8, 16, 32}


def test_a_packed_network_is_pickled_without_what_was_laid_out():
    network = compile_network(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    images = np.random.default_rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32)
    fresh = len(pickle.dumps(network))
    logits = network(images)
    written = pickle.dumps(network)
    assert len(written) == fresh
    np.testing.assert_array_equal(pickle.loads(written)(images), logits)
    with pytest.raises(ValueError, match="read-only"):
        network.folded.classifier.bias[0] = 1.0
    assert network.is_fast((3, 32, 32)) == (not numba.config.DISABLE_JIT)
    assert not network.is_fast((3, 36, 36))
