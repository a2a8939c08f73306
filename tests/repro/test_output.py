import io
import os
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from thirtytwo.repro.output import Progress, as_shown, captured, progress


def bar(**options: object) -> str:
    stream = io.StringIO()
    with tqdm(total=40, file=stream, ncols=100, **options) as shown:
        shown.update(10)
        shown.set_postfix_str("loss=0.5, kl=2")
    return stream.getvalue().split("\r")[-1]


def test_reads_the_bar_that_tqdm_prints() -> None:
    seen = progress(bar(desc="train vae", unit="step"))
    assert (seen.text, seen.percent, seen.steps, seen.terms) == ("train vae", 25, "10/40", "loss=0.5, kl=2")
    assert seen.left == "00:00"
    assert progress(bar()).text == ""


def test_another_line_is_its_text() -> None:
    assert progress("  resumed at step 3 of 9 ") == Progress("resumed at step 3 of 9")


def test_of_a_line_without_end_the_beginning_is_parsed() -> None:
    assert progress("a: " * 1000) == Progress(("a: " * 334)[:1000])


def test_a_carriage_return_starts_the_line_again() -> None:
    assert as_shown("one\n 1%\r 2%\r 3%\r\nend\n") == "one\n 3%\nend\n"


def test_captures_what_children_print(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs/stage.log"
    with capfd.disabled(), captured(log, lambda line: None):
        print("from Python")
        os.system("echo out; echo error >&2; printf '1%%\\r2%%\\n'")
    assert log.read_text(encoding="utf-8") == "from Python\nout\nerror\n2%\n"


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Progress] = []
    with capfd.disabled(), captured(tmp_path / "stage.log", lambda line: seen.append(line) if line else None):
        os.system(r"printf '\377a\n'")
        deadline = time.monotonic() + 60
        while not seen and time.monotonic() < deadline:
            time.sleep(0.05)
    assert seen == [Progress("\ufffda")]
    assert (tmp_path / "stage.log").read_text(encoding="utf-8") == "\ufffda\n"
