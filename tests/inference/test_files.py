import json
import os
import time

import numpy as np
import pytest
from coding_cases import binary, folded, parts, same, shifted
from hypothesis import event, given
from hypothesis import strategies as st
from oracles import coding as oracle

from bbdg_ref import storage
from bbdg_ref.inference.content import folded_to_arrays
from bbdg_ref.inference.files import FORMAT, coded_sizes, load_packed, save_packed
from bbdg_ref.spec.evaluation import Block, Classifier, FoldedNetwork, RealLayer, evaluate


class Packed:
    """Anything with the attribute that a packed network has."""

    def __init__(self, network):
        self.folded = network


def unpacked(network):
    return getattr(network, "folded", network)


@pytest.mark.parametrize("wrap", [Packed, lambda network: network])
def test_a_network_comes_back_and_answers_the_same(tmp_path, wrap):
    network = folded()
    save_packed(tmp_path / "net.h5", wrap(network), notes={"seed": 0})
    again = unpacked(load_packed(tmp_path / "net.h5"))
    assert same(again, network)
    images = np.random.default_rng(1).standard_normal((3, 3, 8, 6)).astype(np.float32)
    assert np.array_equal(evaluate(again, images).logits, evaluate(network, images).logits)
    assert storage.load(tmp_path / "net.h5", FORMAT).header["notes"] == {"seed": 0}


def test_a_network_of_the_second_structure_comes_back_and_answers_the_same(tmp_path):
    network = shifted()
    save_packed(tmp_path / "net.h5", network)
    again = load_packed(tmp_path / "net.h5")
    assert same(again.folded, network)
    images = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)
    assert np.array_equal(again(images), evaluate(network, images).logits)


def test_the_arrays_of_a_loaded_network_are_its_own(tmp_path):
    save_packed(tmp_path / "net.h5", folded())
    again = unpacked(load_packed(tmp_path / "net.h5"))
    every = parts(again)
    assert all(array.flags.c_contiguous and not array.flags.writeable for array in every)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(every) for b in every[:i])


def test_the_same_network_gives_the_same_bytes_at_another_hour(tmp_path):
    save_packed(tmp_path / "a.h5", folded(), notes={"b": 1})
    time.sleep(1.1)  # HDF5 keeps times in seconds
    save_packed(tmp_path / "b.h5", folded(), notes={"b": 1})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_sizes_are_told_layer_by_layer_and_are_those_of_the_file(tmp_path):
    network = folded()
    sizes = coded_sizes(Packed(network))
    names = [f"blocks.{b}.layers.{i}" for b, i in ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1))]
    layers = [layer for block in network.blocks for layer in block.layers]
    assert [size.name for size in sizes] == names
    assert [(s.weights, s.ones) for s in sizes] == [(x.bits.size, int(x.bits.sum())) for x in layers]
    assert all(s.size == s.sizes[s.method] == min(s.sizes.values()) for s in sizes)
    save_packed(tmp_path / "net.h5", network)
    stored = storage.load(tmp_path / "net.h5", FORMAT)
    codes = [layer["code"] for block in stored.header["blocks"] for layer in block["layers"]]
    assert [(code["method"], code["bytes"]) for code in codes] == [(s.method, s.size) for s in sizes]
    assert stored.arrays["bits"].size == sum(s.size for s in sizes)


RESNET18 = (
    [(64, 64)] * 4 + [(128, 64)] + [(128, 128)] * 3 + [(256, 128)] + [(256, 256)] * 3 + [(512, 256)] + [(512, 512)] * 3
)


def test_resnet18_at_density_0_05_takes_less_than_0_3_of_a_bit_per_weight(tmp_path):
    rng = np.random.default_rng(0)
    one = np.ones(64, np.float32)
    stem = RealLayer(np.ones((64, 3, 3, 3), np.float32), one, (1, 1), (1, 1))
    blocks, channels = [], 64
    for out, into in RESNET18:
        short = RealLayer(np.zeros((out, channels, 1, 1), np.float32), np.zeros(out, np.float32), (1, 1), (0, 0))
        blocks.append(Block((binary(rng, (out, into, 3, 3), 0.05),), None if out == channels else short))
        channels = out
    network = FoldedNetwork(
        stem, tuple(blocks), Classifier(np.ones((10, 512), np.float32), one[:10]), "ResNet-18's layers", None
    )
    save_packed(tmp_path / "net.h5", network)
    weights = sum(block.layers[0].bits.size for block in blocks)
    assert weights == 10_985_472
    stored = storage.load(tmp_path / "net.h5", FORMAT)
    entries = [json.dumps(block["layers"][0]["code"]) for block in stored.header["blocks"]]
    taken = stored.arrays["bits"].size + sum(map(len, entries))
    assert taken <= 0.30 * weights / 8 and taken <= 1.01 * weights * oracle.entropy(0.05) / 8 + 64 * 16
    assert same(unpacked(load_packed(tmp_path / "net.h5")), network)


