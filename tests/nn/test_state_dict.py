import io
import json
import re
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
        ("half \ud800", 1.0),
        ("n" * 1001, 1.0),
        ("w", "text"),
        ("w", 1j),
        ("w", None),
        ("w", np.uint64(1)),
        ("w", np.longdouble(1)),
    ],
)
def test_what_has_no_place_in_a_file_is_refused_and_leaves_none(tmp_path, kind, name, value):
    with pytest.raises(ValueError, match=r"write_state_dict: arrays must have names of .*, and dtypes bool"):
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
        (b"\xff\xfe", 0, r"not UTF-8 \(invalid start byte at byte 0\)"),
        (json.dumps({}).encode("utf-16"), 0, "not UTF-8"),
        (json.dumps({}).encode("utf-16-le"), 0, "not JSON"),
        (json.dumps({}).encode("utf-32-be"), 0, "not JSON"),
        (json.dumps({}).encode("utf-8-sig"), 0, "not JSON"),
        ({"__metadata__": "text"}, 0, "__metadata__ 'text', which is no object of texts; leave it out"),
        ({"__metadata__": None}, 0, "__metadata__ None, which is no object of texts"),
        ({"__metadata__": [["format", "pt"]]}, 0, "__metadata__ .* which is no object of texts"),
        ({"__metadata__": {"steps": 3}}, 0, "__metadata__ {'steps': 3}, which is no object of texts"),
        ({"half \ud800": ONE}, 8, r"the name 'half \\ud800', which is none of names of 1 to 1000 bytes in UTF-8"),
        ({"a\0b": ONE}, 8, r"the name 'a\\x00b'"),
        ({"": ONE}, 8, "the name ''"),
        ({"n" * 1001: ONE}, 8, "the name 'n{78}…, which"),
        ({"w": ONE | {"dtype": "F8_E5M2"}}, 8, "BOOL; convert it to one of them where it was written$"),
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
        (b"\x93NUMPY\x01", "a header of 'w' that is not one"),
        (b"\x93NUMPY\x09\x00", "'w' in version 9.0 of .npy, neither 1.0 nor 2.0; save the array with numpy.savez"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x80\x04N."), "dtype object for 'w'"),
        (
            npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 16),
            "dtype <U4 for 'w'; convert it to",
        ),
        (npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8), "dtype complex64 for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", b"\0" * 4), "4 bytes for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8), "8 bytes for 'w'"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", b"\0" * 4), "the shape"),
        (npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**62},{2**62}), }}\n"), "bytes for 'w'"),
        (npy("__import__('os').abort()\n"), "a header of 'w' that is not one"),
        (npy("-" * 9000 + "1"), "a header of 'w' that is not one"),
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
    with pytest.raises(ValueError, match="bytes of arrays, more than 100; split them"):
        read(folder, kind, content)
    with pytest.raises(ValueError, match=r"write_state_dict: arrays must fit into one file; got .* more than 100"):
        write_state_dict(folder / f"x.{kind}", EXAMPLE)


