import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from coding_cases import folded, same, shifted
from hypothesis import given
from hypothesis import strategies as st

from bbdg_ref.inference import content as module
from bbdg_ref.inference.content import folded_from_arrays, folded_to_arrays

NETWORK = folded()
CONTENT = folded_to_arrays(NETWORK)
SHIFTED = shifted()
SECOND = folded_to_arrays(SHIFTED)


@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 6),
    image=st.booleans(),
    made=st.sampled_from([folded, shifted]),
)
def test_a_network_comes_back_to_the_bit(seed, width, image, made):
    network = made(seed, width)
    if not image:
        network = replace(network, image_shape=None)
    content = folded_to_arrays(network)
    header = json.loads(json.dumps(content.header))
    assert same(folded_from_arrays(content.arrays, header), network)


def test_a_network_without_blocks_comes_back():
    network = replace(NETWORK, blocks=())
    content = folded_to_arrays(network)
    assert content.arrays["bits"].size == 0 and same(folded_from_arrays(content.arrays, content.header), network)


@pytest.mark.parametrize("opening", [None, ()])
def test_what_follows_the_stem_comes_back(opening):
    network = replace(SHIFTED, opening=opening)
    content = folded_to_arrays(network)
    assert content.header["opening"] == (None if opening is None else [])
    assert same(folded_from_arrays(content.arrays, content.header), network)


def test_a_classifier_of_pixels_comes_back():
    network = replace(NETWORK, classifier=replace(HEAD, weight=np.tile(HEAD.weight, (1, 12))))
    content = folded_to_arrays(network)
    assert content.header["structure"] == 2
    assert same(folded_from_arrays(content.arrays, content.header), network)


def test_a_network_of_the_first_structure_is_written_as_before_there_was_a_second():
    def keys(value):
        if isinstance(value, dict):
            yield from value
            value = list(value.values())
        for inner in value if isinstance(value, list) else ():
            yield from keys(inner)

    assert not {"structure", "opening", "threshold", "pool", "activation"} & set(keys(CONTENT.header))
    assert {"structure", "opening", "threshold", "pool", "activation"} <= set(keys(SECOND.header))


def test_odd_floats_are_kept():
    bias = np.array([np.nan, -0.0, np.inf, 1e-45], np.float32)
    network = replace(NETWORK, stem=replace(NETWORK.stem, bias=bias))
    content = folded_to_arrays(network)
    assert same(folded_from_arrays(content.arrays, content.header), network)


def test_the_header_tells_what_a_reader_needs():
    header = CONTENT.header
    assert header["network"] == "by hand" and header["image_shape"] == [3, 8, 6]
    assert "x > 0" in header["bit_rule"] and "contribute nothing" in header["padding"]
    codes = [layer["code"] for block in header["blocks"] for layer in block["layers"]]
    assert [set(code) for code in codes] == [{"method", "bytes", "crc32"}] * 5
    assert sum(code["bytes"] for code in codes) == CONTENT.arrays["bits"].size


