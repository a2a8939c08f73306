"""Downloads from a server with faults: what is repeated, what is resumed, and the reason when it fails."""

import socket
from pathlib import Path

import pytest
import requests

from file_server import BODY, Server, serving
from thirtytwo.runtime.addresses import DownloadError, PublicAdapter, is_public
from thirtytwo.runtime.download import download, status

TIMEOUT, PAUSE = 10, 0.01


def download_here(url: str, part: Path, size: int = len(BODY), timeout: float = TIMEOUT) -> None:
    download(url, part, size, timeout, PAUSE)


@pytest.mark.parametrize("path", ["good", "redirect", "chunked", "encoded", "reset-once", "503-once", "429-once"])
@pytest.mark.parametrize("size", [0, len(BODY)])
def test_downloads_all_bytes_despite_what_passes(server: Server, tmp_path: Path, path: str, size: int):
    download_here(*server.urls(path), tmp_path / "part", size)
    assert (tmp_path / "part").read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "requests", "reason"),
    [
        ("404", 1, "status 404"),
        ("403", 1, "status 403"),
        ("429", 3, "status 429"),
        ("500", 3, "status 500"),
        ("503", 3, "status 503"),
        ("reset", 3, "no response"),
        ("html", 1, "HTML page"),
        ("large", 1, "300001 bytes; expected 300000"),
        ("endless", 1, "expected 300000 bytes"),
        ("short", 3, "100000"),
        ("disguised", 3, "18 of 300000"),
    ],
)
def test_each_fault_has_its_number_of_requests_and_its_reason(
    server: Server, tmp_path: Path, path: str, requests: int, reason: str
):
    with pytest.raises(DownloadError, match=reason) as caught:
        download_here(*server.urls(path), tmp_path / "part")
    assert "\n" not in str(caught.value)
    assert len(server.requests) == requests


@pytest.mark.parametrize(("path", "most"), [("stall", 50_000), ("trickle", 400)])
def test_a_stall_and_a_trickle_end_after_the_time_out(server: Server, tmp_path: Path, path: str, most: int):
    with pytest.raises(DownloadError, match="stalled"):
        download_here(*server.urls(path), tmp_path / "part", timeout=0.4)
    assert len(server.requests) == 1
    assert 0 < (tmp_path / "part").stat().st_size <= most  # of a trickle, each single byte is in time


def test_a_body_that_ends_early_is_resumed_where_it_ended(server: Server, tmp_path: Path):
    download_here(*server.urls("short-once"), tmp_path / "part")
    assert server.requests == [("/short-once", None), ("/short-once", "bytes=100000-")]
    assert (tmp_path / "part").read_bytes() == BODY


def test_a_part_is_continued_replaced_or_thrown_away(server: Server, tmp_path: Path):
    part = tmp_path / "part"
    for path, length, ranges in [
        ("good", 200_000, ["bytes=200000-"]),
        ("chunked", 200_000, ["bytes=200000-"]),  # sends the file from its start
        ("good", 300_000, ["bytes=300000-", None]),  # nothing left to send: status 416
    ]:
        part.write_bytes(BODY[:length])
        server.requests.clear()
        download_here(*server.urls(path), part)
        assert [value for _, value in server.requests] == ranges
        assert part.read_bytes() == BODY


def test_another_range_than_the_requested_one_is_refused(server: Server, tmp_path: Path):
    (tmp_path / "part").write_bytes(BODY[:1000])
    with pytest.raises(DownloadError, match="bytes 0-299999/300000 instead of 1000-"):
        download_here(*server.urls("elsewhere"), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY[:1000]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/x", "file:///etc/passwd", "http://", "nonsense"])
def test_the_reason_of_no_connection_is_short(tmp_path: Path, url: str):
    url = url.format(port=closed_port())
    with pytest.raises(DownloadError, match="no response") as caught:
        download_here(url, tmp_path / "part")
    assert len(str(caught.value)) < 120
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)  # the address of an object, with which urllib3 begins


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/good", "http://localhost:{port}/good", "http://0.0.0.0:{port}/good",
        "http://2130706433:{port}/good", "http://127.1:{port}/good",
        "http://private.example:{port}/good", "https://private.example:{port}/good", "//private.example:{port}/good",
    ],
)  # fmt: skip
def test_a_redirect_to_a_private_address_is_refused_before_anything_is_sent(
    server: Server, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
):
    resolve = socket.getaddrinfo
    names = {"private.example": "127.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest: resolve(names.get(host, host), *rest))
    with serving() as inside:
        url = server.urls(f"redirect?{target.format(port=inside.server_port)}")[0]
        with pytest.raises(DownloadError, match="not a public address") as caught:
            download_here(url, tmp_path / "part")
        assert inside.requests == []
        assert "not a public address" in status(url, TIMEOUT)
        assert inside.requests == []
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/good", "data:,x", "gopher://127.0.0.1/good"])
def test_a_redirect_to_another_scheme_is_refused(server: Server, tmp_path: Path, target: str):
    with pytest.raises(DownloadError, match="no response"):
        download_here(server.urls(f"redirect?{target}")[0], tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]"])
def test_behind_a_proxy_a_private_address_in_a_redirect_is_refused(server: Server, host: str):
    request = requests.Request("GET", f"http://{host}:{server.server_port}/good").prepare()
    with pytest.raises(DownloadError, match="not a public address"):
        PublicAdapter().send(request, proxies={"http": server.urls("")[0]})
    assert server.requests == []


def test_a_mirror_in_a_network_of_one_s_own_may_be_named_and_may_redirect_to_itself(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest: resolve("127.0.0.1" if host == "mirror.corp" else host, *rest)
    )
    own = f"http://mirror.corp:{server.server_port}"
    for path in ("/good", "/redirect", f"/redirect?{own}/good"):
        download_here(f"{own}{path}", tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == BODY
        (tmp_path / "part").unlink()


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "2002:0a00:0001::",
])  # fmt: skip
def test_private_addresses(address: str):  # RFC 6890
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str):
    assert is_public(address)


def test_status_of_a_url(server: Server):
    statuses = [status(url, TIMEOUT) for url in server.urls("good", "redirect", "404", "500")]
    assert statuses == ["200", "200", "404", "500"]
    assert "refused" in status(f"http://127.0.0.1:{closed_port()}/x", TIMEOUT)
