"""Pictures of a report as SVG: bars whose widths are shares of the page, so that letters stay as large as they are on any screen.

Each stands beside a table that says the same; for whoever cannot see it, its title says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fhir_trial.population.markup import Html, element

_ROW: Final = 40
_BAR: Final = 14
_BASELINE: Final = 14
_TOP: Final = 20
_LEAST: Final = 0.6  # per cent: what is there is seen


class Piece(NamedTuple):
    """One stretch of a bar.

    Attributes:
        look: Class of its colour.
        size: As a number, for its width.
        told: Its count in words.
    """

    look: str
    size: int
    told: str


class Bar(NamedTuple):
    """A row of a picture.

    Attributes:
        label: A few characters.
        told: What the whole bar says, at its right end.
    """

    label: str
    pieces: Sequence[Piece]
    told: str


def bars(title: str, rows: Sequence[Bar]) -> Html:
    """Horizontal bars on one scale, the longest as wide as the picture.

    Args:
        title: What it shows, and where the same stands in words.
    """
    longest = max((sum(piece.size for piece in row.pieces) for row in rows), default=0) or 1
    drawn = [part for nth, row in enumerate(rows) for part in _row(row, nth * _ROW, longest)]
    return element(
        "svg", element("title", title), drawn, class_="bars", role="img", aria_label=title, width="100%", height=len(rows) * _ROW
    )


def swatch(look: str) -> Html:
    """The colour of a piece, for a legend."""
    box = element("rect", class_=look, x=1, y=1, width=12, height=12)
    return element("svg", box, class_="swatch", width=14, height=14, aria_hidden="true")


def _row(row: Bar, top: int, longest: int) -> list[Html]:
    drawn = [
        element("text", row.label, x=0, y=top + _BASELINE, class_="label"),
        element("text", row.told, x="100%", y=top + _BASELINE, text_anchor="end"),
        element("rect", class_="ground", x=0, y=top + _TOP, width="100%", height=_BAR),
    ]
    at = 0.0
    for piece in row.pieces:
        width = max(100 * piece.size / longest, _LEAST) if piece.size else 0.0
        width = min(width, 100 - at)
        if width > 0:
            told = element("title", piece.told)
            drawn.append(
                element("rect", told, class_=piece.look, x=f"{at:.2f}%", y=top + _TOP, width=f"{width:.2f}%", height=_BAR)
            )
        at += width
    return drawn