STEM, HEAD = NETWORK.stem, NETWORK.classifier


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(NETWORK, stem=replace(STEM, bias=STEM.bias.astype(np.float64))), "stem.bias must have float32 of"),
        (replace(NETWORK, stem=replace(STEM, bias=STEM.bias[:3])), r"stem.bias must have float32 of shape \(4,\)"),
        (replace(NETWORK, classifier=replace(HEAD, bias=STEM.bias)), r"classifier.bias must have .* shape \(5,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_not_written(wrong, message):
    with pytest.raises(ValueError, match=message):
        folded_to_arrays(wrong)


def test_scales_that_do_not_fit_are_not_written():
    layer = NETWORK.blocks[0].layers[0]
    for name in ("scale", "shared", "shift"):
        wrong = replace(layer, **{name: np.ones(5, np.float32)})
        blocks = (replace(NETWORK.blocks[0], layers=(wrong,)), *NETWORK.blocks[1:])
        with pytest.raises(ValueError, match=r"blocks.0.layers.0 must have float32 of shape \(4,\)"):
            folded_to_arrays(replace(NETWORK, blocks=blocks))


# ------------------------------------------------------------------------------------------- read as hostile


def refused(header, message: str, content=CONTENT, **arrays) -> None:
    with pytest.raises(ValueError, match=message):
        folded_from_arrays(content.arrays | arrays, header)


def changed(path: str, value: object, content=CONTENT) -> dict:
    header = copy.deepcopy(content.header)
    *place, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner = header
    for key in place:
        inner = inner[key]
    inner[last] = value
    return header


L = "blocks.0.layers.0"
HUGE = 10**30
REFUSED = [
    ("network", 3, "network must be a name"),
    ("image_shape", [3, 8], "image_shape must be 3 integers"),
    ("image_shape", [4, 8, 8], "image_shape must have an integer from 3 to 3"),
    ("image_shape", [3, 0, 8], "image_shape must have"),
    ("image_shape", "3x8x8", "image_shape must be a JSON list"),
    ("stem", None, "stem must be a JSON object"),
    ("stem.shape", [4, 3, 3], "stem.shape must be 4 integers"),
    ("stem.shape", [4, 3, 3, 3.0], "stem.shape must be 4 integers"),
    ("stem.shape", [True, 3, 3, 3], "stem.shape must be 4 integers"),
    ("stem.shape", [HUGE, 3, 3, 3], "stem.shape must have an integer"),
    ("stem.shape", [4, 3, 256, 3], "stem.shape must have an integer"),
    ("stem.shape", [1 << 20, 1 << 20, 255, 255], "stem must have .* numbers"),
    ("stem.shape", [-4, 3, 3, 3], "stem.shape must have an integer"),
    ("stem.shape", {}, "stem.shape must be a JSON list"),
    ("stem.stride", [1, 0], "stem.stride must have"),
    ("stem.stride", 1, "stem.stride must be a JSON list"),
    ("stem.padding", [1, -1], "stem.padding must have"),
    ("stem.padding", [10**9, 1], "stem.padding must have"),
    ("blocks", {}, "blocks must be a JSON list"),
    ("blocks", [], "arrays must end with the network"),
    ("blocks.0", [], "blocks.0 must be a JSON object"),
    ("blocks.0.layers", [], "blocks.0.layers must be at least one"),
    ("blocks.0.layers", None, "blocks.0.layers must be a JSON list"),
    (L, 7, "blocks.0.layers.0 must be a JSON object"),
    (f"{L}.shape", [4, 5, 3, 3], "blocks.0.layers.0.shape must have an integer from 4 to 4; got 5"),
    (f"{L}.shape", [1 << 20, 4, 255, 255], "blocks.0.layers.0 must have 1048576 numbers"),
    (f"{L}.shape", [4, 4, 255, 255], "blocks.0.layers.0 must (hold whole bits|have bits)"),
    (f"{L}.shape", [4, 4, 3, 2], "blocks.0.layers.0 must (hold whole bits|have bits)"),
    (f"{L}.shape", [3, 4, 3, 3], "blocks.0.layers.0 must (hold whole bits|have bits)"),
    (f"{L}.code", None, "blocks.0.layers.0.code must be a JSON object"),
    (f"{L}.code.method", "zip", "blocks.0.layers.0 must hold whole bits; .*'zip'"),
    (f"{L}.code.method", ["raw"], "blocks.0.layers.0.code.method must be a name"),
    (f"{L}.code.method", None, "blocks.0.layers.0.code.method must be a name"),
    (f"{L}.code.bytes", -1, "blocks.0.layers.0.code"),
    (f"{L}.code.bytes", HUGE, "blocks.0.layers.0.code"),
    (f"{L}.code.bytes", 3, "blocks.0.layers.0 must hold whole bits"),
    (f"{L}.code.bytes", 1.5, "blocks.0.layers.0.code"),
    (f"{L}.code.crc32", 0, "blocks.0.layers.0 must have bits with the CRC-32 0"),
    (f"{L}.code.crc32", "0", "blocks.0.layers.0.code"),
    ("blocks.0.shortcut", {}, "blocks.0.shortcut must be a JSON object"),
    ("blocks.0.shortcut", {"in": 4, "out": 5, "stride": 1}, "blocks.0.shortcut must lead to the 4 channels"),
    ("blocks.1.shortcut", None, "blocks.1.shortcut must lead to the 8 channels .*; got 4"),
    ("blocks.1.shortcut", {"in": 5, "out": 8, "stride": 2}, "blocks.1.shortcut must have"),
    ("blocks.1.shortcut", {"in": 4, "out": 3, "stride": 2}, "blocks.1.shortcut must have"),
    ("blocks.1.shortcut", {"in": 4, "out": 8, "stride": 0}, "blocks.1.shortcut must have"),
    ("blocks.1.shortcut", {"in": 4, "out": 8, "stride": "2"}, "blocks.1.shortcut must be 3 integers"),
    ("blocks.2.shortcut.shape", [3, 8, 1, 1], "blocks.2.shortcut must lead to the 4 channels"),
    ("classifier.shape", [5, 5], "classifier.shape must have"),
    ("classifier.shape", [6, 4], "classifier must have"),
    ("classifier.shape", [4, 4], "arrays must end with the network; got 5 numbers and 0 bytes more"),
    ("classifier.shape", [0, 4], "classifier.shape must have"),
    ("classifier", [], "classifier must be a JSON object"),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED)
def test_a_hostile_header_is_refused_by_the_layers_name(path, value, message):
    refused(changed(path, value), message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("structure", 3, "structure must be 2, where it is given; got 3; read it with a later version"),
        ("structure", None, "structure must be 2"),
        ("opening", 7, "opening must be a JSON list"),
        ("opening", [[3, 2]], "opening must be 3 integers"),
        ("opening", [[3, 2, 3]], "opening must be at most one pooling, its padding below its size"),
        ("opening", [[3, 2, 1], [3, 2, 1]], "opening must be at most one pooling"),
        ("opening", [[0, 2, 1]], "opening must have an integer"),
        ("opening", [], "must"),
        (f"{L}.threshold", 1, "blocks.0.layers.0.threshold must be true or false; got 1"),
        (f"{L}.threshold", False, "must"),
        ("blocks.0.activation", None, "blocks.0.activation must be true or false"),
        ("blocks.0.activation", False, "must"),
        ("blocks.4.activation", True, "must"),
        ("blocks.4.pool", None, "blocks.4.pool must be a JSON list"),
        ("blocks.4.pool", [[2, 0, 0]], "blocks.4.pool must have an integer"),
        ("blocks.1.shortcut.size", 0, "blocks.1.shortcut must have an integer"),
        ("blocks.1.shortcut.layer.shape", [4, 4, 1, 1], "blocks.1.shortcut must lead to the 8 channels"),
        ("blocks.1.shortcut.layer", None, "blocks.1.shortcut must lead to the 8 channels .*; got 4"),
        ("blocks.2.shortcut.copies", -1, "blocks.2.shortcut must have an integer"),
        ("blocks.3.shortcut.copies", 3, "blocks.3.shortcut must lead to the 16 channels .*; got 24"),
        ("classifier.shape", [5, 6], "classifier.shape must have a multiple of the 4 channels; got 6"),
        ("classifier.shape", [5, 1 << 60], "classifier.shape must have an integer"),
    ],
)
def test_a_hostile_header_of_the_second_structure_is_refused(path, value, message):
    refused(changed(path, value, SECOND), message, SECOND)


