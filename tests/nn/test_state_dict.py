import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from bbdg_ref.nn import state_dict
from bbdg_ref.nn.state_dict import read_state_dict, write_state_dict

KINDS = ("npz", "safetensors")
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
EXAMPLE = {
    "layer1.0.conv1.weight": np.linspace(-1, 1, 36, dtype=np.float32).reshape(2, 2, 3, 3),
    "layer1.0.conv1.tau": np.float32(0.75),
    "bn1.num_batches_tracked": np.int64(12),
    "mask": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float16),
}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__" and not name.endswith("/")
)
ARRAYS = st.dictionaries(
    NAMES,
    st.sampled_from(DTYPES).flatmap(
        lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0))
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


def equal(first, second) -> bool:
    return first.keys() == second.keys() and all(
        np.asarray(value).dtype == second[name].dtype
        and np.array_equal(value, second[name], equal_nan=value.dtype.kind == "f")
        for name, value in first.items()
    )


def written(folder, kind: str, arrays=EXAMPLE) -> bytes:
    write_state_dict(folder / f"x.{kind}", arrays)
    return (folder / f"x.{kind}").read_bytes()


def read(folder, kind: str, content: bytes):
    path = folder / f"given.{kind}"
    path.write_bytes(content)
    return read_state_dict(path)


def safetensors(header, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


# --- what is written comes back ---


@pytest.mark.parametrize("kind", KINDS)
@given(arrays=ARRAYS)
@settings(max_examples=40)
def test_arrays_come_back(folder, kind, arrays):
    event(f"{len(arrays)} arrays")
    written(folder, kind, arrays)
    found = read_state_dict(folder / f"x.{kind}")
    assert equal(arrays, found)
    assert all(array.flags.writeable and array.flags.c_contiguous for array in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_arrays_give_the_same_bytes(folder, kind):
    assert written(folder, kind) == written(folder, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_byte_order_and_strides_do_not_matter(folder, kind):
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    written(folder, kind, {"big": array, "turned": array.T, "every second": np.arange(6)[::2]})
    found = read_state_dict(folder / f"x.{kind}")
    assert found["big"].dtype == np.float32 and np.array_equal(found["big"], array)
    assert np.array_equal(found["turned"], array.T) and np.array_equal(found["every second"], [0, 2, 4])


def test_numpy_reads_what_is_written_and_the_other_way_round(folder):
    written(folder, "npz")
    with np.load(folder / "x.npz", allow_pickle=False) as found:
        assert equal(EXAMPLE, dict(found))
    for save in (np.savez, np.savez_compressed):
        save(folder / "theirs.npz", **EXAMPLE, turned=np.arange(6.0).reshape(2, 3).T, big=np.arange(3, dtype=">i4"))
        found = read_state_dict(folder / "theirs.npz")
        assert np.array_equal(found.pop("turned"), [[0, 3], [1, 4], [2, 5]]) and found.pop("big").tolist() == [0, 1, 2]
        assert equal(EXAMPLE, found)


def test_a_safetensors_file_is_what_its_format_says(folder):
    content = written(folder, "safetensors", {"b": np.array([1, 2], np.uint8), "a": np.float32(1)})
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length]) == {
        "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
        "b": {"dtype": "U8", "shape": [2], "data_offsets": [4, 6]},
    }
    assert content[8 + length :] == b"\x00\x00\x80\x3f\x01\x02"


def test_the_safetensors_package_agrees(folder):
    package = pytest.importorskip("safetensors.numpy")
    written(folder, "safetensors")
    assert equal(EXAMPLE, package.load_file(folder / "x.safetensors"))
    package.save_file({name: np.asarray(array) for name, array in EXAMPLE.items()}, folder / "theirs.safetensors")
    assert equal(EXAMPLE, read_state_dict(folder / "theirs.safetensors"))


def test_bfloat16_and_metadata_are_read(folder):
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    found = read(folder, "safetensors", safetensors(header, struct.pack("<3H", 0x3F80, 0xC000, 0x7F80)))
    assert found["w"].dtype == np.float32 and found["w"].tolist() == [1.0, -2.0, np.inf]


# --- what is refused ---


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ""])
def test_another_suffix_is_refused_with_a_way_out(tmp_path, suffix):
    for call in (read_state_dict, lambda path: write_state_dict(path, {})):
        with pytest.raises(ValueError, match=r"path must end in \.npz or \.safetensors.*numpy\.savez"):
            call(tmp_path / f"weights{suffix}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_the_systems_own_error(tmp_path, kind):
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / f"none.{kind}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", 1.0),
        ("a\0b", 1.0),
        ("__metadata__", 1.0),
        (3, 1.0),
        ("w", "text"),
        ("w", 1j),
        ("w", None),
        ("w", np.uint64(1)),
        ("w", np.longdouble(1)),
    ],
)
def test_what_has_no_place_in_a_file_is_refused_and_leaves_none(tmp_path, kind, name, value):
    with pytest.raises(ValueError, match="write_state_dict: arrays must have names, and dtypes"):
        write_state_dict(tmp_path / f"x.{kind}", {name: np.asarray(value)})
    assert list(tmp_path.iterdir()) == []


