"""How many patients got which overall answer, and nobody's name (SEC-35, SEC-40, SEC-41).

Every number is rounded, whoever asks: counts are made to be handed on. No sum stands beside them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from fhir_trial.cli.output import Seen, csv_row, put
from fhir_trial.contract.verdicts import NOTICE
from fhir_trial.people.small_cells import HIDDEN, shown_count
from fhir_trial.verdict.model import Overall, Verdict

_ROUNDED: Final = f'Patients, rounded to tens; "{HIDDEN}" is 1 to 10, and stands everywhere where fewer than 11 were screened.\n'


@dataclass(slots=True)
class TrialCounts:
    """The counts of one version of a trial.

    Attributes:
        as_of: Of the first screening.
        not_evaluated: Sentences on what of the trial was not looked at.
    """

    trial: str
    version: str
    as_of: date
    not_evaluated: tuple[str, ...]
    patients: Counter[Overall] = field(default_factory=Counter)

    def shown(self) -> dict[str, str]:
        """By overall answer, each of them, as it may be shown.

        Of fewer than 11 patients nothing is told, not even a 0: with one patient, two zeros would say what that one's answer is.
        """
        if shown_count(self.patients.total(), exact=False) == HIDDEN:
            return {overall.value: HIDDEN for overall in Overall}
        return {overall.value: shown_count(self.patients[overall], exact=False) for overall in Overall}


def write_counts(verdicts: Iterable[Verdict], form: str, output: Path | None) -> set[str]:
    """Counts all verdicts, and writes the counts where ``write_verdicts`` would write the verdicts.

    Returns:
        The references of the patients counted, to be shown to nobody.

    Raises:
        UsageError: The file cannot be written.
    """
    seen = Seen(verdicts)
    put(_FORMS[form](_counted(seen)), output)
    return seen.patients


def _counted(verdicts: Iterable[Verdict]) -> list[TrialCounts]:
    """By trial, then version; empty when nobody was screened."""
    found: dict[tuple[str, str], TrialCounts] = {}
    for verdict in verdicts:
        name = verdict.trial, verdict.version
        if name not in found:
            found[name] = TrialCounts(*name, verdict.as_of, tuple(verdict.not_evaluated))
        found[name].patients[verdict.overall] += 1
    return [found[name] for name in sorted(found)]


def _object(counts: TrialCounts) -> str:
    told = {"trial": counts.trial, "version": counts.version, "as_of": counts.as_of.isoformat(), "patients": counts.shown()}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _as_json(counts: list[TrialCounts]) -> Iterator[str]:
    yield "[" + ",".join(f"\n{_object(each)}" for each in counts) + ("\n]\n" if counts else "]\n")


def _as_ndjson(counts: list[TrialCounts]) -> Iterator[str]:
    yield from (f"{_object(each)}\n" for each in counts)


def _as_csv(counts: list[TrialCounts]) -> Iterator[str]:
    """One row for each trial and overall answer."""
    yield csv_row(["trial", "version", "as_of", "overall", "patients"])
    for each in counts:
        for overall, shown in each.shown().items():
            yield csv_row([each.trial, each.version, each.as_of.isoformat(), overall, shown])


def _as_table(counts: list[TrialCounts]) -> Iterator[str]:
    width = max(len(overall.value) for overall in Overall)
    for each in counts:
        yield f"{each.trial}@{each.version} on {each.as_of}\n"
        yield from (f"  {overall.ljust(width)}  {shown}\n" for overall, shown in each.shown().items())
        yield "\n"
    yield _ROUNDED
    for sentence in dict.fromkeys(sentence for each in counts for sentence in each.not_evaluated):
        yield f"Not evaluated: {sentence}\n"
    yield f"{NOTICE}\n"


_FORMS: Final[Mapping[str, Callable[[list[TrialCounts]], Iterator[str]]]] = {
    "json": _as_json,
    "ndjson": _as_ndjson,
    "csv": _as_csv,
    "table": _as_table,
}