def test_parts_of_the_second_structure_are_not_taken_from_a_header_of_the_first():
    refused({k: v for k, v in SECOND.header.items() if k != "structure"}, "must", SECOND)
    refused(
        changed("blocks.0.shortcut", {"size": 1, "copies": 1, "layer": None}), "blocks.0.shortcut must be a JSON object"
    )


@pytest.mark.parametrize("key", ["network", "image_shape", "stem", "blocks", "classifier"])
def test_a_header_without_one_of_its_parts_is_refused(key):
    refused({name: value for name, value in CONTENT.header.items() if name != key}, "header must be a JSON object")


@pytest.mark.parametrize("content", [CONTENT, SECOND], ids=["first", "second"])
def test_every_entry_of_the_header_is_needed(content):
    def without_one(value):
        """All copies of a JSON value with one key or item less, at any depth."""
        if isinstance(value, list | dict):
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
            for key, inner in items:
                yield (
                    type(value)(x for x in items if x[0] != key)
                    if isinstance(value, dict)
                    else [x for i, x in enumerate(value) if i != key]
                )
                for less in without_one(inner):
                    again = copy.copy(value)
                    again[key] = less
                    yield again

    headers = [h for h in without_one(content.header) if h.keys() >= {"bit_rule", "padding"}]
    assert len(headers) > 100
    for header in headers:
        refused(header, "must", content)


def test_arrays_of_other_names_dtypes_or_shapes_are_refused():
    numbers, bits = CONTENT.arrays["numbers"], CONTENT.arrays["bits"]
    refused(CONTENT.header, "arrays must be 'bits' and 'numbers'", more=bits)
    refused(CONTENT.header, "numbers must be flat float32", numbers=numbers.astype(np.float64))
    refused(CONTENT.header, "numbers must be flat float32", numbers=numbers[None])
    refused(CONTENT.header, "bits must be flat uint8", bits=bits.astype(np.int64))
    refused(CONTENT.header, "classifier must have", numbers=numbers[:-1])
    refused(CONTENT.header, "1 numbers and 0 bytes more", numbers=np.append(numbers, numbers[:1]))
    refused(CONTENT.header, "0 numbers and 1 bytes more", bits=np.append(bits, bits[:1]))
    refused(CONTENT.header, r"blocks\.\d\.layers\.\d", bits=bits[:-1])


def test_any_change_of_the_coded_bits_is_found_and_the_layer_named():
    bits = CONTENT.arrays["bits"]
    for place in range(bits.size):
        for mask in (1, 128, 255):
            damaged = bits.copy()
            damaged[place] ^= mask
            refused(CONTENT.header, r"blocks\.\d\.layers\.\d must", bits=damaged)


def test_all_layers_together_are_bounded(monkeypatch):
    layers = [layer for block in NETWORK.blocks for layer in block.layers]
    total = sum(layer.bits.size for layer in layers)
    monkeypatch.setattr(module, "MAX_BITS", total)
    assert same(folded_from_arrays(CONTENT.arrays, CONTENT.header), NETWORK)
    monkeypatch.setattr(module, "MAX_BITS", total - 1)
    refused(CONTENT.header, f"blocks.2.layers.1 must stay with those before it below {total - 1} bits")


def test_an_output_channel_has_at_most_2_to_the_24_bits(monkeypatch):
    monkeypatch.setattr(module, "MAX_TAPS", 35)
    refused(CONTENT.header, "blocks.0.layers.0 must have at most 35 bits per output channel")