def outcome(folder, kind: str, content: bytes):
    """The arrays, or None for a refusal; any other error fails the test."""
    try:
        return read(folder, kind, content)
    except ValueError as error:
        assert str(error).startswith(f"read_state_dict: {folder / f'given.{kind}'} must be a whole .{kind} file")
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(folder, kind):
    content = written(folder, kind)
    for length in range(0, len(content), 7):
        assert outcome(folder, kind, content[:length]) is None, length
    assert outcome(folder, kind, content[:-1]) is None


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=100)
def test_flipped_bits_are_refused_or_give_arrays(folder, kind, data):
    content = bytearray(written(folder, kind))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 8 * len(content) - 1))
        content[place // 8] ^= 1 << place % 8
    found = outcome(folder, kind, bytes(content))
    event("refused" if found is None else "read")
    for array in (found or {}).values():
        assert array.dtype.name in DTYPES


def test_a_flipped_bit_of_an_array_in_a_npz_is_found(folder):
    content = bytearray(written(folder, "npz"))
    place = content.index(np.float32(0.75).tobytes())
    content[place] ^= 1
    assert outcome(folder, "npz", bytes(content)) is None


@pytest.mark.parametrize("kind", KINDS)
@given(content=st.binary(max_size=200))
@example(content=b"")
@example(content=b"\0" * 8)
@example(content=b"\xff" * 8)
@example(content=b"PK\x05\x06" + b"\0" * 18)
def test_any_bytes_are_refused_or_give_arrays(folder, kind, content):
    found = outcome(folder, kind, content)
    assert found is None or found == {}


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "size", "pattern"),
    [
        ([], 0, "a list as header"),
        (b"{", 0, "not JSON"),
        (b'{"w": NaN}', 0, "no dtype, shape and data_offsets alone"),
        (b"[" * 100_000, 0, "not JSON"),
        (b"\xff\xfe", 0, "not JSON"),
        (b'{"w": 1, "w": 1}', 0, "comes twice"),
        (b'{"w": {"dtype": "F32", "dtype": "F64"}}', 0, "comes twice"),
        ({"w": 3}, 0, "no dtype, shape and data_offsets alone for 'w'"),
        ({"w": {"dtype": "F32", "shape": [2]}}, 8, "no dtype, shape and data_offsets alone for 'w'"),
        ({"w": ONE | {"more": 1}}, 8, "no dtype, shape and data_offsets alone for 'w'"),
        ({"w": ONE | {"dtype": "F8_E4M3"}}, 8, "dtype 'F8_E4M3' for 'w', which is none of F64, F32"),
        ({"w": ONE | {"dtype": "f32"}}, 8, "dtype 'f32'"),
        ({"w": ONE | {"dtype": ["F32"]}}, 8, "dtype"),
        ({"w": ONE | {"shape": [2, -1]}}, 8, "shape"),
        ({"w": ONE | {"shape": [2.0]}}, 8, "shape"),
        ({"w": ONE | {"shape": [True, 2]}}, 8, "shape"),
        ({"w": ONE | {"shape": "2"}}, 8, "shape"),
        ({"w": ONE | {"shape": [1] * 40 + [2]}}, 8, "41 axes"),
        ({"w": ONE | {"shape": [3]}}, 8, r"data_offsets \[0, 8\] for 'w', which has 12 bytes"),
        ({"w": ONE | {"shape": [2**62, 2**62]}}, 8, "data_offsets"),
        ({"w": ONE | {"data_offsets": [8, 0]}}, 8, "data_offsets"),
        ({"w": ONE | {"data_offsets": [-8, 0]}}, 8, "data_offsets"),
        ({"w": ONE | {"data_offsets": [0, 8.0]}}, 8, "data_offsets"),
        ({"w": ONE | {"data_offsets": [0]}}, 8, "data_offsets"),
        ({"w": ONE}, 7, "7 bytes of arrays, whose header says 8"),
        ({"w": ONE}, 9, "9 bytes of arrays, whose header says 8"),
        ({"w": ONE, "v": ONE}, 8, "'v' that begin at 0, where those before it end at 8"),
        ({"w": ONE, "v": ONE | {"data_offsets": [4, 12]}}, 12, "'v' that begin at 4"),
        ({"w": ONE, "v": ONE | {"data_offsets": [12, 20]}}, 20, "'v' that begin at 12"),
    ],
)
def test_a_safetensors_header_that_does_not_add_up_is_refused(folder, header, size, pattern):
    with pytest.raises(ValueError, match=pattern):
        read(folder, "safetensors", safetensors(header, b"\0" * size))


