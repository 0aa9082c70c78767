"""A card as HTML for a notebook's output: no script, nothing to fetch, in the notebook's own colours."""

from __future__ import annotations

import base64
import html

from wineexp import extras
from wineexp.markup import template
from wineexp.notebook.card import Card

__all__ = ["MOST_FIGURE_BYTES", "to_html"]

#: A figure of more bytes is named instead of shown: a notebook keeps every output that it has.
MOST_FIGURE_BYTES = 2_000_000


def to_html(card: Card) -> str:
    """The card as HTML, its text escaped; plain text where the extra ``report``, which styles it, is missing."""
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
