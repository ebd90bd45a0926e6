"""What a run over a whole hospital found, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fhir_trial.cli.output import put
from fhir_trial.people.small_cells import HIDDEN

if TYPE_CHECKING:
    from fhir_trial.population.report import Report, TrialReport
    from fhir_trial.wiring.hospital import Screened

_WIDTH = 22


def write_summary(done: Screened, form: str, keep: Path) -> None:
    """On standard output, as a table or as the report's JSON."""
    put(_as_json(done.report) if form == "json" else _as_table(done, keep), None)


def _as_json(report: Report) -> Iterator[str]:
    yield msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


def _as_table(done: Screened, keep: Path) -> Iterator[str]:
    yield _line("Patients in the export", done.report.patients)
    if not done.counting:  # no number of lines beside rounded numbers of patients
        yield _line("Lines read", str(done.found.lines))
        for kind, count in sorted(done.found.report.resources.items()):
            yield _line(f"  {kind or 'no resource'}", str(count))
    for trial in done.report.trials:
        yield "\n"
        yield from _trial(trial, done.report)
    yield "\n"
    if done.counting:
        yield f'Rounded to tens; "{HIDDEN}" is 1 to 10. Counts alone were kept in {keep}.\n'
    else:
        yield f"Kept in {keep}: {done.run.rows} rows, which name patients.\n"
    yield f"{done.report.notice}\n"


def _trial(trial: TrialReport, report: Report) -> Iterator[str]:
    yield f"{trial.trial}@{trial.version} on {report.as_of}: {trial.title}\n"
    if trial.signs is not None:
        yield _line("  A sign of it", trial.signs)
        yield _line("  No sign", f"{trial.not_looked_at} (not looked at, which is no answer)")
    for overall, patients in trial.overall.items():
        yield _line(f"  {overall}", patients)
    if trial.misses is not None:
        yield f"  Not seen: {trial.misses}\n"
    for sentence in trial.not_evaluated:
        yield f"  Not evaluated: {sentence}\n"


def _line(what: str, value: str) -> str:
    return f"{what.ljust(_WIDTH)}  {value}\n"
