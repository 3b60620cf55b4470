"""Downloading from servers on this machine that behave, break off, ignore ranges, hang or send something else."""

import dataclasses
import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from oracles.datasets import archive_bytes

from bbdg_ref.datasets import CIFAR10, DownloadError, download_cifar

# incompressible, so that it is longer than the socket buffers
DATA = archive_bytes([("noise", b"".join(hashlib.sha512(bytes([i % 256, i // 256])).digest() for i in range(20_000)))])
LAYOUT = dataclasses.replace(
    CIFAR10, archive_bytes=len(DATA), archive_md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest()
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Server(ThreadingHTTPServer):
    """Keeps the ranges it was asked for; `release` lets a hanging answer end."""

    daemon_threads = True

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.ranges.append(wanted)
                server.paths.append(self.path)
                answer(self, int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = self
        self.ranges: list[str | None] = []
        self.paths: list[str] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that has gone away is expected here
            raise


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, int], None]) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, start: int, stop: int, data: bytes = DATA) -> None:
    """Promise everything from `start` on and send as far as `stop`."""
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    handler.send_header("Content-Length", str(len(data) - start))
    handler.end_headers()
    handler.wfile.write(data[start:stop])


def whole(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, start, len(DATA))


def ignores_ranges(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, 0, len(DATA))


def half(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Cuts the connection half way through what was asked for, until little is left."""
    left = len(DATA) - start
    send(handler, start, start + left // 2 if left > len(DATA) // 3 else len(DATA))
    handler.close_connection = True


def fetch(tmp_path: Path, *servers: Server, timeout: float = 5.0) -> Path:
    return download_cifar(LAYOUT, tmp_path, mirrors=tuple(s.url for s in servers), timeout=timeout, progress=False)


def test_the_archive_arrives_under_its_name_only(tmp_path: Path) -> None:
    with serving(whole) as server:
        path = fetch(tmp_path / "new", server)
    assert path == tmp_path / "new" / LAYOUT.archive
    assert path.read_bytes() == DATA
    assert list(path.parent.iterdir()) == [path]
    assert server.paths == [f"/{LAYOUT.archive}"]


def test_progress_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(whole) as server:
        download_cifar(LAYOUT, tmp_path, mirrors=(server.url,))
    assert "100%" in capsys.readouterr().err


def test_a_present_archive_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / LAYOUT.archive).write_bytes(DATA)
    assert download_cifar(LAYOUT, tmp_path, mirrors=()).read_bytes() == DATA


def test_another_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / LAYOUT.archive).write_bytes(b"mine")
    with pytest.raises(ValueError, match=f"must not exist or have the MD5 {LAYOUT.archive_md5}"):
        download_cifar(LAYOUT, tmp_path, mirrors=())
    assert (tmp_path / LAYOUT.archive).read_bytes() == b"mine"


def test_a_connection_cut_half_way_is_resumed(tmp_path: Path) -> None:
    with serving(half) as server:
        path = fetch(tmp_path, server)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={len(DATA) // 2}-", f"bytes={len(DATA) // 2 + (len(DATA) + 1) // 4}-"]


def test_a_later_call_goes_on_where_the_first_broke_off(tmp_path: Path) -> None:
    def dies(handler: BaseHTTPRequestHandler, start: int) -> None:
        if start:
            handler.send_error(503)
        else:
            send(handler, 0, 1000)
            handler.close_connection = True

    with serving(dies) as server, pytest.raises(DownloadError, match="503"):
        fetch(tmp_path, server)
    assert (tmp_path / f"{LAYOUT.archive}.part").read_bytes() == DATA[:1000]
    assert not (tmp_path / LAYOUT.archive).exists()
    with serving(whole) as server:
        assert fetch(tmp_path, server).read_bytes() == DATA
    assert server.ranges == ["bytes=1000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    (tmp_path / f"{LAYOUT.archive}.part").write_bytes(b"x" * 1000)
    with serving(ignores_ranges) as server:
        assert fetch(tmp_path, server).read_bytes() == DATA
    assert server.ranges == ["bytes=1000-"]


def test_a_part_that_is_too_long_is_dropped(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler, start: int) -> None:
        if start >= len(DATA):
            handler.send_error(416)
        else:
            whole(handler, start)

    (tmp_path / f"{LAYOUT.archive}.part").write_bytes(bytes(len(DATA) + 1))
    with serving(answer) as server:
        assert fetch(tmp_path, server).read_bytes() == DATA


def test_a_part_with_wrong_bytes_fails_the_checksum_and_the_next_mirror_starts_afresh(tmp_path: Path) -> None:
    (tmp_path / f"{LAYOUT.archive}.part").write_bytes(b"x" * 1000)
    with serving(whole) as first, serving(whole) as second:
        assert fetch(tmp_path, first, second).read_bytes() == DATA
    assert (first.ranges, second.ranges) == (["bytes=1000-"], [None])


def test_a_wrong_file_is_refused_and_removed(tmp_path: Path) -> None:
    other = bytes([DATA[0] ^ 1]) + DATA[1:]
    with serving(lambda handler, start: send(handler, start, len(other), other)) as server:
        with pytest.raises(DownloadError, match="hash"):
            fetch(tmp_path, server)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_length_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    part = tmp_path / f"{LAYOUT.archive}.part"
    for other in (DATA + b"x", DATA[:-1]):
        for present in (b"", DATA[:1000]):  # answered by 200 and by 206
            part.write_bytes(present)
            with serving(lambda handler, start, data=other: send(handler, start, len(data), data)) as server:
                with pytest.raises(DownloadError, match=f"{len(DATA) - len(present)} bytes to come; got length"):
                    fetch(tmp_path, server)
            assert part.read_bytes() == present


@pytest.mark.parametrize("with_length", [True, False])
def test_a_log_in_page_leaves_what_is_here_alone_and_the_next_mirror_goes_on(with_length: bool, tmp_path: Path) -> None:
    page = b"<html>please log in</html>"

    def portal(handler: BaseHTTPRequestHandler, start: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        if with_length:
            handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.wfile.write(page)

    part = tmp_path / f"{LAYOUT.archive}.part"
    with serving(portal) as server, pytest.raises(DownloadError, match="type text/html"):
        fetch(tmp_path, server)
    assert not part.exists()
    part.write_bytes(DATA[:1000])
    with serving(portal) as first, serving(whole) as second:
        assert fetch(tmp_path, first, second).read_bytes() == DATA
    assert (first.ranges, second.ranges) == (["bytes=1000-"], ["bytes=1000-"])


def test_a_longer_file_of_untold_length_is_refused_before_it_is_all_here(tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler, start: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(DATA + bytes(1 << 20))

    with serving(endless) as server:
        with pytest.raises(DownloadError, match=f"more than the {len(DATA)} bytes"):
            fetch(tmp_path, server)
    assert not (tmp_path / LAYOUT.archive).exists()


def test_an_answer_to_another_range_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"{LAYOUT.archive}.part").write_bytes(DATA[:1000])
    with serving(lambda handler, start: whole(handler, start + 1)) as server:
        with pytest.raises(DownloadError, match="asked for the bytes from 1000 on"):
            fetch(tmp_path, server)
    assert (tmp_path / f"{LAYOUT.archive}.part").read_bytes() == DATA[:1000]


@pytest.mark.parametrize("sent", [0, 1000])
def test_a_server_that_hangs_is_given_up(sent: int, tmp_path: Path) -> None:
    def hangs(handler: BaseHTTPRequestHandler, start: int) -> None:
        if sent:
            send(handler, start, start + sent)
            handler.wfile.flush()
        server.release.wait(20)

    begin = time.monotonic()
    with serving(hangs) as server, serving(whole) as other:
        assert fetch(tmp_path, server, other, timeout=0.2).read_bytes() == DATA
    assert time.monotonic() - begin < 10


def test_mirrors_are_tried_in_turn_and_each_failure_is_told(tmp_path: Path) -> None:
    def gone(handler: BaseHTTPRequestHandler, start: int) -> None:
        handler.send_error(404)

    with serving(gone) as first, serving(gone) as second:
        with pytest.raises(DownloadError) as caught:
            fetch(tmp_path, first, second)
        assert first.url in str(caught.value)
        assert second.url in str(caught.value)
        assert "404" in str(caught.value)
    with serving(gone) as first, serving(whole) as second:
        assert fetch(tmp_path, first, second).read_bytes() == DATA


def test_without_a_network_it_fails_soon_with_an_oserror(tmp_path: Path) -> None:
    with socket.socket() as held:  # a port that is bound but not listening refuses connections
        held.bind(("127.0.0.1", 0))
        mirror = f"http://127.0.0.1:{held.getsockname()[1]}/"
        begin = time.monotonic()
        with pytest.raises(OSError, match=r"put the archive into .* by hand"):
            download_cifar(LAYOUT, tmp_path, mirrors=(mirror, mirror, mirror), progress=False)
        assert time.monotonic() - begin < 5
