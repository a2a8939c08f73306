"""What a report is made of. A section is a list of these blocks, and the HTML and Markdown templates render each kind
once, so a new section is one function in `sections` and needs no markup."""

from dataclasses import dataclass, field

__all__ = ["Block", "Code", "Equation", "Gallery", "Notice", "Picture", "Row", "Section", "Table", "Text"]


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
    """A row of a table: its header cell, the other cells, and a word that marks it out ("best")."""

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


@dataclass(frozen=True)
class Picture:
    """A PNG or an animated WebP in the report's folder. `alt` says what it shows to those who cannot see it."""

    file: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of equal width side by side.

    `kind` is "grid" (of images), "wide" (the same, one below the other) or "plot" (on white, also on a dark page).
    """

    caption: str
    kind: str
    pictures: list[Picture]


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
