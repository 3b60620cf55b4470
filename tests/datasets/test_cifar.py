"""Reading of the binary version: from folders and archives, good and bad."""

import dataclasses
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from oracles.datasets import archive_bytes, file_bytes, link_archive_bytes, pixel

from bbdg_ref.datasets import (
    CIFAR10,
    CIFAR100,
    CifarFile,
    CifarLayout,
    data_folder,
    find_cifar,
    load_cifar,
    load_cifar10,
    load_cifar100,
)


def small(layout: CifarLayout, train: tuple[int, ...], test: int) -> CifarLayout:
    """The same set with files of a few records."""
    files = [dataclasses.replace(f, records=n) for f, n in zip(layout.train_files, train, strict=True)]
    return dataclasses.replace(
        layout, train_files=tuple(files), test_file=dataclasses.replace(layout.test_file, records=test)
    )


TEN = small(CIFAR10, (3, 2, 1, 1, 2), 4)
HUNDRED = small(CIFAR100, (5,), 3)
LAYOUTS = pytest.mark.parametrize("layout", [TEN, HUNDRED], ids=["cifar10", "cifar100"])


def contents_of(layout: CifarLayout) -> dict[str, bytes]:
    """Files whose image i is the oracle's image i and whose labels count up."""
    contents, index = {}, 0
    for file in layout.files:
        labels = [tuple((index + i) * 7 % n for n in layout.label_classes) for i in range(file.records)]
        contents[file.name] = file_bytes(labels, index)
        index += file.records
    return contents


def with_sums(layout: CifarLayout, contents: dict[str, bytes]) -> CifarLayout:
    """The layout with the checksums of these contents as published ones."""

    def sum_of(file: CifarFile) -> CifarFile:
        return dataclasses.replace(file, sha256=hashlib.sha256(contents[file.name]).hexdigest())

    return dataclasses.replace(
        layout, train_files=tuple(map(sum_of, layout.train_files)), test_file=sum_of(layout.test_file)
    )


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)


def write_archive(root: Path, layout: CifarLayout, contents: dict[str, bytes]) -> Path:
    members = [(f"{layout.folder}/{name}", data) for name, data in contents.items()]
    path = root / layout.archive
    path.write_bytes(archive_bytes([(f"{layout.folder}/readme.html", b"text"), *members]))
    return path


@LAYOUTS
@pytest.mark.parametrize("place", ["the folder itself", "its parent", "the archive"])
def test_every_byte_lands_where_the_format_says(layout: CifarLayout, place: str, tmp_path: Path) -> None:
    if place == "the archive":
        write_archive(tmp_path, layout, contents_of(layout))
    else:
        write_folder(tmp_path / layout.folder, contents_of(layout))
    data = load_cifar(layout, tmp_path / layout.folder if place == "the folder itself" else tmp_path)
    n_train = sum(file.records for file in layout.train_files)
    assert data.train_images.shape == (n_train, 3, 32, 32)
    images = np.concatenate((data.train_images, data.test_images))
    i, c, y, x = np.indices(images.shape)
    np.testing.assert_array_equal(images, pixel(i, c, y, x))  # type: ignore[arg-type]
    labels = np.concatenate((data.train_labels, data.test_labels))
    np.testing.assert_array_equal(labels, np.arange(len(labels)) * 7 % layout.label_classes[-1])
    assert data.name == layout.name
    assert data.label == f"{layout.label} (unverified)"


@LAYOUTS
def test_published_checksums_of_the_files_verify_a_folder_and_a_repacked_archive(
    layout: CifarLayout, tmp_path: Path
) -> None:
    contents = contents_of(layout)
    layout = with_sums(layout, contents)
    write_folder(tmp_path / "a" / layout.folder, contents)
    (tmp_path / "b").mkdir()
    write_archive(tmp_path / "b", layout, contents)
    assert load_cifar(layout, tmp_path / "a").label == layout.label
    assert load_cifar(layout, tmp_path / "b").label == layout.label
    last = layout.test_file.name
    changed = contents | {last: contents[last][:-1] + bytes([contents[last][-1] ^ 1])}
    write_folder(tmp_path / "a" / layout.folder, changed)
    assert load_cifar(layout, tmp_path / "a").label == f"{layout.label} (unverified)"


