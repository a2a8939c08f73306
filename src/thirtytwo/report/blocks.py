"""The building blocks of a report.

A section is a list of blocks, and the templates render each kind of block once. A new section is therefore one function
that returns blocks; it contains no markup.
"""

from dataclasses import dataclass, field

__all__ = ["Block", "Card", "Code", "Equation", "Gallery", "Notice", "Picture", "Row", "Section", "Showcase", "Table",
           "Text"]  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text, in which `backticks` mark names and commands; `lead` opens it in bold."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Notice:
    """A warning that the reader must not overlook, such as a missing run."""

    text: str


@dataclass(frozen=True)
class Row:
    """A row of a table: its header cell, the other cells and a badge ("best").

    The lines of a cell after the first, such as an interval, appear below it in small type.
    """

    header: str
    cells: list[str]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        numeric: whether each column holds numbers.
        folded: the table is closed until the reader opens it.
        help: explanations of columns by their titles.
    """

    caption: str
    columns: list[str]
    rows: list[Row]
    numeric: list[bool]
    folded: bool = False
    help: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A WebP file in the report's folder; `alt` describes it to readers who cannot see it."""

    file: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side.

    `kind` is "pixels" (32x32 images, enlarged by whole pixels) or "plot" (dark on white, inverted on a dark page).
    """

    caption: str
    kind: str
    pictures: list[Picture]
    folded: bool = False


@dataclass(frozen=True)
class Card:
    """A few images with a title, a badge and lines of text; `tone` is "plain", "good", "fair" or "bad"."""

    title: str
    badge: str
    tone: str
    picture: Picture
    lines: list[str]


@dataclass(frozen=True)
class Showcase:
    """One data set at a glance: cards in a row under a title."""

    title: str
    text: str
    cards: list[Card]


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width font: commands, YAML."""

    caption: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Equation:
    """A displayed formula in LaTeX."""

    latex: str


Block = Text | Notice | Table | Gallery | Showcase | Code | Equation


@dataclass(frozen=True)
class Section:
    """A titled part of the report.

    Attributes:
        anchor: its id in the page.
        folded: the section is closed until the reader opens it.
    """

    title: str
    anchor: str
    blocks: list[Block]
    sections: list["Section"] = field(default_factory=list)
    folded: bool = False
