import json
import math
import os
import subprocess
import sys
import time
import zlib
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bbdg_ref import storage

DTYPES = ("bool", "uint8", "uint32", "uint64", "int32", "int64", "float32", "float64")
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name.strip(".")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    """Equal to the bit: dtype, shape, NaNs and signs of zero."""
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def stored(path: Path, arrays=None, header=None, kind="kind") -> Path:
    storage.save(path, kind, {"a": np.arange(5.0)} if arrays is None else arrays, header or {})
    return path


@given(arrays=st.dictionaries(NAMES, ARRAYS, max_size=4), note=JSON)
def test_what_is_saved_comes_back_to_the_bit(tmp_path_factory, arrays, note):
    event(f"{len(arrays)} arrays")
    path = tmp_path_factory.mktemp("round") / "x.h5"
    storage.save(path, "kind", arrays, {"note": note})
    again = storage.load(path, "kind")
    assert again.arrays.keys() == arrays.keys()
    assert all(same(again.arrays[name], array) for name, array in arrays.items())
    assert isinstance(again.arrays, dict) and all(isinstance(array, np.ndarray) for array in again.arrays.values())
    assert again.header["note"] == note and again.header["format"] == "kind"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (5, 3), (100, 100)])
def test_every_dtype_and_shape(tmp_path, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    assert same(storage.load(stored(tmp_path / "x.h5", {"a": array}), "kind").arrays["a"], array)


def test_arrays_that_are_not_contiguous_come_back(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-2]
    assert same(storage.load(stored(tmp_path / "x.h5", {"a": array}), "kind").arrays["a"], np.ascontiguousarray(array))


@pytest.mark.parametrize("array", [np.zeros(5_000_000), np.random.default_rng(0).random(5_000_000)])
def test_large_arrays_in_many_chunks_come_back(tmp_path, array):
    assert same(storage.load(stored(tmp_path / "x.h5", {"a": array}), "kind").arrays["a"], array)


def test_the_header_names_the_versions_of_the_libraries(tmp_path, monkeypatch):
    versions = storage.load(stored(tmp_path / "x.h5"), "kind").header["versions"]
    assert set(versions) == {"bbdg_ref", "numpy", "h5py", "numba", "scipy"}
    assert all(versions[name] == metadata.version(name) for name in ("numpy", "h5py", "numba", "scipy"))

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    versions = storage.load(stored(tmp_path / "x.h5"), "kind").header["versions"]
    assert (versions["numba"], versions["scipy"], versions["numpy"]) == (None, None, np.__version__)


CONTENT = """
import sys, numpy as np
from bbdg_ref import storage
rng = np.random.default_rng(0)
arrays = {"big": rng.standard_normal((300, 50)), "b": rng.random(7) < 0.5}
arrays |= {"s": np.float32(3).reshape(()), "e": np.empty(0)}
if sys.argv[2] == "reversed":
    arrays = dict(reversed(arrays.items()))
storage.save(sys.argv[1], "kind", arrays, {"note": "x" * 1000})
"""


def test_the_same_content_gives_the_same_bytes_in_another_process_at_another_time(tmp_path):
    subprocess.run([sys.executable, "-c", CONTENT, tmp_path / "a.h5", "forward"], check=True)
    os.utime(tmp_path / "a.h5", (0, 0))
    subprocess.run([sys.executable, "-c", CONTENT, tmp_path / "b.h5", "reversed"], check=True)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_existing_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = stored(tmp_path / "x.h5", {"a": np.zeros(3)})
    stored(path, {"b": np.ones(3)})
    assert storage.load(path, "kind").arrays.keys() == {"b"}
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_the_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        assert stored(tmp_path / "x.h5").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_missing_folder_is_made(tmp_path):
    assert storage.load(stored(tmp_path / "new" / "deep" / "x.h5"), "kind").arrays["a"].size == 5


@pytest.mark.parametrize("broken", ["_write", "_replace"])
@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_whole_and_no_other(tmp_path, monkeypatch, broken, error):
    path = stored(tmp_path / "x.h5")
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(storage, broken, fail)
    with pytest.raises(type(error)):
        stored(path, {"b": np.ones(3)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_the_bytes_are_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b))[1])
    stored(tmp_path / "x.h5")
    assert calls[:2] == ["fsync", "replace"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"a/b": np.zeros(2)},
        {"": np.zeros(2)},
        {".": np.zeros(2)},
        {"a": np.zeros(2, np.float16)},
        {"a": np.zeros(2, complex)},
        {"a": np.array(["text"])},
        {"a": np.array([None])},
        {"a": np.zeros(2, [("x", float)])},
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, arrays):
    with pytest.raises(ValueError, match="save: arrays must have names"):
        stored(tmp_path / "x.h5", arrays)
    assert not list(tmp_path.iterdir())


