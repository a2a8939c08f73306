"""One file over HTTP: retries, resuming, and a reason in one line where it fails."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry

from thirtytwo.runtime.addresses import DownloadError, PublicAdapter

__all__ = ["DownloadError", "download", "status"]

_HEADERS = {"User-Agent": "thirtytwo", "Accept-Encoding": "identity"}
_RETRIES = 2  # of a request without a usable response, and of a body that ends early
_CHUNK = 1 << 16  # bytes
_SLOWEST = 1000  # bytes per second
_LONGEST_PAUSE = 60  # seconds, whatever a server's Retry-After header demands


class _InterruptedError(DownloadError):
    """The transfer ended early; another request may bring the rest."""


def download(url: str, part: Path, size: int, timeout: float, pause: float) -> None:
    """Download `url` to `part`, continuing what an earlier call left there if the server supports it.

    Requests are repeated twice after a connection error or a status of 429 or 5xx. Redirects are followed to the same host
    and to public addresses.

    Args:
        size: of the file in bytes, 0 if unknown; a longer body is refused.
        timeout: seconds to connect, and to wait for a byte; also the window in which 1 kB/s must arrive.
        pause: seconds, from which urllib3 computes growing waits between repeated requests.

    Raises:
        DownloadError: connection error, a redirect elsewhere, status of 4xx or 5xx, an HTML page, a stall, or a body of the wrong length;
            `part` keeps what has arrived.
        OSError: `part` cannot be written.
    """
    with _session(url, pause) as session:
        for retries_left in reversed(range(1 + _RETRIES)):
            try:
                return _continue(session, url, part, size, timeout)
            except _InterruptedError:
                if not retries_left:
                    raise


def status(url: str, timeout: float) -> str:
    """The HTTP status of `url`, or the reason why it does not respond."""
    try:
        with _session(url) as session, session.head(url, timeout=timeout, allow_redirects=True) as response:
            return str(response.status_code)
    except (requests.RequestException, DownloadError) as error:
        return _root_cause(error)


def _session(url: str, pause: float | None = None) -> requests.Session:
    """A session for `url`; without `pause` it repeats no request."""
    retry = (
        0
        if pause is None
        else Retry(
            total=_RETRIES,
            status_forcelist=(429, *range(500, 600)),
            backoff_factor=pause,
            retry_after_max=_LONGEST_PAUSE,
            raise_on_status=False,
        )
    )
    session = requests.Session()
    session.headers.update(_HEADERS)
    for scheme in ("http://", "https://"):
        session.mount(scheme, PublicAdapter(max_retries=retry))
    given = urlsplit(url)
    if given.scheme in ("http", "https") and given.netloc:  # requests takes the adapter with the longest prefix
        session.mount(f"{given.scheme}://{given.netloc}/", HTTPAdapter(max_retries=retry))
    return session


def _continue(session: requests.Session, url: str, part: Path, size: int, timeout: float) -> None:
    """Request what `part` lacks and append it, or replace `part` if the server sends the file from its start."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = session.get(url, headers=headers, timeout=timeout, stream=True)
    except requests.RequestException as error:
        raise DownloadError(f"no response ({_root_cause(error)})") from None
    with response:
        if response.status_code == 416:  # nothing follows the part: it is complete, or longer than the file
            part.unlink(missing_ok=True)
            raise _InterruptedError("status 416: the partial download does not fit the file")
        if response.status_code not in (200, 206):
            raise DownloadError(f"status {response.status_code} {response.reason}")
        if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
            raise DownloadError("an HTML page instead of the file")
        if response.status_code == 200:
            start = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise DownloadError(f"range {response.headers.get('Content-Range')} instead of {start}-")
        _receive(response, part, start, size, timeout)


def _receive(response: requests.Response, part: Path, start: int, size: int, timeout: float) -> None:
    announced = response.headers.get("Content-Length", "")
    total = start + int(announced) if announced.isdigit() else size
    if size and total > size:
        raise DownloadError(f"{total} bytes; expected {size}")
    received, window, window_start = start, start, time.monotonic()
    bar = tqdm(total=total or None, initial=start, unit="B", unit_scale=True, desc=part.stem)
    with part.open("ab" if start else "wb") as stream, bar:
        while chunk := _read(response.raw):
            stream.write(chunk)
            bar.update(len(chunk))
            received += len(chunk)
            if size and received > size:
                raise DownloadError(f"more than the expected {size} bytes")
            elapsed = time.monotonic() - window_start
            if elapsed > timeout:
                if received - window < _SLOWEST * elapsed:
                    raise DownloadError(f"stalled: {received - window} bytes in {elapsed:.0f} s")
                window, window_start = received, time.monotonic()
    if received < size:
        raise _InterruptedError(f"the body ended after {received} of {size} bytes")


def _read(body: Any) -> bytes:
    """The bytes that have arrived, at least one; none at the end.

    `requests` itself would wait until a whole chunk has arrived, during which a slow server goes unnoticed.
    """
    try:
        return body.read1(_CHUNK, decode_content=False)
    except ReadTimeoutError:
        raise DownloadError("stalled: no byte within the time-out") from None
    except HTTPError as error:
        raise _InterruptedError(f"connection lost ({_root_cause(error)})") from None


def _root_cause(error: BaseException) -> str:
    """The message of the exception that started a chain, in one line; those around it repeat the URL and more."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join(str(error).split()) or type(error).__name__
