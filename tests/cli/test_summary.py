import csv
import io
import json

import pytest

import bbdg_ref
from bbdg_ref import nn
from bbdg_ref.inference import coded_sizes, load_packed


def test_the_tables_are_the_package_s(run, folder):
    result = run("summary", "model.h5")
    network = nn.load_network(folder / "model.h5")
    assert str(bbdg_ref.summary(network, path=folder / "model.h5")) in result.out
    sizes = coded_sizes(bbdg_ref.compile_network(network))
    assert f"packed, the bits would take {sum(layer.size for layer in sizes):,} bytes" in result.out
    assert "trained on CIFAR-10 (JPEG)" in result.out.splitlines()[0]


def test_a_packed_file_has_a_size_on_disk_for_each_layer(run, folder):
    found = json.loads(run("summary", "packed.h5", "--json").out)
    sizes = coded_sizes(load_packed(folder / "packed.h5"))
    assert [layer["disk_bytes"] for layer in found["layers"]] == [layer.size for layer in sizes]
    assert found["total"]["disk_bytes"] == (folder / "packed.h5").stat().st_size
    assert [layer["bytes"] for layer in found["coded"]] == [layer.size for layer in sizes]
    assert found["coded"][0]["bytes_by_method"] == sizes[0].sizes and found["coded"][0]["method"] == sizes[0].method
    assert (found["kind"], found["notes"]["dataset"]) == ("packed network", "CIFAR-10 (JPEG)")


def test_a_trained_file_has_none(run):
    found = json.loads(run("summary", "model.h5", "--json").out)
    assert {layer["disk_bytes"] for layer in found["layers"]} == {None}
    assert (found["kind"], len(found["coded"])) == ("network", 18)


def test_csv_has_a_line_for_each_layer_and_the_total(run, tmp_path):
    target = tmp_path / "layers.csv"
    assert run("summary", "packed.h5", "--csv", target).status == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert len(rows) == 19 and rows[-1]["layer"] == "total"
    assert run("summary", "model.h5", "--csv", target).status == 2
    assert run("summary", "model.h5", "--csv", target, "--force").status == 0
    assert next(csv.DictReader(io.StringIO(target.read_text())))["layer"] == "stage1.0.main.0"


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("model.h5", [3, 32, 32]),
        ("model.h5 --image-size 64", [3, 64, 64]),
        ("packed.h5 --image-size 48 64", [3, 48, 64]),
        ("reactnet-a.h5", [3, 224, 224]),
        ("reactnet-a-packed.h5", [3, 224, 224]),
        ("reactnet-a.h5 --image-size 64 96", [3, 64, 96]),
        ("bound.h5", [3, 16, 24]),
        ("bound.h5 --image-size 16 24", [3, 16, 24]),
    ],
)
def test_operations_are_counted_for_images_of_the_network_s_own_size_or_another(run, words, shape):
    found = json.loads(run("summary", *words.split(), "--json").out)
    assert found["image_shape"] == shape
    halved = 2 if "reactnet" in words else 1
    size = [found["layers"][0][f"output_{side}"] for side in ("height", "width")]
    assert size == [side // halved for side in shape[1:]]


def test_a_size_that_does_not_fit_is_refused_by_its_flag(run):
    error = run("summary", "reactnet-a.h5", "--image-size", 50).err.splitlines()[-1]
    assert "error: --image-size must be a size that reactnet-a takes; got 50 50: the shortcut of block" in error
    error = run("summary", "bound.h5", "--image-size", 32).err.splitlines()[-1]
    assert "error: --image-size must be 16 24, to which bound.h5 is bound; got 32 32" in error