def test_a_header_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(ValueError, match="save: header must stay below"):
        stored(tmp_path / "x.h5", header={"note": "x" * 60_000})
    assert storage.load(stored(tmp_path / "x.h5", header={"note": "x" * 59_000}), "kind").header["note"][-1] == "x"


# ------------------------------------------------------------------------------------------- read as hostile


def refused(path: Path, message: str, kind: str = "kind", **options) -> None:
    with pytest.raises(ValueError, match=message) as error:
        storage.load(path, kind, **options)
    assert str(path) in str(error.value), "the message names the file"


def test_a_missing_file_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.load(tmp_path / "none.h5", "kind")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"PK\x03\x04" + bytes(100), b"\x89HDF\r\n\x1a\n", bytes(5000)])
def test_what_is_not_hdf5_is_refused(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    refused(tmp_path / "x.h5", "HDF5")


def test_another_kind_or_version_is_refused(tmp_path, monkeypatch):
    refused(stored(tmp_path / "x.h5"), "must have the format .*'other', 1.*'kind', 1", kind="other")
    monkeypatch.setattr(storage, "FORMAT_VERSION", 2)
    stored(tmp_path / "x.h5")
    monkeypatch.undo()
    refused(tmp_path / "x.h5", "must have the format .*'kind', 2")


HEADER = np.bytes_(json.dumps({"format": "kind", "format_version": 1}).encode())


def by_hand(path: Path, fill, header=HEADER) -> Path:
    """A file with what `save` would never write."""
    with h5py.File(path, "w", libver="v110") as file:
        if header is not None:
            file.attrs.create("bbdg_ref", header)
        fill(file)
    return path


GOOD = {"shuffle": True, "compression": "gzip", "fletcher32": True, "chunks": True}


def test_a_file_by_hand_is_read_if_it_is_as_save_writes_it(tmp_path):
    path = by_hand(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=np.arange(4.0), **GOOD))
    assert np.array_equal(storage.load(path, "kind").arrays["a"], np.arange(4.0))


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (4,))
    file.create_virtual_dataset("a", layout)


def dense_chunk(file: h5py.File) -> None:
    file.create_dataset("a", (4,), "f8", maxshape=(None,), **GOOD | {"chunks": (1 << 20,)})


def odd_float(file: h5py.File) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(20, 12, 8, 0, 12)
    kind.set_size(3)
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((4,)))


def without_chunks(file: h5py.File) -> None:
    data = file.create_dataset("a", (100,), "f8", **GOOD | {"chunks": (10,)})
    data[:50] = 1.0  # HDF5 reads the chunks that were never written as zeros


def direct(file: h5py.File, content: bytes, filter_mask: int = 0, chunk: int = 1000) -> None:
    """One chunk of bytes, stored past the filters."""
    data = file.create_dataset("a", (chunk,), "u1", **GOOD | {"chunks": (chunk,)})
    data.id.write_direct_chunk((0,), content, filter_mask)


def linked_group(file: h5py.File) -> None:
    file.create_group("a")
    file["a"]["root"] = file["/"]


