"""What the demonstration claims, and whether it is so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import fill
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from fhir_trial.errors import SourceError

Found = TypeVar("Found")


@dataclass(slots=True)
class Findings:
    """Claims in the order in which they were checked.

    Attributes:
        console: Where each is told at once; None to keep quiet.
    """

    console: Console | None = None
    lines: list[tuple[bool, str]] = field(default_factory=list)

    def expect(self, true: bool, sentence: str) -> None:
        """Notes a claim, and whether it holds."""
        self.lines.append((true, sentence))
        self.tell(f"  {'✓' if true else '✗'} {sentence}", "green" if true else "bold red")

    def part(self, title: str) -> None:
        """Begins a part of the story."""
        self.tell(f"\n{title}", "bold")

    def tell(self, line: str, style: str = "", *, whole: bool = False) -> None:
        """Says something that is not checked.

        Args:
            whole: Not broken where the screen ends, so that it can be copied.
        """
        if self.console is None:
            return
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        for piece in line.split("\n"):
            broken = piece if whole else fill(piece, self.console.width, subsequent_indent=indent, break_on_hyphens=False)
            self.console.print(Text(broken, style=style), soft_wrap=True)

    @property
    def all_true(self) -> bool:
        return all(true for true, _ in self.lines)


def first_of(found: Iterable[Found], what: str) -> Found:
    """The first one.

    Raises:
        SourceError: None: without it the story cannot be told.
    """
    for one in found:
        return one
    raise SourceError(f"Among the patients there is no one {what}.")
