"""A small archive on the loopback interface: strain files that can be cut short, and the archive's JSON."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from skyneedle.strain.fetch.gwosc_files import write_gwosc

START = 1126256640  # a 4096-s boundary of O1's files


@dataclass
class Archive:
    """Files and answers of the server, what it was asked, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    cut_at: dict[str, list[int]] = field(
        default_factory=dict
    )  # bytes after which a connection closes, one a request
    stall_at: dict[str, int] = field(default_factory=dict)  # bytes after which nothing more comes, once
    silent: set[str] = field(default_factory=set)  # names for which nothing is ever answered
    busy: dict[str, int] = field(default_factory=dict)  # number of 503 before an answer
    no_length: bool = False
    ranges: bool = True
    released: threading.Event = field(default_factory=threading.Event)  # lets stalled answers end
    url: str = ""

    def asked(self, name: str, method: str = "GET") -> list[str]:
        """Range headers of the requests for one name."""
        return [r for m, path, r in self.requests if m == method and path.endswith(name)]


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = urlsplit(self.path).path
            name = path.rsplit("/", 1)[-1]
            archive.requests.append((self.command, path, self.headers.get("Range", "")))
            if name in archive.silent:
                time.sleep(0.6)
                return
            if archive.busy.get(name, 0) > 0:
                archive.busy[name] -= 1
                self.send(503, b"busy", "text/plain", body)
            elif path in archive.answers:
                found = archive.answers[path]
                found = found(parse_qs(urlsplit(self.path).query)) if callable(found) else found
                self.send(200, json.dumps(found).encode(), "application/json", body)
            elif name in archive.files:
                self.send_file(name, body)
            else:
                self.send(404, b"<html>not here</html>", "text/html", body)

        def send_file(self, name: str, body: bool) -> None:
            data, start, code = archive.files[name], 0, 200
            wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            headers = {}
            if wanted and archive.ranges:
                start, code = int(wanted.group(1)), 206
                if start >= len(data):
                    self.send(416, b"", "text/plain", body, {"Content-Range": f"bytes */{len(data)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            kind = "text/html" if data.lstrip()[:5].lower() == b"<html" else "application/octet-stream"
            cuts = archive.cut_at.get(name, [])
            limit = cuts.pop(0) if cuts and body else None
            stall = archive.stall_at.pop(name, None) if body else None
            self.send(code, data[start:], kind, body, headers, limit if stall is None else stall, stall)

        def send(self, code, data, kind, body, headers=None, limit=None, stall=None) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            if not archive.no_length:
                self.send_header("Content-Length", str(len(data)))
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data[:limit])
                if stall is not None:
                    self.wfile.flush()
                    archive.released.wait(20)

    return Handler


@pytest.fixture
def archive() -> Iterator[Archive]:
    state = Archive()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


def write_noise(folder: Path, detector: str, start: int, duration: int, *, rate: int = 4096, **masks) -> Path:
    """A noise file under the archive's naming; at a low rate where only masks matter."""
    values = np.random.default_rng(start + ord(detector[0])).normal(scale=1e-19, size=duration * rate)
    path = folder / f"{detector[0]}-{detector}_LOSC_4_V1-{start}-{duration}.hdf5"
    write_gwosc(path, values, start, detector, rate, **masks)
    return path


@pytest.fixture
def make_strain() -> Callable[..., Path]:
    """Writes a noise file and returns its path; see `write_noise`."""
    return write_noise


@pytest.fixture
def strain_file(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "origin", "H1", START, 4)