HOSTILE = {
    "external link": (lambda f: f.__setitem__("a", h5py.ExternalLink("/etc/passwd", "/")), "link or a group"),
    "soft link": (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "link or a group"),
    "group": (lambda f: f.create_group("a"), "link or a group"),
    "circle": (linked_group, "link or a group"),
    "named type": (lambda f: f.__setitem__("a", np.dtype("f8")), "link or a group"),
    "external storage": (
        lambda f: f.create_dataset("a", (4,), "u1", external=[("/etc/passwd", 0, 4)]), "stored otherwise"
    ),
    "virtual": (virtual, "stored otherwise"),
    "plain": (lambda f: f.create_dataset("a", data=np.arange(4.0)), "as `save` stores it"),
    "lzf": (lambda f: f.create_dataset("a", data=np.arange(4.0), compression="lzf"), "stored otherwise"),
    "no checksum": (lambda f: f.create_dataset("a", data=np.arange(4.0), **GOOD | {"fletcher32": False}), "otherwise"),
    "scale-offset": (lambda f: f.create_dataset("a", data=np.arange(4), scaleoffset=0), "stored otherwise"),
    "growing": (lambda f: f.create_dataset("a", (4,), "f8", maxshape=(None,), **GOOD), "as `save` stores it"),
    "huge chunk": (dense_chunk, "as `save` stores it"),
    "missing chunks": (without_chunks, "as `save` stores it"),
    "chunk without a checksum": (lambda f: direct(f, zlib.compress(bytes(1000)), 0b100), "as `save` stores it"),
    "chunk without filters": (lambda f: direct(f, bytes(1000), 0b111), "as `save` stores it"),
    "bomb": (lambda f: direct(f, zlib.compress(bytes(4_000_000))), "as `save` stores it"),
    "chunk that is too large": (lambda f: direct(f, b"x", chunk=(64 << 20) + 1), "as `save` stores it"),
    "strings": (lambda f: f.create_dataset("a", data=["x", "y"]), "array of"),
    "objects": (lambda f: f.create_dataset("a", (2,), h5py.ref_dtype, **GOOD), "array of"),
    "lists": (lambda f: f.create_dataset("a", (2,), h5py.vlen_dtype("f8")), "array of"),
    "compound": (lambda f: f.create_dataset("a", (2,), [("x", "f8")], **GOOD), "array of"),
    "complex": (lambda f: f.create_dataset("a", data=np.zeros(2, complex), **GOOD), "array of"),
    "half": (lambda f: f.create_dataset("a", data=np.zeros(2, np.float16), **GOOD), "array of"),
    "enum": (lambda f: f.create_dataset("a", (2,), h5py.enum_dtype({"x": 1}, "i1"), **GOOD), "array of"),
    "null": (lambda f: f.create_dataset("a", dtype="f8"), "array of"),
    "24-bit float": (odd_float, "x.h5"),
}  # fmt: skip


def with_checksum(folder: Path, content: bytes) -> bytes:
    """The content and its fletcher32, as HDF5 computes it."""
    with h5py.File(folder / "checksum.h5", "w") as file:
        data = file.create_dataset("a", data=np.frombuffer(content, "u1"), chunks=(len(content),), fletcher32=True)
        return data.id.read_direct_chunk((0,))[1]


def test_a_chunk_stored_by_hand_is_read_if_it_is_whole(tmp_path):
    content = with_checksum(tmp_path, zlib.compress(b"x" * 1000))
    path = by_hand(tmp_path / "x.h5", lambda f: direct(f, content))
    assert storage.load(path, "kind").arrays["a"].tobytes() == b"x" * 1000


@pytest.mark.parametrize("size", [0, 1, 999, 1001, 500_000])
def test_a_chunk_that_inflates_to_another_size_is_refused(tmp_path, size):
    # HDF5 would give memory that is not the file's, or end the process, or take any amount of memory
    content = with_checksum(tmp_path, zlib.compress(bytes(size)))
    path = by_hand(tmp_path / "x.h5", lambda f: direct(f, content))
    refused(path, "must have chunks of 1000 bytes")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path, name):
    fill, message = HOSTILE[name]
    refused(by_hand(tmp_path / "x.h5", fill), message)


