"""docs/networks.md: its examples run, its links lead somewhere, table and pictures are those of the networks."""

import doctest
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref import nn

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "networks.md"
TEXT = PAGE.read_text(encoding="utf-8")

sys.path.insert(0, str(ROOT / "docs"))
import draw_networks as draw  # noqa: E402

LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| `([\w-]+)` \| `(\w+)`, width (\d+) \| (\d+)×\d+ \|(.*)\|$", re.MULTILINE)


def test_the_examples_run():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags, encoding="utf-8")
    assert result.attempted > 8 and result.failed == 0


def test_links_and_pictures_exist():
    files = [target for target in LINK.findall(TEXT) if not re.match(r"[a-z]+:|#", target)]
    assert files and [target for target in files if not (PAGE.parent / target.split("#")[0]).exists()] == []


@pytest.mark.parametrize("name", draw.PICTURES)
def test_a_picture_is_what_the_script_draws_and_is_shown(name):
    assert (draw.IMAGES / name).read_text(encoding="utf-8") == draw.PICTURES[name]().svg(), "run docs/draw_networks.py"
    assert f"](images/{name})" in TEXT


def test_there_is_a_picture_for_every_network():
    assert {name.removeprefix("network-").removesuffix(".svg") for name in draw.PICTURES} == set(nn.NETWORKS)


@pytest.mark.parametrize("name", draw.PICTURES)
def test_a_picture_stays_within_its_board(name):
    svg = draw.PICTURES[name]().svg()
    width, height = map(float, re.search(r'width="(\d+)" height="(\d+)"', svg).groups())
    for x, y, w, h in re.findall(r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"', svg):
        assert 0 <= float(x) <= width - float(w) and 0 <= float(y) <= height - float(h)
    points = re.findall(r"([\d.-]+),([\d.-]+)[ \"]", svg)
    assert points and all(0 <= float(x) <= width - 16 and 0 <= float(y) <= height for x, y in points)  # and a letter


def test_the_table_is_that_of_the_networks():
    rows = ROW.findall(TEXT)
    assert [row[0] for row in rows] == list(nn.NETWORKS)
    for name, builder, width, side, rest in rows:
        network = getattr(nn, builder)(rng=np.random.default_rng(0))
        assert network.name == name and network.arguments["width"] == int(width)
        size = nn.network_size(network, (3, int(side), int(side)))
        shapes = [layer.bits.shape for layer in network.binary_layers().values()]
        kernels = sum(out * into for out, into, *kernel in shapes if kernel == [3, 3])
        wanted = [len(shapes), size.binary_weights, kernels, size.binary_macs, size.parameters]
        assert [int(cell.replace(",", "")) for cell in rest.split("|")] == wanted
