"""Verdicts as a table, JSON, NDJSON or CSV; the same input gives the same bytes (VER-02)."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import mkstemp
from textwrap import wrap

import msgspec

from fhir_trial.contract.verdicts import NOTICE, verdict_json
from fhir_trial.errors import UsageError
from fhir_trial.trials.model import Stage
from fhir_trial.verdict.model import Overall, Verdict

_WIDTH = 120
_NARROWEST = 24  # of the last column, however long the others are
_GAP = 2
_A_RUN = 3
#: Also in full width, which some spreadsheets take for the same.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_verdicts(verdicts: Iterable[Verdict], form: str, output: Path | None) -> set[str]:
    """Writes them to a file, whole or not at all and for its owner alone, or to standard output.

    Returns:
        The references of the patients written.

    Raises:
        UsageError: The file cannot be written.
    """
    seen = Seen(verdicts)
    put({"json": _as_json, "ndjson": _as_ndjson, "csv": _as_csv, "table": _as_table}[form](seen), output)
    return seen.patients


def put(pieces: Iterator[str], output: Path | None) -> None:
    """Writes text to a file, whole or not at all and for its owner alone, or to standard output.

    Raises:
        UsageError: The file cannot be written.
    """
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece.encode())
        sys.stdout.flush()
    elif output.exists() and not output.is_file():  # a pipe or a device is written to, not replaced
        with output.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(pieces)
    else:
        _write_whole(output.resolve(), pieces)


def _write_whole(output: Path, pieces: Iterator[str]) -> None:
    try:
        handle, name = mkstemp(dir=output.parent, prefix=".fhir-trial-")
    except OSError as error:
        raise UsageError(f"Cannot write to {output.parent}: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        Path(name).replace(output)
    except BaseException:
        Path(name).unlink()
        raise


class Seen:
    """Remembers whose verdicts pass."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._verdicts = verdicts
        self.patients: set[str] = set()

    def __iter__(self) -> Iterator[Verdict]:
        for verdict in self._verdicts:
            self.patients.add(verdict.patient)
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
    yield csv_row(head)
    for verdict in kept:
        answers = {
            criterion.id: f"{answer.outcome}{f' ({answer.why})' if answer.why else ''}" for criterion, answer in verdict.answers
        }
        yield csv_row(
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


def csv_row(cells: list[str]) -> str:
    """A line of CSV; what a spreadsheet would take for a formula begins with an apostrophe."""
    row = io.StringIO()
    csv.writer(row, lineterminator="\r\n").writerow([f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells])
    return row.getvalue()


def _as_table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A row each, then the counts by overall answer, then what was not looked at."""
    kept = list(verdicts)
    yield _table(kept)
    counts = Counter(verdict.overall for verdict in kept)
    yield "\n" + ", ".join(f"{overall.value}: {counts[overall]}" for overall in Overall) + f" (of {len(kept)})\n"
    for sentence in dict.fromkeys(sentence for verdict in kept for sentence in verdict.not_evaluated):
        yield f"Not evaluated: {sentence}\n"
    yield f"{NOTICE}\n"


def _table(verdicts: list[Verdict]) -> str:
    """Columns as wide as they must be; the last one, which may be long, is wrapped below itself."""
    several = len({(verdict.trial, verdict.version) for verdict in verdicts}) > 1
    rows = [["Patient", "Trial", "Overall", "Newest datum", "Because of"]]
    rows += [_row(verdict) for verdict in verdicts]
    if not several:
        rows = [[*row[:1], *row[2:]] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    margin = sum(widths) + _GAP * len(widths)
    lines = []
    for row in rows:
        *firsts, last = row
        start = "".join(cell.ljust(width + _GAP) for cell, width in zip(firsts, widths, strict=True))
        wrapped = wrap(last, max(_WIDTH - margin, _NARROWEST), break_long_words=False, break_on_hyphens=False) or [""]
        lines += [start + wrapped[0], *(" " * margin + rest for rest in wrapped[1:])]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(verdict: Verdict) -> list[str]:
    return [
        verdict.patient,
        f"{verdict.trial}@{verdict.version}",
        verdict.overall.value,
        verdict.data_cutoff.isoformat() if verdict.data_cutoff else "none",
        _because(verdict),
    ]


def _because(verdict: Verdict) -> str:
    """What blocks, or what is missing: never both (VER-15)."""
    counted = [criterion for criterion, _ in verdict.answers if criterion.counts]
    if verdict.blockers:
        return f"blocked by {shortened(verdict.blockers, [criterion.id for criterion in counted])}"
    asked = [criterion.id for criterion in counted if criterion.stage is Stage.PRESCREENING]
    return f"missing {shortened(verdict.missing, asked)}" if verdict.missing else ""


def shortened(ids: Sequence[str], order: Sequence[str]) -> str:
    """Ids as in "C2 to C6, C8.2 (6)": three or more neighbours in the trial's order by first and last, then how many in all."""
    runs: list[list[str]] = []
    for name in ids:
        last = runs[-1][-1] if runs else None
        if last in order and name in order and order.index(name) == order.index(last) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    told = [[f"{run[0]} to {run[-1]}"] if len(run) >= _A_RUN else run for run in runs]
    names = [name for run in told for name in run]
    return ", ".join(names) + (f" ({len(ids)})" if len(names) < len(ids) else "")
