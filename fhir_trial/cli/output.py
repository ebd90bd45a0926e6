"""Verdicts as a table, JSON, NDJSON or CSV; the same input gives the same bytes (VER-02)."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import msgspec

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.verdict.model import Overall, Verdict

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 132
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_verdicts(verdicts: Iterable[Verdict], form: str, output: Path | None) -> int:
    """Writes them to a file, whole or not at all, or to standard output; says how many there were."""
    counted = _Counted(verdicts)
    pieces = {"json": _as_json, "ndjson": _as_ndjson, "csv": _as_csv, "table": _as_table}[form](counted)
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece.encode())
        sys.stdout.flush()
        return counted.count
    with NamedTemporaryFile("w", encoding="utf-8", newline="", dir=output.resolve().parent, delete=False) as file:
        try:
            file.writelines(pieces)
        except BaseException:
            Path(file.name).unlink()
            raise
    os.replace(file.name, output)
    return counted.count


class _Counted:
    """Counts the verdicts that pass."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._verdicts = verdicts
        self.count = 0

    def __iter__(self) -> Iterator[Verdict]:
        for verdict in self._verdicts:
            self.count += 1
            yield verdict


def _line(verdict: Verdict) -> str:
    return msgspec.json.encode(verdict_json(verdict)).decode()


def _as_ndjson(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        yield _line(verdict) + "\n"


def _as_json(verdicts: Iterable[Verdict]) -> Iterator[str]:
    separator = "[\n"
    for verdict in verdicts:
        yield separator + _line(verdict)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _as_csv(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """One row per patient and trial; one column per criterion, "unknown (stale)"."""
    kept = list(verdicts)
    criteria = list(dict.fromkeys(criterion.id for verdict in kept for criterion, _ in verdict.answers))
    head = ["patient", "trial", "version", "as_of", "overall", "blockers", "missing", "data_cutoff", *criteria]
    yield _csv_row(head)
    for verdict in kept:
        answers = {criterion.id: f"{answer.outcome}{f' ({answer.why})' if answer.why else ''}" for criterion, answer in verdict.answers}
        yield _csv_row(
            [
                verdict.patient,
                verdict.trial,
                verdict.version,
                verdict.as_of.isoformat(),
                verdict.overall.value,
                " ".join(verdict.blockers),
                " ".join(verdict.missing),
                verdict.data_cutoff.isoformat() if verdict.data_cutoff else "",
                *(answers.get(criterion, "") for criterion in criteria),
            ]
        )


def _csv_row(cells: list[str]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="\r\n").writerow([f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells])
    return row.getvalue()


def _as_table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A row each, then the counts by overall answer, then what was not looked at."""
    kept = list(verdicts)
    yield _rendered(_table(kept))
    counts = Counter(verdict.overall for verdict in kept)
    yield "  ".join(f"{overall.value}: {counts[overall]}" for overall in Overall) + f"  (of {len(kept)})\n"
    for sentence in dict.fromkeys(sentence for verdict in kept for sentence in verdict.not_evaluated):
        yield f"Not evaluated: {sentence}\n"


def _table(verdicts: list[Verdict]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    several = len({(verdict.trial, verdict.version) for verdict in verdicts}) > 1
    for title in ("Patient", *(("Trial",) if several else ()), "Overall", "Blocked by", "Missing"):
        table.add_column(title, overflow="fold", no_wrap=title == "Overall")
    for verdict in verdicts:
        cells = [verdict.patient, *([f"{verdict.trial}@{verdict.version}"] if several else [])]
        cells += [verdict.overall.value, " ".join(verdict.blockers), " ".join(verdict.missing)]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _rendered(table: Table) -> str:
    from rich.console import Console

    console = Console(width=_WIDTH, file=io.StringIO(), color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