def test_a_header_longer_than_the_file_is_refused_before_it_is_read(folder):
    with pytest.raises(ValueError, match="a header of 9223372036854775807 bytes in a file of 10"):
        read(folder, "safetensors", struct.pack("<Q", 2**63 - 1) + b"{}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bool_of_other_bytes_is_refused(folder, kind):
    content = written(folder, kind, {"mask": np.array([True] * 64)})
    bad = content.replace(b"\1" * 64, b"\2" * 64)
    if kind == "npz":  # with the checksum that belongs to it
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
            new.writestr("mask.npy", old.read("mask.npy").replace(b"\1" * 64, b"\2" * 64))
        bad = stream.getvalue()
    with pytest.raises(ValueError, match="a bool of 'mask' that is neither 0 nor 1"):
        read(folder, kind, bad)


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    ("member", "pattern"),
    [
        (b"", "a header of 'w' that is not one"),
        (b"\x93NUMPY\x09\x00", "a header of 'w' that is not one"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x80\x04N."), "dtype object for 'w'"),
        (npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 16), "dtype <U4 for 'w'"),
        (npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8), "dtype complex64 for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", b"\0" * 4), "4 bytes for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8), "8 bytes for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", b"\0" * 4), "the shape"),
        (npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**62},{2**62}), }}\n"), "bytes for 'w'"),
        (npy("__import__('os').abort()\n"), "a header of 'w' that is not one"),
    ],
)
def test_a_member_that_is_no_plain_array_is_refused(folder, member, pattern):
    with pytest.raises(ValueError, match=pattern):
        read(folder, "npz", archive(w_npy=member))


def test_members_that_are_no_arrays_or_come_twice_are_refused(folder):
    good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", b"\0" * 4)
    assert read(folder, "npz", archive(w_npy=good))["w"] == 0
    with pytest.raises(ValueError, match=r"a member 'w\.txt' that is no array or comes twice"):
        read(folder, "npz", archive(w_txt=good))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("w.npy", good)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("w.npy", good)
    with pytest.raises(ValueError, match=r"a member 'w\.npy' that is no array or comes twice"):
        read(folder, "npz", stream.getvalue())


@pytest.mark.parametrize("kind", KINDS)
def test_more_bytes_than_the_bound_are_refused(folder, kind, monkeypatch):
    content = written(folder, kind)
    monkeypatch.setattr(state_dict, "MAX_BYTES", 100)
    monkeypatch.setattr(state_dict, "_MAX_HEADER", 1 << 20)
    with pytest.raises(ValueError, match="bytes of arrays, more than 100"):
        read(folder, kind, content)


def bomb(method: int, size: int, declared: int) -> bytes:
    """An archive of one member of so many zeros, which declares fewer, with the checksum of those."""
    stream = io.BytesIO()
    head = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (16,), }\n")
    with zipfile.ZipFile(stream, "w", method) as file:
        file.writestr("w.npy", head + bytes(size))
    content = bytearray(stream.getvalue())
    crc = zipfile.crc32((head + bytes(16))[:declared])
    central = content.index(b"PK\1\2")
    for place in (14, central + 16):
        struct.pack_into("<I", content, place, crc)
    for place in (22, central + 24):
        struct.pack_into("<I", content, place, declared)
    return bytes(content)


HEAD = len(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (16,), }\n"))


def test_a_member_that_unpacks_to_more_than_it_declares_is_not_unpacked(folder):
    content = bomb(zipfile.ZIP_DEFLATED, 64 << 20, HEAD + 16)
    assert len(content) < 100_000
    tracemalloc.start()
    try:
        outcome(folder, "npz", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused_before_they_are_unpacked(folder, method):
    content = bomb(method, 64 << 20, HEAD + 16)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"compression {method} of 'w.npy', neither none nor deflate"):
            read(folder, "npz", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
