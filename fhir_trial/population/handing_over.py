"""The candidates of a run, for other programs: a FHIR Group or List of their references, or rows of a table.

Source: FHIR R4 Group (type, actual, member) and List (status, mode, entry). They name patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from fhir_trial.population.rows import Row
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Overall

Json = dict[str, Any]

HEAD: Final = ["patient", "trial", "version", "overall", "missing", "age", "sex", "data_cutoff"]


def candidates(rows: Iterable[Row], trial: ResolvedTrial, *, include_open: bool) -> Iterator[Row]:
    """Those of a trial worth a person's look: potentially eligible and, if wished, those of whom something is still open."""
    wanted = {Overall.POTENTIALLY_ELIGIBLE.value} | ({Overall.INDETERMINATE.value} if include_open else set())
    named = trial.trial.id, trial.trial.version
    return (row for row in rows if row.overall in wanted and (row.trial, row.version) == named)


def candidate_rows(found: Iterable[Row]) -> Iterator[list[str]]:
    """The cells of each line, without the head."""
    for row in found:
        yield [
            row.patient,
            row.trial,
            row.version,
            row.overall,
            " ".join(row.missing),
            age_of(row),
            row.sex or "",
            row.data_cutoff.isoformat() if row.data_cutoff else "",
        ]


def group_of(found: Iterable[Row], trial: ResolvedTrial, *, named: str) -> Json:
    """A Group of persons who are there, each by reference; a Group of nobody has no members.

    Args:
        named: What it says of itself.
    """
    members = [{"entity": {"reference": row.patient}} for row in found]
    whole: Json = {"resourceType": "Group", **_identifiers(trial), "active": True, "type": "person", "actual": True}
    whole |= {"name": named, "quantity": len(members)}
    return whole | ({"member": members} if members else {})


def list_of(found: Iterable[Row], trial: ResolvedTrial, *, named: str, at: datetime) -> Json:
    """A List as it was at a moment, each patient by reference.

    Args:
        named: What it says of itself.
        at: When the run was made.
    """
    entries = [{"item": {"reference": row.patient}} for row in found]
    whole: Json = {"resourceType": "List", **_identifiers(trial), "status": "current", "mode": "snapshot", "title": named}
    return whole | {"date": at.isoformat()} | ({"entry": entries} if entries else {})  # no emptyReason: it would state something


def age_of(row: Row) -> str:
    """Completed years: "12", "12-13" where a birth date leaves both open, "" where it is not known."""
    if row.youngest is None or row.oldest is None:
        return ""
    return str(row.youngest) if row.youngest == row.oldest else f"{row.youngest}-{row.oldest}"


def _identifiers(trial: ResolvedTrial) -> Json:
    system = f"{trial.own_bases[0]}/candidates"
    return {"identifier": [{"system": system, "value": f"{trial.trial.id}-{trial.trial.version}"}]}
