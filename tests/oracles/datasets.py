"""Writes small image sets in CIFAR's record format, byte by byte; shares no code with the reader."""

import io
import tarfile


def record_bytes(labels: tuple[int, ...], image: list[list[list[int]]]) -> bytes:
    """One record: the label bytes, then the planes of image[channel][row][column]."""
    out = bytearray(labels)
    for plane in image:
        for row in plane:
            out.extend(row)
    return bytes(out)


def pixel(index: int, channel: int, row: int, column: int) -> int:
    """A value that differs between neighbouring images, channels, rows and columns."""
    return (index * 101 + channel * 67 + row * 13 + column * 3) % 256


def image_of(index: int) -> list[list[list[int]]]:
    """Image number `index` as nested lists [channel][row][column]."""
    return [[[pixel(index, c, y, x) for x in range(32)] for y in range(32)] for c in range(3)]


def file_bytes(labels: list[tuple[int, ...]], first_index: int) -> bytes:
    """A file of records, whose images are numbered from `first_index` on."""
    return b"".join(record_bytes(row, image_of(first_index + i)) for i, row in enumerate(labels))


def archive_bytes(members: list[tuple[str, bytes]], compression: str = "gz") -> bytes:
    """A tar archive of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def link_archive_bytes(name: str, target: str) -> bytes:
    """A tar archive in which `name` is a symbolic link to `target`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type = tarfile.SYMTYPE
        info.linkname = target
        tar.addfile(info)
    return buffer.getvalue()