@pytest.mark.parametrize("kind", KINDS)
def test_more_arrays_than_the_bound_are_refused(folder, kind, monkeypatch):
    content = written(folder, kind)
    monkeypatch.setattr(state_dict, "MAX_ARRAYS", len(EXAMPLE))
    assert len(read(folder, kind, content)) == len(EXAMPLE)
    monkeypatch.setattr(state_dict, "MAX_ARRAYS", len(EXAMPLE) - 1)
    with pytest.raises(ValueError, match="got 5 arrays, more than 4; split them into several files"):
        read(folder, kind, content)
    with pytest.raises(ValueError, match="write_state_dict: arrays must fit into one file; got 5 arrays, more than 4"):
        write_state_dict(folder / f"x.{kind}", EXAMPLE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_header_is_refused_before_it_is_read(folder, kind, monkeypatch):
    monkeypatch.setattr(state_dict, "_MAX_HEADER", 100)
    with pytest.raises(ValueError, match=r"a (header|ZIP directory) of \d+ bytes, more than 100; split it"):
        read(folder, kind, written(folder, kind))


# --- memory ---


def peak_of(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_file_takes_little_memory(folder, kind):
    content = written(folder, kind)
    assert peak_of(lambda: read(folder, kind, content)) < 1 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_at_most_one_array_is_held_twice(folder, kind):
    written(folder, kind, {str(index): np.ones(1 << 20, np.uint8) for index in range(16)})
    peak = peak_of(lambda: read_state_dict(folder / f"x.{kind}"))
    assert 16 << 20 <= peak < 19 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_longer_than_the_bound_is_refused_before_it_is_read(folder, kind, monkeypatch):
    written(folder, kind, {"w": np.zeros(8 << 20, np.uint8)})
    monkeypatch.setattr(state_dict, "MAX_BYTES", 4 << 20)

    def refused():
        with pytest.raises(ValueError, match=r"got 8\d{6} bytes of arrays, more than 4194304"):
            read_state_dict(folder / f"x.{kind}")

    assert peak_of(refused) < 1 << 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error")])
def test_what_the_machine_lacks_is_not_said_of_the_file(folder, kind, error, monkeypatch):
    content = written(folder, kind)

    def fail(*_args):
        raise error

    monkeypatch.setattr(state_dict, "_native", fail)
    with pytest.raises(type(error)) as found:
        read(folder, kind, content)
    assert found.value is error


# --- ZIP archives with more or less in them ---


def directory_at(content: bytes) -> int:
    return struct.unpack_from("<L", content, len(content) - 6)[0]


def moved(content: bytes, more: bytes) -> bytes:
    """An archive of one member behind other bytes, its two offsets moved."""
    result = bytearray(more + content)
    for place in (len(result) - 6, len(more) + directory_at(content) + 42):
        struct.pack_into("<L", result, place, struct.unpack_from("<L", result, place)[0] + len(more))
    return bytes(result)


GOOD = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", b"\0" * 4)


def test_a_comment_and_bytes_before_or_after_an_archive_are_refused(folder):
    content = archive(w_npy=GOOD)
    assert read(folder, "npz", content)["w"] == 0
    for more in (b"\0", b"#!/bin/sh\n", content):
        for bad in (more + content, content + more):
            assert outcome(folder, "npz", bad) is None
    with pytest.raises(ValueError, match=r"a member 'w\.npy' at byte 3, where those before it end at 0"):
        read(folder, "npz", moved(content, b"abc"))
    assert read(folder, "npz", archive()) == {}
    with pytest.raises(ValueError, match="a ZIP directory of 0 bytes at 0 in a file of 25"):
        read(folder, "npz", b"abc" + archive())
    with pytest.raises(ValueError, match="no end of a ZIP archive"):  # a comment that is cut off
        read(folder, "npz", content[:-2] + b"\1\0")
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as file:
        file.comment = b"a comment"
    with pytest.raises(ValueError, match=r"last 22 bytes \(.*or a comment\); write it with numpy\.savez$"):
        read(folder, "npz", stream.getvalue())


def test_bytes_between_members_are_refused(folder):
    content = archive(w_npy=GOOD)
    place = directory_at(content)
    bad = bytearray(content[:place] + b"hidden" + content[place:])
    struct.pack_into("<L", bad, len(bad) - 6, place + 6)
    with pytest.raises(ValueError, match=f"a ZIP directory at byte {place + 6}, where the members end at {place}"):
        read(folder, "npz", bytes(bad))


def test_members_that_share_bytes_are_refused(folder):
    content = archive(w_npy=GOOD)
    place = directory_at(content)
    entry = content[place:-22]
    twice = content[:place] + entry + entry.replace(b"w.npy", b"v.npy") + content[-22:]
    bad = bytearray(twice)
    struct.pack_into("<2HL", bad, len(bad) - 14, 2, 2, 2 * len(entry))
    with pytest.raises(ValueError, match="at byte 0, where those before it end at"):
        read(folder, "npz", bytes(bad))


def test_an_archive_of_the_large_kind_is_refused(folder):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("w.npy", GOOD)
    content = stream.getvalue()
    place, end = directory_at(content), len(content) - 22
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, end - place, place)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    large = content[:end] + record + locator + content[end:]
    with zipfile.ZipFile(io.BytesIO(large)) as file:
        assert file.namelist() == ["w.npy"]
    assert outcome(folder, "npz", large) is None
    hidden = bytearray(large)  # as if the record were part of the directory
    struct.pack_into("<L", hidden, len(hidden) - 10, len(large) - 22 - place)
    with pytest.raises(ValueError, match=r"a ZIP directory of \d+ bytes at"):
        read(folder, "npz", bytes(hidden))


class Pipe(io.BytesIO):
    """A stream that cannot go back, such as the standard output."""

    def seekable(self):
        return False

    def seek(self, *_args):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_to_a_pipe_is_read(folder, save):
    pipe = Pipe()
    save(pipe, **EXAMPLE)
    assert equal(EXAMPLE, read(folder, "npz", pipe.getvalue()))


# --- how to mend it ---


def test_writing_again_is_not_said_where_it_is_no_mend(folder):
    encrypted = bytearray(archive(w_npy=GOOD))
    for place in (6, directory_at(encrypted) + 8):
        encrypted[place] |= 1
    third = archive(w_npy=b"\x93NUMPY\x03\x00" + GOOD[8:])
    numbers = archive(w_npy=npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8))
    for pattern, content in (
        (r"an encrypted member 'w\.npy'; unpack it and save the arrays with numpy\.savez$", bytes(encrypted)),
        (r"'w' in version 3\.0 of \.npy, .*; save the array with numpy\.savez, which writes 1\.0$", third),
        (r"dtype complex64 for 'w'; convert it to bool, integers or floats of up to 64 bits, and save it", numbers),
    ):
        with pytest.raises(ValueError, match=pattern):
            read(folder, "npz", content)


def test_a_header_is_quoted_in_short(folder):
    header = npy(repr("no dictionary " * 500))
    with pytest.raises(ValueError, match="a header of 'w' that is not one") as found:
        read(folder, "npz", archive(w_npy=header))
    assert len(str(found.value)) < 300 + len(str(folder))
    quoted = re.search(r"that is not one \((.*)\); write it again$", str(found.value))
    assert quoted is not None and len(quoted[1]) <= 80


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
    assert peak_of(lambda: outcome(folder, "npz", content)) < 8 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused_before_they_are_unpacked(folder, method):
    content = bomb(method, 64 << 20, HEAD + 16)

    def refused():
        with pytest.raises(ValueError, match=f"compression {method} of 'w.npy', neither none nor deflate; save"):
            read(folder, "npz", content)

    assert peak_of(refused) < 8 << 20
