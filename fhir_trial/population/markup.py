"""HTML put together so that text cannot become markup (SEC-20): what is no ``Html`` is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_EMPTY: Final = frozenset({"meta"})


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


Child = str | Html | Iterable["Html"]


def element(tag: str, /, *children: Child, **attributes: str | int | None) -> Html:
    """``<tag attribute="...">children</tag>``.

    Args:
        children: Text, which is escaped; markup; or several pieces of markup.
        attributes: ``class_`` for class, ``aria_label`` for aria-label; None leaves one out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items() if value is not None
    )
    if tag in _EMPTY:
        return Html(f"<{tag}{written}/>")
    return Html(f"<{tag}{written}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Html:
    """Pieces beside one another."""
    return Html("".join(_piece(child) for child in children))


def _piece(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(child)
    return joined(child)