def test_published_checksum_of_the_archive_verifies_it(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, TEN, contents_of(TEN))
    layout = dataclasses.replace(TEN, archive_md5=hashlib.md5(archive.read_bytes()).hexdigest())
    assert load_cifar(layout, tmp_path).label == "CIFAR-10"
    assert load_cifar(TEN, tmp_path).label == "CIFAR-10 (unverified)"


def test_a_given_label_is_used_as_it_is(tmp_path: Path) -> None:
    write_folder(tmp_path, contents_of(TEN))
    assert load_cifar(TEN, tmp_path, label="mine").label == "mine"


def test_published_facts() -> None:
    for layout, archive_md5 in (
        (CIFAR10, "c32a1d4ab5d03f1284b67883e8d87530"),
        (CIFAR100, "03b5dce01913d631647c71ecec9e9cb8"),
    ):
        assert layout.archive_md5 == archive_md5
        assert sum(file.records for file in layout.train_files) == 50_000
        assert layout.test_file.records == 10_000
        assert len(set(layout.classes)) == layout.label_classes[-1]
        assert all(len(file.sha256) == 64 for file in layout.files)
    assert {file.records * CIFAR10.record_bytes for file in CIFAR10.files} == {30_730_000}
    assert [file.records * CIFAR100.record_bytes for file in CIFAR100.files] == [153_700_000, 30_740_000]


def test_the_data_folder_is_the_argument_else_the_environment_else_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDG_DATA", "from-environment")
    assert data_folder("given") == Path("given")
    assert data_folder() == Path("from-environment")
    monkeypatch.setenv("BBDG_DATA", "")
    assert data_folder() == Path("data")
    monkeypatch.delenv("BBDG_DATA")
    assert data_folder() == Path("data")


