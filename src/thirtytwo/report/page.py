"""Renders the report: `index.html`, one file that needs no other, and `report.md` beside its PNG files."""

import base64
import html
import re
import shutil
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from thirtytwo.report.results import Results
from thirtytwo.report.sections import build

__all__ = ["write"]


def write(results: Results, folder: Path) -> None:
    """Replaces `folder` by the report; until all of it is written, the old one stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        new = Path(place) / folder.name
        new.mkdir()
        sections = build(results, new)
        (new / "index.html").write_text(_html(sections, results, new), encoding="utf-8")
        (new / "report.md").write_text(_markdown(sections, results), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        new.replace(folder)


def _environment(autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("thirtytwo.report", "templates"), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _html(sections: list, results: Results, folder: Path) -> str:
    def data_uri(file: str) -> str:
        kind = Path(file).suffix.removeprefix(".")
        return f"data:image/{kind};base64," + base64.b64encode((folder / file).read_bytes()).decode("ascii")

    def marked(text: str) -> Markup:
        return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text)))

    environment = _environment(autoescape=True)
    environment.filters |= {"data_uri": data_uri, "marked": marked, "kind": lambda block: type(block).__name__}
    return environment.get_template("index.html.j2").render(sections=sections, results=results)


def _markdown(sections: list, results: Results) -> str:
    def escaped(text: str) -> str:
        """`text` with everything that Markdown or HTML would read as markup made literal, `code` apart."""
        return "".join(
            f"`{part[1:-1].replace('|', chr(92) + '|')}`" if part.startswith("`") else _literal(part)
            for part in re.split(r"(`[^`\n]*`)", " ".join(text.split()))
        )

    environment = _environment(autoescape=False)
    environment.filters |= {"md": escaped, "kind": lambda block: type(block).__name__}
    return environment.get_template("report.md.j2").render(sections=sections, results=results)


def _literal(text: str) -> str:
    safe = re.sub(r"([\\`*|\[\]#])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\_", safe)
