import zipfile

import numpy as np
import pytest

from bbdg_ref.cli.arguments import Refused
from bbdg_ref.cli.arrays import HDF5, NPY, NPZ, magic, read_numpy


def every(names):
    return names


def test_files_are_known_by_how_they_begin(folder):
    names = ("images.npy", "images.npz", "model.h5")
    assert [magic(folder / name) for name in names] == [NPY, NPZ, HDF5]
    assert len(magic(folder / "test_batch.bin")) == 8


def test_only_the_arrays_chosen_are_read(folder):
    both = read_numpy(folder / "weights.npz", every)
    assert list(both) == ["conv1", "conv2"]
    assert list(read_numpy(folder / "weights.npz", lambda names: ["conv2"])) == ["conv2"]
    (one,) = read_numpy(folder / "weights.npy", every).values()
    assert np.array_equal(one, both["conv1"])


def refuse(names):
    raise Refused("choose")


@pytest.mark.parametrize("name", ["weights.npy", "weights.npz"])
def test_a_refusal_to_choose_passes(folder, name):
    with pytest.raises(Refused):
        read_numpy(folder / name, refuse)


@pytest.mark.parametrize("name", ["weights.npy", "weights.npz"])
@pytest.mark.parametrize("keep", [8, 60, 0.5, -1])
def test_a_truncated_file_is_refused_by_name(folder, tmp_path, name, keep):
    data = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=f"{name} must be a whole NumPy file"):
        read_numpy(tmp_path / name, every)


@pytest.mark.parametrize("write", [np.save, np.savez])
def test_python_objects_are_not_loaded(tmp_path, write):
    path = tmp_path / ("a.npy" if write is np.save else "a.npz")
    write(path, np.array([{}, []], dtype=object))
    with pytest.raises(ValueError, match="must be a whole NumPy file of numbers"):
        read_numpy(path, every)


def test_a_header_may_not_promise_more_than_the_file_holds(tmp_path):
    huge = np.lib.format.magic(1, 0) + (118).to_bytes(2, "little")
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    (tmp_path / "huge.npy").write_bytes(huge + text.ljust(117).encode() + b"\n")
    with pytest.raises(ValueError, match=r"huge\.npy must be"):
        read_numpy(tmp_path / "huge.npy", every)


def test_an_archive_of_other_things_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "text")
    found = read_numpy(tmp_path / "other.npz", lambda names: [])
    assert found == {}
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("a.npy", NPY + b"\x01\x00\xff\xff")
    with pytest.raises(ValueError, match=r"bad\.npz must be"):
        read_numpy(tmp_path / "bad.npz", every)
