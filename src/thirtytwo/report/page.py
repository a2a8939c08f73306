"""Renders the report: `index.html`, one file that needs no other, and `report.md` with its pictures.

The page shows durations as well, so its bytes differ from one run to the next; report.md and figures/ do not.
"""

import base64
import html
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from thirtytwo.report.blocks import Block, Gallery, Section, Table
from thirtytwo.report.results import Results
from thirtytwo.report.sections import build

__all__ = ["write"]


def write(results: Results, folder: Path) -> None:
    """Replaces `folder` by the report; until all of it is written, the old one stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        new = Path(place) / folder.name
        new.mkdir()
        figures = new / "figures"
        figures.mkdir()
        sections = build(results, figures)
        (new / "index.html").write_text(_html(sections, results, figures), encoding="utf-8")
        lasting = [_lasting(section) for section in sections]
        (new / "report.md").write_text(_markdown(lasting, results), encoding="utf-8")
        for file in {path.name for path in figures.iterdir()} - set(_files(lasting)):
            (figures / file).unlink()
        if folder.exists():
            shutil.rmtree(folder)
        new.replace(folder)


def _lasting(section: Section) -> Section:
    """`section` without the blocks that show durations."""
    blocks = [block for block in section.blocks if not _timed(block)]
    return replace(section, blocks=blocks, sections=[part for part in map(_lasting, section.sections) if part.blocks])


def _files(sections: list[Section]) -> list[str]:
    """Names of all pictures."""
    files = [picture.file for section in sections for block in section.blocks if isinstance(block, Gallery)
             for picture in block.pictures]  # fmt: skip
    return files + [file for section in sections for file in _files(section.sections)]


def _timed(block: Block) -> bool:
    return isinstance(block, Table | Gallery) and block.timed


def _environment(autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("thirtytwo.report", "templates"), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _html(sections: list[Section], results: Results, folder: Path) -> str:
    def data_uri(file: str) -> str:
        kind = Path(file).suffix.removeprefix(".")
        return f"data:image/{kind};base64," + base64.b64encode((folder / file).read_bytes()).decode("ascii")

    def size(file: str) -> tuple[int, int]:
        with Image.open(folder / file) as image:
            return image.size

    def marked(text: str) -> Markup:
        return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text)))

    environment = _environment(autoescape=True)
    environment.filters |= {
        "data_uri": data_uri,
        "size": size,
        "marked": marked,
        "kind": lambda block: type(block).__name__,
    }
    return environment.get_template("index.html.j2").render(sections=sections, results=results)


def _markdown(sections: list[Section], results: Results) -> str:
    def escaped(text: str) -> str:
        """`text` with everything that Markdown or HTML would read as markup made literal, `code` apart."""
        return "".join(
            f"`{part[1:-1].replace('|', chr(92) + '|')}`" if part.startswith("`") else _literal(part)
            for part in re.split(r"(`[^`\n]*`)", " ".join(text.split()))
        )

    environment = _environment(autoescape=False)
    environment.filters |= {
        "md": escaped,
        "cell": lambda text: "<br>".join(map(escaped, text.split("\n"))),
        "kind": lambda block: type(block).__name__,
    }
    return environment.get_template("report.md.j2").render(sections=sections, results=results)


def _literal(text: str) -> str:
    safe = re.sub(r"([\\`*|\[\]#])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\_", safe)
