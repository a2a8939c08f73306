"""Where files come from: each way a server can fail, and each place that can stand in for it."""

import gzip
import hashlib
import os
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gdown
import numpy as np
import pytest
from PIL import Image

from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.catalogue import KNOWN, File
from thirtytwo.data.sources.fetch import Places, fetch
from thirtytwo.runtime.errors import DataError
from thirtytwo.settings.data import Archive, Checkpoint, Digits5k, Folder, Known

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()
MIRROR = os.environ.get("THIRTYTWO_MIRROR")


class Handler(BaseHTTPRequestHandler):
    """Each path is one fault."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.path in ("/404", "/403", "/500"):
            return self.send_error(int(self.path[1:]))
        body, announced, kind = BODY, len(BODY), "application/octet-stream"
        if self.path == "/html":
            body = b"<html>log in first</html>"
            announced, kind = len(body), "text/html; charset=utf-8"
        if self.path in ("/disguised", "/wrong"):
            body = b"<html>sorry</html>" if self.path == "/disguised" else BODY[::-1]
            announced = len(body)
        if self.path == "/short" or (self.path == "/short-once" and len(self.server.asked) == 1):
            body = BODY[:100_000]
        if self.path == "/stall":
            body = BODY[:50_000]
        start = 0
        if self.headers.get("Range") and self.path in ("/good", "/short-once"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(announced - start))
        self.end_headers()
        self.wfile.write(body[start:])
        self.wfile.flush()
        if self.path == "/stall":
            self.server.released.wait(10)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.released = [], threading.Event()
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    httpd.at = lambda *paths: tuple(f"http://127.0.0.1:{httpd.server_port}/{path}" for path in paths)
    yield httpd
    httpd.released.set()
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def places(tmp_path):
    return Places(None, tmp_path / "downloads", tmp_path / "system", timeout=0.4, pause=0.01)


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "status 404"),
        ("403", "status 403"),
        ("500", "status 500"),
        ("html", "HTML page"),
        ("disguised", "the body ended after"),
        ("short", "the body ended after 100000 of 300000"),
        ("stall", "stalled"),
        ("wrong", f"sha256 {hashlib.sha256(BODY[::-1]).hexdigest()}; expected {SHA}"),
    ],
)
def test_each_fault_goes_on_to_the_next_mirror_and_is_told_of_when_all_fail(server, places, tmp_path, fault, reason):
    size = 0 if fault == "disguised" else len(BODY)
    if fault == "disguised":
        reason = f"expected {SHA}"
    bad = File("file.bin", SHA, server.at(fault), size)
    with pytest.raises(DataError) as caught:
        fetch(bad, "kind", tmp_path / "out/file.bin", places)
    assert reason in str(caught.value)
    assert server.at(fault)[0] in str(caught.value)
    assert f"Put a file with sha256 {SHA} at {places.downloads}" in str(caught.value)
    assert left(tmp_path / "out") == []
    started = time.monotonic()
    good = File("file.bin", SHA, server.at(fault, "good"), size)
    assert fetch(good, "kind", tmp_path / "out/file.bin", places).endswith("/good")
    assert (tmp_path / "out/file.bin").read_bytes() == BODY
    assert left(tmp_path) == [f"downloads/{SHA[:12]}-file.bin", "out/file.bin"]
    assert time.monotonic() - started < 5


def test_a_short_body_is_resumed_where_it_ended(server, places, tmp_path):
    fetch(File("file.bin", SHA, server.at("short-once"), len(BODY)), "kind", tmp_path / "file.bin", places)
    assert server.asked == [("/short-once", None), ("/short-once", "bytes=100000-")]
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_part_of_an_earlier_try_is_resumed_or_thrown_away(server, places, tmp_path):
    part = places.downloads / f"{SHA[:12]}-file.bin.part"
    file = File("file.bin", SHA, server.at("good"), len(BODY))
    for content, ranges in [
        (BODY[:200_000], ["bytes=200000-"]),
        (b"x" * 1000, ["bytes=1000-", None]),  # other bytes: the sum is wrong, so it starts afresh
        (b"x" * 300_000, ["bytes=300000-", None]),  # nothing left to send: status 416
    ]:
        places.downloads.mkdir(exist_ok=True)
        for path in places.downloads.iterdir():
            path.unlink()
        part.write_bytes(content)
        server.asked.clear()
        fetch(file, "kind", tmp_path / "file.bin", places)
        assert [asked for _, asked in server.asked] == ranges
        assert (tmp_path / "file.bin").read_bytes() == BODY


def test_an_earlier_download_and_the_mirror_folder_need_no_network(server, places, tmp_path):
    file = File("file.bin", SHA, server.at("good"), len(BODY))
    fetch(file, "kind", tmp_path / "one/file.bin", places)
    server.asked.clear()
    assert fetch(file, "kind", tmp_path / "two/file.bin", places) == "earlier download"
    for place in ("kind/file.bin", "file.bin"):
        mirror = tmp_path / place.replace("/", "-")
        (mirror / place).parent.mkdir(parents=True)
        (mirror / place).write_bytes(BODY)
        elsewhere = Places(mirror, tmp_path / "empty", tmp_path)
        assert fetch(file, "kind", tmp_path / "three/file.bin", elsewhere) == str(mirror / place)
    assert server.asked == []


def test_a_wrong_file_in_the_mirror_is_named_and_passed_over(server, places, tmp_path):
    (tmp_path / "mirror/kind").mkdir(parents=True)
    (tmp_path / "mirror/kind/file.bin").write_bytes(b"fashion, not digits")
    (tmp_path / "mirror/file.bin").write_bytes(BODY)
    mirrored = Places(tmp_path / "mirror", tmp_path / "downloads", tmp_path)
    file = File("file.bin", SHA, (), len(BODY))
    assert fetch(file, "kind", tmp_path / "out", mirrored) == str(tmp_path / "mirror/file.bin")
    (tmp_path / "mirror/file.bin").unlink()
    with pytest.raises(DataError, match=rf"kind/file\.bin: sha256 [0-9a-f]{{64}}; expected {SHA}"):
        fetch(file, "kind", tmp_path / "out2", mirrored)


def test_debians_copy_becomes_the_official_file_to_the_last_bit(places, tmp_path):
    name, time_stamp = "labels-idx1-ubyte.gz", 0x59A7E9DE
    plain = gzip.compress(BODY, mtime=7)
    official = b"\x1f\x8b\x08\x08" + struct.pack("<I", time_stamp) + plain[8:10] + b"labels-idx1-ubyte\0" + plain[10:]
    sha = hashlib.sha256(official).hexdigest()
    path = places.system / "usr/share" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(plain)
    file = File(name, sha, (), len(official), "", f"/usr/share/{name}", time_stamp)
    assert fetch(file, "fashion_mnist", tmp_path / "out.gz", places) == f"package /usr/share/{name}"
    assert (tmp_path / "out.gz").read_bytes() == official
    path.write_bytes(plain[:-100])
    with pytest.raises(DataError, match="Compressed file ended"):
        fetch(file, "fashion_mnist", tmp_path / "out2.gz", places)


def test_google_drive_is_the_last_resort(server, places, tmp_path, monkeypatch):
    def download(id, output, quiet):
        assert id == "some-id"
        if not fails:
            Path(output).write_bytes(BODY)
            return output
        raise RuntimeError("Too many users have viewed\nor downloaded this file recently")

    monkeypatch.setattr(gdown, "download", download)
    file = File("file.bin", SHA, server.at("404"), len(BODY), "some-id")
    fails = True
    with pytest.raises(DataError, match=r"Google Drive some-id \(gdown\): Too many users have viewed or downloaded"):
        fetch(file, "kind", tmp_path / "out", places)
    fails = False
    assert fetch(file, "kind", tmp_path / "out", places) == "Google Drive some-id"
    assert (tmp_path / "out").read_bytes() == BODY


def test_no_server_at_all_and_no_http_address(places, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = (f"http://127.0.0.1:{closed.getsockname()[1]}/x", "file:///etc/passwd")
        with pytest.raises(DataError, match="no connection") as caught:
            fetch(File("x", SHA, urls), "kind", tmp_path / "out", places)
    assert "file:///etc/passwd: not an http or https address" in str(caught.value)
    assert "THIRTYTWO_MIRROR" in str(caught.value)


def test_an_archive_source_and_a_failed_one(server, places, tmp_path):
    source = Archive(kind="archive", file="sub/own.tar", sha256=SHA, urls=list(server.at("404", "good")))
    assert acquire(source, tmp_path / "raw", places, tmp_path) == {"sub/own.tar": server.at("good")[0]}
    assert left(tmp_path / "raw") == ["own.tar"]
    bad = Archive(kind="archive", file="own.tar", sha256="0" * 64, urls=list(server.at("good")))
    with pytest.raises(DataError, match=f"sha256 {SHA}; expected {'0' * 64}"):
        acquire(bad, tmp_path / "raw", places, tmp_path)
    assert left(tmp_path / "raw") == ["own.tar"]
    assert [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []


def test_folder_source(places, tmp_path):
    (tmp_path / "mine/cat").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "mine/cat/a.PNG")
    (tmp_path / "mine/cat/notes.txt").write_text("no image")
    source = Folder(kind="folder", path="mine")
    (tmp_path / "raw/old").mkdir(parents=True)
    assert acquire(source, tmp_path / "raw", places, tmp_path) == {"*": "mine"}
    assert left(tmp_path / "raw") == ["cat/a.PNG"]
    with pytest.raises(DataError, match="nowhere: no such folder"):
        acquire(Folder(kind="folder", path="nowhere"), tmp_path / "raw2", places, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no image files"):
        acquire(Folder(kind="folder", path="empty"), tmp_path / "raw2", places, tmp_path)
    assert not (tmp_path / "raw2").exists()


@pytest.mark.parametrize("known", [SHA, ""])
def test_checkpoint_comes_from_the_mirror_or_from_drive(known, tmp_path, monkeypatch):
    source = Checkpoint(kind="checkpoint", file="w.pth", sha256=known, drive_id="some-id")
    asked = []

    def download(id, output, quiet):
        asked.append(id)
        Path(output).write_bytes(BODY)

    monkeypatch.setattr(gdown, "download", download)
    places = Places(tmp_path / "mirror", tmp_path / "downloads", pause=0.0)
    assert acquire(source, tmp_path / "raw", places, tmp_path) == {"w.pth": "Google Drive some-id"}
    assert asked == ["some-id"]
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/w.pth").write_bytes(BODY)
    assert acquire(source, tmp_path / "raw", places, tmp_path) == {"w.pth": str(tmp_path / "mirror/w.pth")}
    assert asked == ["some-id"]


def test_checkpoint_that_is_nowhere_says_where_to_put_it(tmp_path):
    source = Checkpoint(kind="checkpoint", file="w.pth", sha256="", drive_id="")
    with pytest.raises(DataError, match=r"Put the file at .*w\.pth"):
        acquire(source, tmp_path / "raw", Places(None, tmp_path / "downloads"), tmp_path)


def test_digits5k(places, tmp_path):
    acquire(Digits5k(kind="digits5k"), tmp_path / "raw", places, tmp_path)
    with np.load(tmp_path / "raw/digits5k.npz") as arrays:
        assert arrays["images"].shape == (5000, 28, 28)
        assert np.bincount(arrays["labels"]).tolist() == [500] * 10
        if MIRROR:  # they are MNIST training images, with their labels
            mnist = Path(MIRROR) / "mnist"
            images = np.frombuffer(gzip.decompress((mnist / "train-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
            labels = gzip.decompress((mnist / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
            known = {image.tobytes(): label for image, label in zip(images.reshape(-1, 784), labels, strict=True)}
            found = [known.get(image.tobytes()) for image in arrays["images"]]
            assert found == arrays["labels"].tolist()


def test_the_catalogue_is_well_formed():
    for files in KNOWN.values():
        for file in files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.size > 0
            assert all(url.startswith("http") and url.endswith(file.name) for url in file.urls)
    assert len({file.sha256 for files in KNOWN.values() for file in files}) == 10


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
@pytest.mark.parametrize("kind", ["mnist", "fashion_mnist"])
def test_real_archives_from_the_mirror(tmp_path, kind):
    served = acquire(Known(kind=kind), tmp_path / "raw", Places(Path(MIRROR), tmp_path / "downloads"), tmp_path)
    assert set(served) == {file.name for file in KNOWN[kind]}
    assert all(place.startswith(MIRROR) for place in served.values())
    assert not (tmp_path / "downloads").exists()
