import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import oracles.cost as oracle
import pytest

from bbdg_ref import nn
from bbdg_ref.inference import compile_network, fold
from bbdg_ref.network_summary import ACCOUNTINGS, Summary, own_image_shape, summary
from bbdg_ref.spec.cost import layer_cost
from bbdg_ref.spec.evaluation import BinaryLayer, Block, Classifier, FoldedNetwork, RealLayer, StridePad


def network(name: str = "resnet20", *, width: int = 4, density: float = 0.2) -> nn.Network:
    net = nn.NETWORKS[name](width=width, rng=np.random.default_rng(0))
    nn.shift_latents(net, density)
    return net


def binary(out: int, channels: int, kernel: int = 3, *, stride: int = 1, seed: int = 0) -> BinaryLayer:
    bits = np.random.default_rng(seed).random((out, channels, kernel, kernel)) < 0.3
    numbers = np.ones(out, np.float32)
    return BinaryLayer(bits, numbers, numbers, numbers, (stride, stride), (kernel // 2, kernel // 2))


def real(out: int, channels: int, kernel: int, stride: int, padding: int) -> RealLayer:
    weight = np.ones((out, channels, kernel, kernel), np.float32)
    return RealLayer(weight, np.ones(out, np.float32), (stride, stride), (padding, padding))


def folded(*, kernel: int = 3, image_shape=(3, 32, 32)) -> FoldedNetwork:
    """A stem of stride 2, a block of two layers with a real shortcut, two blocks of one layer."""
    blocks = (
        Block((binary(8, 4, stride=2, seed=1), binary(8, 8, seed=2)), real(8, 4, 1, 2, 0)),
        Block((binary(8, 8, kernel, seed=3),), None),
        Block((binary(12, 8, kernel, stride=2, seed=4),), StridePad(8, 12, 2)),
    )
    head = Classifier(np.ones((10, 12), np.float32), np.ones(10, np.float32))
    return FoldedNetwork(real(4, 3, 3, 2, 1), blocks, head, "small", image_shape)


def rows(result: Summary) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.as_csv())))


# --- the numbers ---


@pytest.mark.parametrize(
    ("name", "width", "weights", "kernels", "macs", "layers", "parameters"),
    [
        ("resnet18", 64, 10_985_472, 1_220_608, 547_356_672, 16, 11_174_986),
        ("resnet20", 16, 267_264, 29_696, 40_108_032, 18, 269_850),
    ],
)
def test_totals_of_the_published_networks(name, width, weights, kernels, macs, layers, parameters):
    net = network(name, width=width, density=0.05)
    result = summary(net)
    total = result.total.cost
    assert (len(result.layers), total.weights, total.kernels, total.bops.dense) == (layers, weights, kernels, macs)
    domains = 2 * layers  # tau and phi, which the published counts of parameters leave out
    assert result.real_numbers == parameters - weights + domains
    assert total.ones == sum(round(0.05 * layer.cost.weights) for layer in result.layers)
    assert total.bits.fp32 == 32 * weights
    packed = sum(64 * oracle.packed_words(*layer.shape) for layer in result.layers if layer.shape)
    assert total.bits.packed == packed and (packed == weights) == (name == "resnet18")


def test_each_layer_is_accounted_for_with_its_own_bits_and_output():
    net = network("resnet18")
    result = summary(net, (3, 20, 28))
    assert [layer.name for layer in result.layers] == list(net.binary_layers())
    images = np.zeros((1, 3, 20, 28), np.float32)
    seen: dict[int, tuple[int, ...]] = {}
    for layer in net.binary_layers().values():
        original = layer.forward

        def forward(x, *, training, original=original, layer=layer):
            y = original(x, training=training)
            seen[id(layer)] = y.shape[2:]
            return y

        layer.forward = forward  # type: ignore[method-assign]
    net.forward(images, training=False)
    for layer, found in zip(net.binary_layers().values(), result.layers, strict=True):
        assert found.output_size == seen[id(layer)]
        assert found.shape == layer.bits.shape
        expected = layer_cost(layer.bits, seen[id(layer)])
        assert (found.cost.bits, found.cost.bops, found.cost.ones) == (expected.bits, expected.bops, expected.ones)
        assert np.array_equal(found.cost.patterns, expected.patterns)
    assert result.total.cost.bops.sparse == sum(layer.cost.bops.sparse for layer in result.layers)


