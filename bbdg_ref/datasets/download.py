"""Download of the CIFAR archives: checksum, several mirrors, resuming, a time-out."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from .cifar import data_folder, has_published_md5
from .cifar_layout import MIRRORS, CifarLayout

CONNECT_TIMEOUT = 3.0  # seconds; short, so that a machine without a network knows it soon
CHUNK = 1 << 16
ROUNDS = 5  # how often one mirror may break off before the next is tried


class DownloadError(OSError):
    """No mirror gave the file; the message says what happened at each."""


def download_cifar(
    layout: CifarLayout,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    mirrors: tuple[str, ...] = MIRRORS,
    timeout: float = 20.0,
    progress: bool = True,
) -> Path:
    """Download the archive of a CIFAR set, unless it is there already.

    The archive is kept as it is; `load_cifar` reads from it without unpacking. What arrives is collected in
    a file of the same name with ``.part`` appended. If the transfer breaks off, this function or a later
    call of it goes on from there, on the same mirror or another. The archive gets its own name only when its
    MD5 is the published one.

    Parameters
    ----------
    layout : CifarLayout
        ``CIFAR10`` or ``CIFAR100``.
    data_dir : path-like, optional
        Folder to download into, created if need be. Default: ``$BBDG_DATA``, else ``data``.
    mirrors : tuple of str
        Addresses of folders that hold the archive, each ending in a slash, tried in turn.
    timeout : float
        Seconds without a byte after which a mirror is given up.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Path
        The archive.

    Raises
    ------
    DownloadError
        If no mirror gave the file, for example because there is no network. It is an `OSError`.
    ValueError
        If another file of the archive's name is already there.

    Notes
    -----
    About 170 MB. Without a network this fails within seconds, except where the system's own look-up of names
    is slow.
    """
    # like an optional dependency: imported only when something is downloaded
    import pooch  # type: ignore[import-untyped]

    folder = data_folder(data_dir)
    target = folder / layout.archive
    if target.exists():
        if has_published_md5(layout, target):
            return target
        raise ValueError(
            f"download_cifar: {target} must not exist or have the MD5 {layout.archive_md5}; got another "
            "file; delete or move it and download again"
        )
    part = folder / f"{layout.archive}.part"
    failures = []
    for mirror in mirrors:
        fetch = _Resuming(part, layout.archive_bytes, timeout, progress)
        url = mirror + layout.archive
        try:
            pooch.retrieve(
                url,
                known_hash=f"md5:{layout.archive_md5}",
                fname=layout.archive,
                path=folder,
                downloader=fetch,
            )
            return target
        except (OSError, ValueError) as error:  # ValueError: pooch found a wrong checksum
            failures.append(f"{url}: {error}")
    raise DownloadError(
        f"download_cifar: {layout.archive} must come from one of {len(mirrors)} mirrors; got:\n  "
        + "\n  ".join(failures)
        + f"\ncheck the network and try again, or put the archive into {folder} by hand"
    )


class _Resuming:
    """A downloader for pooch that goes on where an earlier attempt broke off.

    Parameters
    ----------
    part : Path
        Where the bytes are collected.
    size : int
        Size of the whole file.
    timeout : float
        Seconds without a byte after which to give up.
    progress : bool
        Whether to show a progress bar.
    """

    def __init__(self, part: Path, size: int, timeout: float, progress: bool) -> None:
        self.part, self.size, self.timeout, self.progress = part, size, timeout, progress

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Download `url` and move it to `output_file`, which pooch then verifies.

        Parameters
        ----------
        url : str
            Address of the file.
        output_file : str
            A path in the same folder as the part file.

        Raises
        ------
        OSError
            If the file cannot be had in full.
        """
        for _round in range(ROUNDS):
            before = self._present()
            if before == self.size:
                break
            try:
                self._fetch(url, before)
            except OSError:
                if self._present() <= before:  # nothing gained: not a passing fault
                    raise
        if self._present() != self.size:
            raise DownloadError(f"broke off after {self._present()} of {self.size} bytes")
        os.replace(self.part, output_file)

    def _present(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch(self, url: str, start: int) -> None:
        # like an optional dependency: imported only when something is downloaded
        import requests

        timeouts = (CONNECT_TIMEOUT, self.timeout)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
            if response.status_code == 416:  # what is here does not fit: the next round starts afresh
                self.part.unlink(missing_ok=True)
                return
            response.raise_for_status()
            start = _first_byte(response.status_code, response.headers.get("Content-Range", ""), start)
            _refuse_another_file(response.headers, self.size - start)
            # Read below requests: its iterator drops the bytes that came just before the connection broke.
            chunks = iter(lambda: response.raw.read(CHUNK, decode_content=False), b"")
            try:
                with self.part.open("r+b" if start else "wb") as stream:
                    stream.seek(start)
                    self._copy(chunks, stream, start)
            # what the connection below requests raises, which is no OSError
            except requests.exceptions.BaseHTTPError as error:  # type: ignore[attr-defined]
                raise DownloadError(f"the transfer stopped ({error})") from error

    def _copy(self, chunks: Iterator[bytes], stream: IO[bytes], done: int) -> None:
        # like an optional dependency: imported only when something is downloaded
        from tqdm import tqdm

        with tqdm(
            total=self.size,
            initial=done,
            desc=self.part.stem,
            unit="B",
            unit_scale=True,
            disable=not self.progress,
        ) as bar:
            for chunk in chunks:
                done += len(chunk)
                if done > self.size:
                    raise DownloadError(f"it sends more than the {self.size} bytes of the file")
                stream.write(chunk)
                bar.update(len(chunk))
        if done < self.size:
            raise DownloadError(f"broke off after {done} of {self.size} bytes")


def _first_byte(status: int, content_range: str, asked: int) -> int:
    """Where in the file the answer begins: 0 if the server ignored the range that was asked for."""
    if status != 206:
        return 0
    if not content_range.startswith(f"bytes {asked}-"):
        raise DownloadError(f"asked for the bytes from {asked} on; got {content_range!r}")
    return asked


def _refuse_another_file(headers: Mapping[str, str], size: int) -> None:
    """Refuse, before anything is kept, an answer that is not the `size` bytes asked for: a log-in page, say."""
    kind, length = headers.get("Content-Type", "unknown"), headers.get("Content-Length", "unknown")
    if length not in (str(size), "unknown") or kind.startswith("text/html"):
        raise DownloadError(f"the answer must be an archive, {size} bytes to come; got length {length}, type {kind}")
