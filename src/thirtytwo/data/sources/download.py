"""One file over HTTP: time-outs, resuming, and a reason when it does not come."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

__all__ = ["BrokenOffError", "RefusedError", "resume"]

_CHUNK = 1 << 16


class RefusedError(Exception):
    """This address will not serve the file; another may."""


class BrokenOffError(Exception):
    """This address served a part, or is overloaded; asking again may bring the rest."""


def resume(url: str, part: Path, size: int, timeout: float) -> None:
    """Downloads `url` to `part`, going on where an earlier call left off if the server can.

    Args:
        size: of the file in bytes, 0 if not known; a longer body is refused.
        timeout: seconds to connect, and without a byte; also the window in which 1 kB/s must arrive.

    Raises:
        RefusedError: not http(s), a status of 4xx, no connection, an HTML page, or a stall; the part remains.
        BrokenOffError: a status of 429 or 5xx, a lost connection, or a body shorter than announced; the part remains.
        OSError: `part` cannot be written.
    """
    if not url.startswith(("https://", "http://")):
        raise RefusedError("not an http or https address")
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "thirtytwo", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing after what is there: whole, or longer than the file
            part.unlink()
            raise BrokenOffError("the part from an earlier try does not fit") from None
        kind = BrokenOffError if error.code == 429 or error.code >= 500 else RefusedError
        raise kind(f"status {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RefusedError(f"no connection ({_words(error)})") from None
    with response:
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise RefusedError("an HTML page instead of the file")
        resumes = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 206 and not resumes:
            raise RefusedError(f"range {response.headers.get('Content-Range')} instead of {start}-")
        _receive(response, part, start if resumes else 0, size, timeout)


def _receive(response: http.client.HTTPResponse, part: Path, start: int, size: int, timeout: float) -> None:
    announced = response.headers.get("Content-Length")
    total = start + int(announced) if announced and announced.isdigit() else size
    if size and total > size:
        raise RefusedError(f"{total} bytes; expected {size}")
    received, window, window_start = start, start, time.monotonic()
    bar = tqdm(total=total or None, initial=start, unit="B", unit_scale=True, desc=part.stem)
    with part.open("ab" if start else "wb") as stream, bar:
        while chunk := _read(response):
            stream.write(chunk)
            bar.update(len(chunk))
            received += len(chunk)
            if size and received > size:
                raise RefusedError(f"more than the expected {size} bytes")
            elapsed = time.monotonic() - window_start
            if elapsed > timeout:
                if received - window < 1000 * elapsed:
                    raise RefusedError(f"stalled: {received - window} bytes in {elapsed:.0f} s")
                window, window_start = received, time.monotonic()
    if total and received < total:
        raise BrokenOffError(f"the body ended after {received} of {total} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except TimeoutError:
        raise RefusedError("stalled: no byte within the time-out") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOffError(f"connection lost ({_words(error)})") from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