def test_a_folded_network():
    net = folded()
    result = summary(net)
    assert [layer.name for layer in result.layers] == ["block1.conv1", "block1.conv2", "block2.conv1", "block3.conv1"]
    assert [layer.output_size for layer in result.layers] == [(8, 8), (8, 8), (8, 8), (4, 4)]
    bits = [layer.bits for block in net.blocks for layer in block.layers]
    assert [layer.cost.ones for layer in result.layers] == [int(b.sum()) for b in bits]
    stem, shortcut, head = 4 * 3 * 9 + 4, 8 * 4 + 8, 10 * 12 + 10
    assert result.real_numbers == stem + shortcut + head + 3 * (8 + 8 + 8 + 12)
    assert (result.name, result.image_shape) == ("small", (3, 32, 32))


@pytest.mark.parametrize("name", ["resnet18", "resnet20"])
def test_folding_changes_no_cost(name):
    net = network(name)
    trained, packed = summary(net, (3, 24, 40)), summary(fold(net), (3, 24, 40))
    for first, second in zip((*trained.layers, trained.total), (*packed.layers, packed.total), strict=True):
        assert first.as_dict() == second.as_dict() | {"layer": first.name}


@pytest.mark.parametrize("name", nn.NETWORKS)
def test_folding_changes_no_operations(name):
    """Layers side by side, which folding makes one, have one shared map."""
    net = network(name)
    trained, packed = (summary(form, (3, 64, 64) if name == "reactnet-a" else None) for form in (net, fold(net)))
    assert trained.total.cost.bops == packed.total.cost.bops
    for result in (trained, packed):
        assert result.total.cost.bops.sparse == sum(layer.cost.bops.sparse for layer in result.layers)


def test_layers_side_by_side_count_their_shared_map_once():
    net = nn.reactnet_a(width=2, rng=np.random.default_rng(0))
    sparse = {layer.name: layer for layer in summary(net, (3, 64, 64)).layers}
    first, second = (sparse[f"stage2.0.1.main.1.{index}.0"] for index in (0, 1))
    assert first.shape == second.shape == (4, 4, 1, 1) and first.output_size == (16, 16)
    assert first.cost.bops.sparse == (first.cost.ones + 4 + 1) * 256
    assert second.cost.bops.sparse == second.cost.ones * 256
    alone = sparse["stage2.1.1.main.1"]
    assert alone.cost.bops.sparse == (alone.cost.ones + 8 + 1) * 256


