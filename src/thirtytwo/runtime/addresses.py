"""Redirects stay on the web: none leads to this machine or to a private network.

The address that a user or the catalogue gives is trusted, wherever it is: it may be a mirror in one's own network. A server
that answers with a redirect is not: what it names must have a public address, unless it is the given host itself. The
address is that of the connection, so that a name which resolves to a private one is refused as well, before anything is sent.
"""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["DownloadError", "PublicAdapter", "gdown_stays_public", "is_public"]


class DownloadError(Exception):
    """A URL does not serve the file; the message is the reason, in one line."""


def is_public(address: str) -> bool:
    """Whether an IP address is neither of this machine nor of a private network, a link or a group."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast


def _check(host: str, address: str) -> None:
    if not is_public(address):
        where = host if host == address else f"{host} ({address})"
        raise DownloadError(
            f"redirected to {where}, which is not a public address; give the address itself if it is meant"
        )


class _Checked:
    """A connection whose other end is checked before anything is sent."""

    host: str

    def _new_conn(self) -> socket.socket:
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            _check(self.host, opened.getpeername()[0])
        except DownloadError:
            opened.close()
            raise
        return opened


class _Plain(_Checked, HTTPConnection):
    pass


class _Encrypted(_Checked, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class PublicAdapter(HTTPAdapter):
    """Connects to public addresses only. Behind a proxy, which looks names up itself, only an address in the URL is checked."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request.

        Raises:
            DownloadError: its address is not public.
        """
        host = str(urlsplit(request.url or "").hostname)
        with suppress(ValueError):  # another name is looked up when the connection is made
            _check(host, "127.0.0.1" if host == "localhost" else host)
        return super().send(request, *args, **kwargs)


@contextmanager
def gdown_stays_public() -> Iterator[None]:
    """Sessions that are made inside, such as gdown's, which cannot be passed to it, have a `PublicAdapter`."""
    former = requests.sessions.HTTPAdapter
    requests.sessions.HTTPAdapter = PublicAdapter
    try:
        yield
    finally:
        requests.sessions.HTTPAdapter = former
