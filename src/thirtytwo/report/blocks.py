"""What a report is made of. A section is a list of these blocks, and the HTML and Markdown templates render each kind
once, so a new section is one function in `sections` and needs no markup."""

from dataclasses import dataclass, field

__all__ = ["Block", "Code", "Equation", "Gallery", "Notice", "Picture", "Row", "Section", "Table", "Text"]

# `timed` blocks show durations, which differ from one run to the next. They are on the page, which DVC does not track,
# and not in report.md, which it does.


@dataclass(frozen=True)
class Text:
    """A paragraph that opens with `lead` in bold; plain text, in which `backticks` mark names and commands."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Notice:
    """Something the reader must not overlook, such as a missing run."""

    text: str


@dataclass(frozen=True)
class Row:
    """A row of a table: its header cell, the other cells, and a word that marks it out ("best").

    What follows the first line of a cell, such as an interval, is set below it in small type.
    """

    header: str
    cells: list[str]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `numeric` says of each column whether it holds numbers, `folded` hides it until asked for."""

    caption: str
    columns: list[str]
    rows: list[Row]
    numeric: list[bool]
    folded: bool = False
    timed: bool = False


@dataclass(frozen=True)
class Picture:
    """A WebP in the report's folder. `alt` says what it shows to those who cannot see it."""

    file: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side.

    `kind` is "pixels" (32x32 images, enlarged by whole pixels) or "plot" (on white, also on a dark page); `folded`
    hides them until asked for.
    """

    caption: str
    kind: str
    pictures: list[Picture]
    folded: bool = False
    timed: bool = False


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width font: commands, YAML."""

    caption: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Equation:
    """A formula as MathML for the page and as LaTeX for Markdown."""

    mathml: str
    latex: str


Block = Text | Notice | Table | Gallery | Code | Equation


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `anchor` is its id in the page."""

    title: str
    anchor: str
    blocks: list[Block]
    sections: list["Section"] = field(default_factory=list)