def test_what_is_not_a_network_or_not_whole_is_not_written(tmp_path):
    with pytest.raises(TypeError, match="save_packed: network must be a PackedNetwork or a FoldedNetwork; got str"):
        save_packed(tmp_path / "net.h5", "network")
    with pytest.raises(TypeError, match="coded_sizes: network must be"):
        coded_sizes(None)
    network = folded()
    wrong = FoldedNetwork(network.stem, network.blocks[1:], network.classifier, "", None)
    other = FoldedNetwork(network.stem, network.blocks[:1] + network.blocks[2:], network.classifier, "", None)
    save_packed(tmp_path / "whole.h5", wrong)
    with pytest.raises(ValueError, match=r"save_packed: network must be whole; blocks.1.layers.0.shape must have"):
        save_packed(tmp_path / "net.h5", other)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]


# ------------------------------------------------------------------------------------------- read as hostile


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "good.h5"
    network = folded(width=2)
    save_packed(path, network, notes={"text": "x" * 100})
    return path.with_name("bad.h5"), path.read_bytes(), network


def refused(path, message=r"\.h5") -> None:
    with pytest.raises(ValueError, match=message) as error:
        load_packed(path)
    assert str(path) in str(error.value), "the message names the file"


def test_a_file_cut_off_anywhere_is_refused_by_name(sample):
    path, content, _ = sample
    path.write_bytes(content)
    for size in reversed(range(len(content))):
        os.truncate(path, size)
        refused(path)


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_flipped_byte_is_refused_by_name_or_changes_nothing(sample, place, mask):
    path, content, network = sample
    event(check_flipped(path, content, network, int(place * len(content)), mask))


def check_flipped(path, content, network, place, mask) -> str:
    damaged = bytearray(content)
    damaged[place] ^= mask
    path.write_bytes(damaged)
    try:
        again = load_packed(path)
    except ValueError as error:
        assert str(path) in str(error)
        return "refused"
    assert same(unpacked(again), network)  # HDF5 leaves gaps between its parts
    return "the same"


@pytest.mark.slow
def test_no_flipped_byte_gives_another_network(sample):
    path, content, network = sample
    masks = (0x01, 0xFF)
    found = [check_flipped(path, content, network, place, mask) for place in range(len(content)) for mask in masks]
    assert set(found) == {"refused", "the same"} and found.count("refused") > 0.5 * len(found)


def test_a_well_formed_file_with_a_hostile_header_is_refused_by_file_and_layer(tmp_path):
    path = tmp_path / "net.h5"
    content = folded_to_arrays(folded())
    code = content.header["blocks"][0]["layers"][1]["code"]
    storage.save(path, FORMAT, content.arrays, content.header)
    assert same(unpacked(load_packed(path)), folded())
    for change in ({"bytes": 10**12}, {"bytes": -1}, {"crc32": code["crc32"] ^ 1}, {"method": "lzma"}):
        before = dict(code)
        code.update(change)
        storage.save(path, FORMAT, content.arrays, content.header)
        refused(path, r"load_packed: .*net\.h5 must hold a whole network; blocks\.0\.layers\.1")
        code.update(before)
    storage.save(path, FORMAT, {"bits": content.arrays["bits"]}, content.header)
    refused(path, "arrays must be")


def test_a_bomb_of_zeros_is_refused(tmp_path):
    # an all-zero layer takes two bytes, whatever its size: its channels must be those of arrays that are there
    content = folded_to_arrays(folded())
    for layer in (block["layers"][0] for block in content.header["blocks"]):
        layer["shape"][0] = 1 << 20
    storage.save(tmp_path / "net.h5", FORMAT, content.arrays, content.header)
    refused(tmp_path / "net.h5", r"blocks\.0\.layers\.0 must have 1048576 numbers")


def test_other_files_are_not_taken_for_a_packed_network(tmp_path, sample):
    storage.save(tmp_path / "net.h5", "network", {"a": np.zeros(3)}, {})
    refused(tmp_path / "net.h5", "must have the format")
    (tmp_path / "text.h5").write_text("no network")
    refused(tmp_path / "text.h5", "HDF5")
    with pytest.raises(FileNotFoundError):
        load_packed(tmp_path / "missing.h5")
    save_packed(tmp_path / "none" / "net.h5", sample[2])
    assert same(unpacked(load_packed(tmp_path / "none" / "net.h5")), sample[2])