def test_the_set_is_found_through_the_environment_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "data" / TEN.folder, contents_of(TEN))
    monkeypatch.delenv("BBDG_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert find_cifar(TEN) == Path("data") / TEN.folder
    monkeypatch.chdir("/")
    monkeypatch.setenv("BBDG_DATA", str(tmp_path / "data"))
    assert find_cifar(TEN) == tmp_path / "data" / TEN.folder


def test_a_folder_goes_before_an_archive(tmp_path: Path) -> None:
    write_archive(tmp_path, TEN, contents_of(TEN))
    assert find_cifar(TEN, tmp_path) == tmp_path / TEN.archive
    write_folder(tmp_path / TEN.folder, contents_of(TEN))
    assert find_cifar(TEN, tmp_path) == tmp_path / TEN.folder


@pytest.mark.parametrize("load", [load_cifar10, load_cifar100])
def test_a_set_that_is_not_there_says_where_it_was_looked_for(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FileNotFoundError, match=r"got .*, which is a folder without them.*--data-dir"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere, which is not a folder"):
        load(tmp_path / "nowhere")


@LAYOUTS
@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("change", [-3074, -3073, -1, 1, 3073])
def test_a_file_of_a_wrong_size_is_named(layout: CifarLayout, change: int, which: int, tmp_path: Path) -> None:
    root = tmp_path
    contents = contents_of(layout)
    file = layout.files[which]
    data = contents[file.name]
    contents[file.name] = data[:change] if change < 0 else data + bytes(change)
    expected = f"{file.name} must be {len(data)} bytes .* got {len(contents[file.name])} bytes"
    write_folder(root / layout.folder, contents)
    with pytest.raises(ValueError, match=expected):
        load_cifar(layout, root)
    (root / "packed").mkdir()
    write_archive(root / "packed", layout, contents)
    with pytest.raises(ValueError, match=expected):
        load_cifar(layout, root / "packed")


@LAYOUTS
def test_a_missing_file_is_named(layout: CifarLayout, tmp_path: Path) -> None:
    contents = contents_of(layout)
    del contents[layout.test_file.name]
    write_folder(tmp_path / layout.folder, contents)
    (tmp_path / "packed").mkdir()
    write_archive(tmp_path / "packed", layout, contents)
    for root in (tmp_path, tmp_path / "packed"):
        with pytest.raises(ValueError, match=f"got none of the name {layout.test_file.name};"):
            load_cifar(layout, root)


@pytest.mark.parametrize(
    ("layout", "file", "byte", "message"),
    [
        (TEN, "data_batch_1.bin", 0, r"label byte 0 of each record of data_batch_1.bin must be in 0..9; got 1 outs"),
        (HUNDRED, "train.bin", 0, r"label byte 0 of each record of train.bin must be in 0..19"),
        (HUNDRED, "train.bin", 1, r"label byte 1 of each record of train.bin must be in 0..99"),
    ],
)
def test_a_label_out_of_range_is_named(layout: CifarLayout, file: str, byte: int, message: str, tmp_path: Path) -> None:
    contents = contents_of(layout)
    data = bytearray(contents[file])
    data[2 * layout.record_bytes + byte] = layout.label_classes[byte]
    write_folder(tmp_path, contents | {file: bytes(data)})
    with pytest.raises(ValueError, match=message + rf".*first bad value {layout.label_classes[byte]} at record 2"):
        load_cifar(layout, tmp_path)


def test_the_largest_labels_are_accepted(tmp_path: Path) -> None:
    contents = contents_of(HUNDRED)
    data = bytearray(contents["test.bin"])
    data[0], data[1] = 19, 99
    write_folder(tmp_path, contents | {"test.bin": bytes(data)})
    assert load_cifar(HUNDRED, tmp_path).test_labels[0] == 99


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_truncated_archive_is_refused(keep: float, tmp_path: Path) -> None:
    archive = write_archive(tmp_path, TEN, contents_of(TEN))
    data = archive.read_bytes()
    archive.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(ValueError, match=f"{TEN.archive} must"):
        load_cifar(TEN, tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, TEN, contents_of(TEN))
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    archive.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="cannot be read"):
        load_cifar(TEN, tmp_path)


def test_an_archive_that_is_not_compressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / TEN.archive).write_bytes(archive_bytes([("a", b"b")], compression=""))
    with pytest.raises(ValueError, match="must be a complete gzip-compressed tar archive"):
        load_cifar(TEN, tmp_path)


def test_members_of_other_names_are_not_taken_and_nothing_is_unpacked(tmp_path: Path) -> None:
    contents = contents_of(TEN)
    inside = tmp_path / "inside"
    inside.mkdir()
    bad = [(f"../{TEN.folder}/{name}", data) for name, data in contents.items()]
    bad += [(f"/{TEN.folder}/{name}", data) for name, data in contents.items()]
    bad += [(name, data) for name, data in contents.items()]
    (inside / TEN.archive).write_bytes(archive_bytes(bad))
    with pytest.raises(ValueError, match=r"got none of the name data_batch_1.bin, data_batch_2.bin"):
        load_cifar(TEN, inside)
    write_archive(inside, TEN, contents)
    load_cifar(TEN, inside)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", TEN.archive]


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    name = f"{TEN.folder}/data_batch_1.bin"
    (tmp_path / TEN.archive).write_bytes(link_archive_bytes(name, "/etc/passwd"))
    with pytest.raises(ValueError, match=r"got none of the name data_batch_1.bin"):
        load_cifar(TEN, tmp_path)


def test_a_file_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    data = contents_of(TEN)["data_batch_1.bin"]
    name = f"{TEN.folder}/data_batch_1.bin"
    (tmp_path / TEN.archive).write_bytes(archive_bytes([(name, data), (name, data)]))
    with pytest.raises(ValueError, match="twice"):
        load_cifar(TEN, tmp_path)


def test_an_archive_that_expands_without_end_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as stream:
        stream.write(info.tobuf())
        for _ in range(8):
            stream.write(bytes(1 << 20))
    (tmp_path / TEN.archive).write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match="expands to more bytes"):
        load_cifar(TEN, tmp_path)