def test_an_unknown_filter_is_refused(tmp_path):
    path = by_hand(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=np.arange(4.0), **GOOD))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32_000, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(path, "a") as file:
        h5py.h5d.create(file.id, b"b", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((4,)), properties)
    refused(path, "stored otherwise")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "got none"),
        ("a string of variable length", "one string of fixed length"),
        (np.array([HEADER]), "one string of fixed length"),
        (np.float64(3), "one string of fixed length"),
        (np.bytes_(b"{" + b" " * 60_500), "one string of fixed length"),
        (np.bytes_(b"no JSON"), "must carry JSON"),
        (np.bytes_(b'{"format": 1' + b"0" * 5000 + b"}"), "must carry JSON"),
        (np.bytes_(b"\xff\xfe{}"), "must carry JSON"),
        (np.bytes_(b"[" * 50_000), "x.h5"),
        (np.bytes_(b"[1]"), "must carry a JSON object"),
        (np.bytes_(b"{}"), "must have the format"),
        (np.bytes_(b'{"format": ["kind"], "format_version": 1}'), "must have the format"),
    ],
)
def test_a_hostile_header_is_refused(tmp_path, header, message):
    refused(by_hand(tmp_path / "x.h5", lambda f: None, header), message)


def test_declared_sizes_are_bounded_before_anything_is_allocated(tmp_path):
    # 8 TB of zeros in a file of a few hundred bytes: reading it would end the process
    options = GOOD | {"chunks": (1 << 20,)}
    path = by_hand(tmp_path / "x.h5", lambda f: f.create_dataset("a", (1 << 40,), "f8", **options))
    assert path.stat().st_size < 10_000
    refused(path, "x.h5")


def test_the_bound_is_on_all_arrays_together(tmp_path):
    path = stored(tmp_path / "x.h5", {"a": np.zeros(100), "b": np.zeros(100)})
    assert storage.load(path, "kind", max_bytes=1600).arrays["b"].size == 100
    refused(path, "at most 1599 bytes of arrays; got 1600", max_bytes=1599)


# ------------------------------------------------------------------------------------------- damaged files

SAMPLE = {
    "latent": np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32),
    "bits": np.random.default_rng(1).random((4, 3, 3, 3)) < 0.1,
    "tau": np.float32(0.75).reshape(()),
    "empty": np.empty((0, 3), np.int64),
    "order": np.arange(40),
}


def check_damaged(path: Path, content: bytes, good: storage.Stored) -> str:
    """The exact arrays and header, or an error that names the file: never anything else."""
    path.write_bytes(content)
    try:
        got = storage.load(path, "kind")
    except ValueError as error:
        assert str(path) in str(error)
        return "refused"
    assert got.header == good.header and got.arrays.keys() == good.arrays.keys()
    assert all(same(got.arrays[name], array) for name, array in good.arrays.items())
    return "the same"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "good.h5"
    storage.save(path, "kind", SAMPLE, {"steps": 1234, "note": "x" * 200})
    return path.with_name("bad.h5"), path.read_bytes(), storage.load(path, "kind")


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_flipped_byte_never_gives_other_data(sample, place, mask):
    path, content, good = sample
    damaged = bytearray(content)
    damaged[int(place * len(content))] ^= mask
    event(check_damaged(path, bytes(damaged), good))


@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=8), byte=st.integers(0, 255))
def test_several_overwritten_bytes_never_give_other_data(sample, places, byte):
    path, content, good = sample
    damaged = bytearray(content)
    for place in places:
        damaged[int(place * len(content))] = byte
    event(check_damaged(path, bytes(damaged), good))


@pytest.mark.slow
def test_no_single_flipped_byte_gives_other_data(sample):
    path, content, good = sample
    found = set()
    for place in range(len(content)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= mask
            found.add(check_damaged(path, bytes(damaged), good))
    assert found == {"refused", "the same"}


def test_no_byte_of_the_arrays_or_of_the_header_can_be_flipped_unseen(sample):
    # the bytes of tau and of the header stand in the file as they are
    path, content, good = sample
    places = [content.index(SAMPLE["tau"].tobytes()), content.index(b'"steps": 1234') + 9, content.index(b"xxxx")]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1
        assert check_damaged(path, bytes(damaged), good) == "refused"


@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(sample, place):
    path, content, good = sample
    assert check_damaged(path, content[: int(place * len(content))], good) == "refused"


def test_the_hour_of_writing_does_not_show(tmp_path):
    arrays = {"a": np.arange(5), "b": np.float32(3).reshape(())}
    storage.save(tmp_path / "first.h5", "test", arrays, {})
    time.sleep(1.1)  # HDF5 keeps times in seconds
    storage.save(tmp_path / "second.h5", "test", arrays, {})
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
