"""Render the report: `index.html`, one self-contained file, and `report.md`, a front page with its pictures.

The page shows durations, so its bytes differ between executions; those of report.md and figures/ do not.
"""

import base64
import hashlib
import html
import re
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from latex2mathml.converter import convert
from markupsafe import Markup
from PIL import Image

from thirtytwo.report.blocks import Block, Card, Gallery, Section, Showcase
from thirtytwo.report.courses import COURSES
from thirtytwo.report.courses import sections as course_sections
from thirtytwo.report.results import Results
from thirtytwo.report.sections import Report, build
from thirtytwo.runtime.files import replacing
from thirtytwo.runtime.files import write as replace_file

__all__ = ["write", "write_course"]

_SYMBOL = re.compile(r"\b([xyμΣ]|ᾱ|α\u0304)_([0ijrgst])\b")  # of a formula, with its index


def write(results: Results, folder: Path) -> None:
    """Replace `folder` with the report. The old report stays until the new one is complete."""
    with replacing(folder) as new:
        figures = new / "figures"
        figures.mkdir(parents=True)
        report = build(results, figures)
        page = _html("Image generators at 32x32, compared", report.sections, results, figures)
        (new / "index.html").write_text(page, encoding="utf-8")
        (new / "report.md").write_text(_markdown(report, results), encoding="utf-8")
        for name in {path.name for path in figures.iterdir()} - set(_files(report.front)):
            (figures / name).unlink()


def write_course(results: Results, course: str, path: Path) -> None:
    """Write one self-contained page with the questions of `course`, a key of `COURSES`, in its order."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder)
        parts = course_sections(results, course, figures)
        page = _html(f"{COURSES[course].title}, question by question", parts, results, figures)
    replace_file(path, page.encode())


def _files(blocks: list[Block]) -> list[str]:
    """Names of all pictures of `blocks`."""
    files = []
    for block in blocks:
        if isinstance(block, Gallery):
            files += [picture.file for picture in block.pictures]
        elif isinstance(block, Showcase):
            files += [card.picture.file for card in block.cards]
    return files


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("thirtytwo.report", "templates"), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment


def _html(title: str, sections: list[Section], results: Results, folder: Path) -> str:
    def data_uri(file: str) -> str:
        kind = Path(file).suffix.removeprefix(".")
        return f"data:image/{kind};base64," + base64.b64encode((folder / file).read_bytes()).decode("ascii")

    def size(file: str) -> tuple[int, int]:
        with Image.open(folder / file) as image:
            return image.size

    def digest(content: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")

    def marked(text: str) -> Markup:
        parts = re.split(r"`([^`]*)`", html.escape(text))
        parts[::2] = [_SYMBOL.sub(r"\1<sub>\2</sub>", part) for part in parts[::2]]
        parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
        return Markup("".join(parts))

    environment = _environment(autoescape=True)
    environment.filters |= {
        "data_uri": data_uri,
        "digest": digest,
        "size": size,
        "marked": marked,
        "mathml": lambda latex: Markup(convert(latex, display="block")),
    }
    assert environment.loader is not None
    style, script = (environment.loader.get_source(environment, name)[0] for name in ("style.css", "script.js"))
    widths = sorted({size(str(path.relative_to(folder)))[0] for path in folder.rglob("*.webp")})
    style += "".join(f".w{width} {{ --w: {width}; }}\n" for width in widths)  # the policy forbids style attributes
    return environment.get_template("index.html.j2").render(
        title=title, sections=sections, results=results, style=Markup(style), script=Markup(script)
    )


def _markdown(report: Report, results: Results) -> str:
    def escaped(text: str) -> str:
        """`text` with everything that Markdown or HTML would read as markup made literal, except `code`."""
        return "".join(
            f"`{part[1:-1].replace('|', chr(92) + '|')}`" if part.startswith("`") else _literal(part)
            for part in re.split(r"(`[^`\n]*`)", " ".join(text.split()))
        )

    def image(card: Card) -> str:
        return f"![{escaped(card.picture.alt)}](figures/{card.picture.file})"

    environment = _environment(autoescape=False)
    environment.filters |= {
        "md": escaped,
        "cell": lambda text: " ".join(map(escaped, text.split("\n"))),
        "image": image,
    }
    return environment.get_template("report.md.j2").render(blocks=report.front, results=results)


def _literal(text: str) -> str:
    safe = re.sub(r"([\\`*|\[\]#])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\_", safe)
