import numpy as np
import pytest

from bbdg_ref import load_packed, nn, storage
from bbdg_ref.cli.models import PACKED, TRAINED, read_model, read_stored


def test_both_kinds_are_told_apart_by_their_headers(folder):
    trained, packed = read_model(folder / "model.h5"), read_model(folder / "packed.h5")
    assert (trained.kind, packed.kind) == ("network", "packed network")
    assert trained.network is not None and packed.network is None
    assert trained.classes == packed.classes == 10
    assert trained.dataset == packed.dataset == "CIFAR-10 (JPEG)"
    assert "as trained" in str(trained) and "packed" in str(packed)


def test_they_answer_as_what_the_package_itself_reads(folder):
    images = np.random.default_rng(1).standard_normal((2, 3, 32, 32), dtype=np.float32)
    trained = read_model(folder / "model.h5")
    assert np.array_equal(trained.packed(images), load_packed(folder / "packed.h5")(images))
    assert np.array_equal(read_model(folder / "packed.h5").packed(images), trained.packed(images))
    again = nn.load_network(folder / "model.h5").forward(images, training=False)
    assert np.array_equal(trained.network.forward(images, training=False), again)


@pytest.mark.parametrize(
    "notes", [None, [], "CIFAR-10", {"dataset": 5}, {"dataset": "\x1b[2J"}, {"dataset": "\ud800"}, {}]
)
def test_odd_notes_name_no_data_set(folder, tmp_path, notes):
    stored = storage.load(folder / "packed.h5", PACKED)
    storage.save(tmp_path / "odd.h5", PACKED, stored.arrays, stored.header | {"notes": notes})
    assert read_model(tmp_path / "odd.h5").dataset is None


def test_a_name_that_is_unfit_to_print_is_not_printed(folder, tmp_path):
    stored = storage.load(folder / "packed.h5", PACKED)
    storage.save(tmp_path / "odd.h5", PACKED, stored.arrays, stored.header | {"network": "net\x1b[2J"})
    assert str(read_model(tmp_path / "odd.h5")).startswith(f"{tmp_path / 'odd.h5'}: net?[2J, packed")


def test_a_file_of_another_kind_is_refused_by_its_kind(tmp_path):
    storage.save(tmp_path / "other.h5", "checkpoint", {}, {})
    with pytest.raises(ValueError, match=r"of the kind 'network' or 'packed network'; got \('checkpoint', 1\)"):
        read_model(tmp_path / "other.h5")


def test_of_a_damaged_file_the_damage_is_told_not_the_kind(folder, tmp_path):
    stored = storage.load(folder / "packed.h5", PACKED)
    cut = stored.arrays | {"numbers": stored.arrays["numbers"][:-1]}
    storage.save(tmp_path / "cut.h5", PACKED, cut, stored.header)
    with pytest.raises(ValueError, match=r"cut.h5 must hold a whole network; classifier"):
        read_model(tmp_path / "cut.h5")
    with pytest.raises(ValueError, match="must be an HDF5 file"):
        read_stored(folder / "images.npy", TRAINED, PACKED)


def test_weights_that_are_not_finite_are_refused(folder, tmp_path):
    network = nn.load_network(folder / "model.h5")
    next(iter(network.parameters().values())).value.flat[0] = np.nan
    nn.save_network(tmp_path / "nan.h5", network)
    with pytest.raises(ValueError, match=r"nan.h5 must hold .*finite"):
        read_model(tmp_path / "nan.h5")
