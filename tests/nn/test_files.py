import h5py
import numpy as np
import pytest
from network_cases import DOMAINS, rng, small

from bbdg_ref import nn, storage
from bbdg_ref.nn.files import WEIGHTS, build, check_size, describe


@pytest.mark.parametrize("arch", nn.NETWORKS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_network_comes_back_as_it_was(tmp_path, arch, domain):
    network = small(arch, domain=domain, seed=4)
    network.forward(rng().standard_normal((4, 3, 32, 32)).astype(np.float32), training=True)
    nn.save_network(tmp_path / "net.h5", network, notes={"seed": 4})
    again = nn.load_network(tmp_path / "net.h5")
    assert (again.name, again.arguments) == (network.name, network.arguments)
    for name, array in network.state().items():
        assert np.array_equal(again.state()[name], array) and again.state()[name].dtype == array.dtype
    x = rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32)
    assert np.array_equal(again.forward(x, training=False), network.forward(x, training=False))


def test_the_header_tells_what_a_reader_needs(tmp_path):
    nn.save_network(tmp_path / "net.h5", small(), notes={"dataset": "none"})
    header = storage.load(tmp_path / "net.h5", "network").header
    assert header["arguments"] == {"domain": "general", "width": 2, "classes": 3}
    assert header["notes"] == {"dataset": "none"}
    assert "x > 0" in header["bit_rule"] and "contribute nothing" in header["padding"]
    assert set(header["versions"]) == {"bbdg_ref", "numpy", "h5py", "numba", "scipy"}


def test_build_makes_the_network_that_describe_names():
    network = small("resnet18", domain="symmetric")
    again = build(describe(network), rng=rng())
    assert again.name == "resnet18" and list(again.state()) == list(network.state())


def test_a_resnet18_of_the_first_structure_keeps_the_hardtanh_of_its_stem(tmp_path):
    network = small("resnet18")
    header = describe(network)
    assert header["structure"] == 2 and "structure" not in describe(small("resnet20"))
    del header["structure"]
    storage.save(tmp_path / "first.h5", "network", network.state(), header)
    first = nn.load_network(tmp_path / "first.h5")
    assert isinstance(first.layers[0].layers[-1], nn.HardTanh) and describe(first) == header
    nn.save_network(tmp_path / "again.h5", first)
    again = nn.load_network(tmp_path / "again.h5")
    nn.save_network(tmp_path / "second.h5", network)
    second = nn.load_network(tmp_path / "second.h5")
    x = 3 * rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32)
    logits = [net.forward(x, training=False) for net in (first, again, second, network)]
    assert np.array_equal(logits[0], logits[1]) and np.array_equal(logits[2], logits[3])
    assert not np.allclose(logits[0], logits[2], atol=1e-3)


@pytest.mark.parametrize("structure", [0, 3, "2", None, True, 2.0])
def test_a_structure_of_another_version_is_refused(structure):
    with pytest.raises(ValueError, match=r"^build: structure must be one that resnet18 has; got"):
        build(describe(small("resnet18")) | {"structure": structure}, rng=rng())


def test_a_resnet20_has_one_structure():
    with pytest.raises(ValueError, match=r"^build: structure must be one that resnet20 has; got 2"):
        build(describe(small()) | {"structure": 2}, rng=rng())


@pytest.mark.parametrize(
    "change",
    [
        {"network": "resnet1001"},
        {"network": ["resnet20"]},
        {"network": None},
        {"arguments": None},
        {"arguments": {"width": 2}},
        {"arguments": {"domain": "general", "width": 2, "classes": 3, "rng": 1}},
        {"arguments": {"domain": "ternary", "width": 2, "classes": 3}},
        {"arguments": {"domain": "general", "width": "2", "classes": 3}},
        {"arguments": {"domain": "general", "width": 10**9, "classes": 3}},
        {"arguments": {"domain": "general", "width": 2, "classes": 10**12}},
        {"arguments": {"domain": "general", "width": 3, "classes": 3}},
        {"arguments": {"domain": "bipolar", "width": 2, "classes": 3}},
    ],
)
def test_a_header_that_does_not_fit_the_arrays_is_refused_with_the_files_name(tmp_path, change):
    network = small()
    storage.save(tmp_path / "net.h5", "network", network.state(), describe(network) | change)
    with pytest.raises(ValueError, match=r"load_network: .*net\.h5"):
        nn.load_network(tmp_path / "net.h5")


def test_a_checkpoint_is_not_taken_for_a_network(tmp_path):
    storage.save(tmp_path / "net.h5", "checkpoint", small().state(), describe(small()))
    with pytest.raises(ValueError, match="must have the format"):
        nn.load_network(tmp_path / "net.h5")


@pytest.mark.parametrize("arch", nn.NETWORKS)
@pytest.mark.parametrize("width", [1, 3])
def test_the_size_check_takes_every_network_and_refuses_four_times_the_width(arch, width):
    network = nn.NETWORKS[arch](domain="bipolar", width=width, classes=2, rng=rng())
    header, state = describe(network), network.state()
    check_size(header, state)
    with pytest.raises(ValueError, match="arguments must fit the"):
        check_size(header | {"arguments": {"width": 4 * width, "classes": 2}}, state)


@pytest.mark.parametrize("arch", nn.NETWORKS)
@pytest.mark.parametrize("width", [1, 3])
def test_the_size_check_knows_the_binary_weights_of_every_network(arch, width):
    network = nn.NETWORKS[arch](width=width, rng=rng())
    assert nn.network_size(network).binary_weights == WEIGHTS[arch] * width**2


@pytest.mark.parametrize("byte", [2, 3, 128, 255])
def test_a_file_whose_bits_are_other_bytes_than_0_and_1_is_refused(tmp_path, byte):
    network = small()
    nn.save_network(tmp_path / "net.h5", network)
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        found = []
        file.visititems(lambda _, item: found.append(item) if item.name.endswith("main.0.bits") else None)
        raw = np.array(found[0][...]).view(np.int8)
        raw.reshape(-1)[5] = np.uint8(byte).view(np.int8)
        found[0].id.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=found[0].id.get_type())
    with pytest.raises(ValueError, match=r"load_network: .*net\.h5"):
        nn.load_network(tmp_path / "net.h5")
