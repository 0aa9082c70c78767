"""A result as a notebook shows it, as plain data: words, then a figure, then tables and notes."""

from __future__ import annotations

import base64
import functools
import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wineexp import extras
from wineexp.listing import Listing, as_text
from wineexp.text import align, one_line, visible

if TYPE_CHECKING:
    import jinja2

__all__ = ["MOST_FIGURE_BYTES", "Answer", "Card", "template", "to_html"]


@dataclass(frozen=True)
class Answer:
    """A question with its answer: ``No: worse by 0.154 ...``; ``kind`` is the verdict's."""

    question: str
    answer: str
    detail: str
    kind: str


@dataclass(frozen=True)
class Card:
    """One result.

    Attributes
    ----------
    title : str
    warning : str
        The first thing to know: that the table is simulated.
    lines : tuple of str
        A sentence or two below the title.
    answers : tuple of Answer
    facts : tuple of (str, str)
        Name and value of each fact.
    figure : bytes or None
        A PNG.
    alt : str
        The figure in words.
    tables : tuple of Listing
    notes : tuple of str
        Caveats.
    """

    title: str
    warning: str = ""
    lines: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figure: bytes | None = None
    alt: str = ""
    tables: tuple[Listing, ...] = ()
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Everything but the figure, for places that can only show text."""
        return "\n\n".join(part for part in self._parts() if part)

    def _parts(self) -> Iterator[str]:
        yield "\n".join(map(one_line, filter(None, [self.title, self.warning, *self.lines])))
        for one in self.answers:
            yield "\n".join(map(one_line, (one.question, f"  {one.answer}", f"  {one.detail}")))
        yield align([[one_line(name), one_line(text)] for name, text in self.facts]) if self.facts else ""
        for table in self.tables:
            yield as_text(table)
        yield "\n".join(f"note: {one_line(note)}" for note in self.notes)


#: A figure with more bytes is only mentioned, not shown: a notebook file keeps all its outputs.
MOST_FIGURE_BYTES = 2_000_000


def to_html(card: Card) -> str:
    """The card as HTML, its text escaped; plain text if the extra ``report``, which styles it, is missing."""
    if not extras.available("report"):
        told = f"{card.as_text()}\n\nplain text: pip install 'wineexp[report]' brings figures and styled tables"
        return f"<pre>{html.escape(told)}</pre>"
    figure, large = card.figure or b"", ""
    if len(figure) > MOST_FIGURE_BYTES:
        figure, large = b"", f"The figure has {len(figure) / 1e6:.1f} MB, more than a notebook should keep."
    shown: str = template("wineexp.notebook", "card.html.j2").render(
        card=card, picture=base64.b64encode(figure).decode(), broad=_is_broad(figure), large=large
    )
    return shown


def _is_broad(figure: bytes) -> bool:
    """Whether a PNG has no room beside the facts: over twice as wide as high (its specification, 11.2.1)."""
    return len(figure) > 24 and int.from_bytes(figure[16:20]) > 2 * int.from_bytes(figure[20:24])


@functools.cache
def template(package: str, name: str) -> jinja2.Template:
    """The template of that name in a package's ``templates``; needs the extra ``report``."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("wineexp.notebook")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _safe(value: Any) -> Any:
    """A value for the template, text made safe; HTML of our own is no plain ``str``."""
    return visible(value) if type(value) is str else value