def test_branches_of_other_windows_have_their_own_shared_map():
    def conv(size, stride):
        domain, rng = nn.General(), np.random.default_rng(0)
        return nn.BinaryConv2d(4, 4, size, stride=stride, padding=size // 2, domain=domain, rng=rng)

    branches = [conv(3, 1), nn.Sequential(conv(1, 1)), nn.Sequential(nn.Sequential(conv(3, 1))), nn.Sequential()]
    branches += [nn.Sequential(nn.HardTanh(), conv(3, 1))]  # reads other bits
    stem = nn.Sequential(nn.Conv2d(3, 4, 1, rng=np.random.default_rng(0)))
    net = nn.Network(stem, [nn.Parallel(*branches)], nn.Sequential(), name="by hand", arguments={})
    layers = summary(net, (3, 8, 8)).layers
    maps = [layer.cost.bops.sparse - layer.cost.ones * 64 for layer in layers]
    assert maps == [(4 + 9) * 64, (4 + 1) * 64, 0, (4 + 9) * 64]


def test_the_own_images_of_a_network():
    net = nn.reactnet_a(width=1, rng=np.random.default_rng(0))
    for form in (net, fold(net), compile_network(net)):
        assert own_image_shape(form) == summary(form).image_shape == (3, 224, 224)
    assert own_image_shape(fold(net, image_shape=(3, 64, 96))) == (3, 64, 96)
    assert {own_image_shape(network(name)) for name in nn.NETWORKS if name != "reactnet-a"} == {(3, 32, 32)}
    with pytest.raises(TypeError, match="own_image_shape: network must be a Network, a FoldedNetwork or a Packed"):
        own_image_shape("resnet20")


def test_which_image_is_taken():
    assert summary(folded(image_shape=(3, 64, 48))).layers[0].output_size == (16, 12)
    assert summary(folded(image_shape=None)).layers[0].output_size == (8, 8)
    assert summary(folded(image_shape=(3, 64, 48)), (3, 16, 16)).layers[0].output_size == (4, 4)
    assert summary(network()).image_shape == (3, 32, 32)


def test_kernels_that_are_not_3x3_have_no_patterns():
    result = summary(folded(kernel=5))
    first, *_, last = result.layers
    assert first.cost.patterns is not None and last.cost.patterns is None
    record = result.total.as_dict()
    for key in ("pattern_histogram", "pattern_entropy_bits", "huffman_bits", "huffman_table_bits", "subbit_bops"):
        assert record[key] is None and last.as_dict()[key] is None and first.as_dict()[key] is not None
    assert record["fp32_over_huffman"] is None
    assert "defined for 3x3 kernels" in str(result) and "most frequent" not in str(result)
    assert "defined for 3x3 kernels" not in str(summary(folded()))
    assert rows(result)[-1]["huffman_bits"] == ""


def test_bytes_on_disk(tmp_path):
    net = network()
    path = tmp_path / "net.h5"
    nn.save_network(path, net)
    name = next(iter(net.binary_layers()))
    result = summary(net, path=path, layer_bytes={name: 77})
    assert result.total.disk_bytes == os.stat(path).st_size == result.total.as_dict()["disk_bytes"]
    assert [layer.disk_bytes for layer in result.layers] == [77] + [None] * 17
    assert f"{result.total.disk_bytes:,}" in str(result)
    assert summary(net).total.disk_bytes is None and "all as float32 over it" not in str(summary(net))
    path.write_bytes(bytes(100))
    times = 4 * (result.total.cost.weights + result.real_numbers) / 100
    assert f"on disk in total: the whole file; all as float32 over it: {times:.1f}x" in str(summary(net, path=path))
    with pytest.raises(FileNotFoundError):
        summary(net, path=tmp_path / "none.h5")


# --- the forms ---


def test_dict_is_json_and_holds_every_accounting():
    result = summary(network())
    record = result.as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert len(record["layers"]) == 18 and record["total"]["layer"] == "total"
    for row in (*record["layers"], record["total"]):
        assert set(ACCOUNTINGS) <= set(row)
        assert sum(row["pattern_histogram"]) == row["kernels"] and len(row["pattern_histogram"]) == 512
        for name in ("raw", "packed", "entropy", "huffman"):
            assert row[f"fp32_over_{name}"] == row["fp32_bits"] / row[f"{name}_bits"]


def test_a_layer_without_entropy_has_no_ratio():
    net = network()
    for layer in net.binary_layers().values():
        layer.bits = np.zeros_like(layer.bits)
    result = summary(net)
    record = result.as_dict()
    json.dumps(record, allow_nan=False)
    assert (record["total"]["entropy_bits"], record["total"]["fp32_over_entropy"]) == (0.0, None)
    assert (record["total"]["zero_kernels"], record["total"]["density"]) == (record["total"]["kernels"], 0.0)
    assert "most frequent patterns by code, the sum of b[i,j] 2^(3i+j): 0 (100.0%)" in str(result)


def test_csv_holds_the_same_numbers_as_the_dict(tmp_path):
    path = tmp_path / "any"
    path.write_bytes(b"12345")
    result = summary(folded(kernel=5), path=path)
    read = rows(result)
    assert len(read) == 5
    for row, record in zip(read, [*result.as_dict()["layers"], result.as_dict()["total"]], strict=True):
        assert list(row) == list(record)
        for key, value in record.items():
            if key == "pattern_histogram" and value is not None:
                assert [int(n) for n in row[key].split()] == value
            elif isinstance(value, float):
                assert float(row[key]) == value  # to the last bit
            else:
                assert row[key] == ("" if value is None else str(value))
    assert read[-1]["disk_bytes"] == "5"


@pytest.mark.parametrize("density", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["resnet18", "resnet20"])
def test_the_table_fits_into_120_columns(name, density):
    text = str(summary(network(name, width={"resnet18": 64, "resnet20": 16}[name], density=density)))
    assert max(map(len, text.splitlines())) <= 120
    assert text.isascii() and not any(line != line.rstrip() for line in text.splitlines())


def test_the_table_shows_the_numbers_under_their_accounting():
    result = summary(network())
    assert str(result) == result.table()
    lines = result.table().splitlines()
    total = result.total.cost
    contents, sizes, operations = (line.split() for line in lines if line.startswith("total"))
    assert contents[1:3] == [f"{total.ones:,}", f"{total.density:.4f}"]
    assert contents[3:7] == [
        f"{n:,}" for n in (total.zero_kernels, total.one_kernels, total.zero_filters, total.one_filters)
    ]
    byte = [
        -(-bits // 8)
        for bits in (total.bits.fp32, total.bits.raw, total.bits.packed, total.bits.entropy, total.bits.huffman)
    ]
    assert [sizes[i] for i in (1, 2, 3, 5, 7)] == [f"{int(n):,}" for n in byte]
    assert sizes[4] == f"{total.bits.fp32 / total.bits.packed:.1f}x"
    bops = (total.bops.dense, total.bops.sparse, total.bops.kernel_skip, total.bops.subbit)
    assert [operations[i] for i in (1, 2, 4, 6)] == [f"{n:,}" for n in bops]
    for word in ("fp32", "raw", "packed", "n H(p)", "Huffman", "on disk", "dense", "sparse", "kernel-", "sub-bit"):
        assert any(word in line for line in lines)
    layer_lines = [line for line in lines if line.startswith("stage1.0.main.0 ")]
    assert len(layer_lines) == 3 and "4x4x3x3" in layer_lines[0] and "32x32" in layer_lines[0]


# --- refusals ---


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (
            (np.ones(3),),
            TypeError,
            "summary: network must be a Network, a FoldedNetwork or a PackedNetwork; got ndarray",
        ),
        ((network(), (32, 32)), ValueError, "image_shape must be (channels, height, width)"),
        ((network(), 32), ValueError, "image_shape must be (channels, height, width)"),
        ((network(), (3, 32, 0)), ValueError, "image_shape must be an integer of at least 1; got 0"),
        ((network(), (1, 32, 32)), ValueError, "(channels, height, width) with 3 channels; got (1, 32, 32)"),
        ((folded(), (4, 32, 32)), ValueError, "with 3 channels; got (4, 32, 32)"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, kind, text):
    with pytest.raises(kind) as caught:
        summary(*arguments)
    assert text in str(caught.value)


def test_bytes_of_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="layer_bytes must be bytes by the names of binary layers; got 'gone'"):
        summary(network(), layer_bytes={"gone": 3})


def test_a_network_without_binary_layers_is_refused():
    empty = FoldedNetwork(real(4, 3, 3, 1, 1), (), folded().classifier, "empty", (3, 8, 8))
    with pytest.raises(ValueError, match="a network with binary layers; got none"):
        summary(empty)


def test_importing_it_loads_no_files_library():
    code = "import sys, bbdg_ref.network_summary; print([m for m in ('h5py', 'numba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
