"""What is laid aside of an export, and what is told of each part of a file (BULK-34, BULK-35)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_trial.population.folder import Part, look_into
from fhir_trial.population.gathering import ASIDE, FIRST, SHARED, Gathered, Piles, Wanted, frames_of, gather
from tests.unit.population.hospitals import RAW, lines, lupus, outcome, patient, platelets, write

CLAIM = {"resourceType": "Claim", "id": "k", "patient": {"reference": "Patient/p1"}}


def gathered(tmp_path: Path, *content: RAW, types: str = "Condition Observation", patients: set[str] | None = None) -> Gathered:
    export = write(tmp_path / "export", a=lines(*content))
    piles = tmp_path / "piles"
    piles.mkdir()
    with Piles(piles, "1") as opened:
        return gather(Part(look_into(export).files[0]), Wanted(frozenset(types.split()), patients, 1), opened)


def laid(tmp_path: Path, pile: str) -> list[bytes]:
    return [frame.line for frame in frames_of(tmp_path / "piles", pile)]


def test_only_records_of_wanted_types_and_people_are_laid_aside(tmp_path: Path) -> None:
    content: list[RAW] = [patient("p1"), lupus("c1", "Patient/p1"), CLAIM, patient("p2"), platelets("o1", "Patient/p2")]

    found = gathered(tmp_path, *content, patients={"Patient/p1"})

    assert laid(tmp_path, "0") == lines(*content[:2]).splitlines()
    assert (found.lines, found.resources["Claim"], found.resources["Patient"]) == (5, 1, 2)


def test_it_is_told_who_of_the_wanted_is_in_the_export(tmp_path: Path) -> None:
    found = gathered(tmp_path, patient("p1"), patient("p2"), lupus("c3", "Patient/p3"), patients={"Patient/p1", "Patient/p3"})

    assert found.present == {"Patient/p1"}


def test_who_is_in_the_export_is_not_kept_where_everybody_is_wanted(tmp_path: Path) -> None:
    assert gathered(tmp_path, patient("p1")).present is None


def test_remarks_know_whether_somebodys_record_precedes_them(tmp_path: Path) -> None:
    content: list[RAW] = [outcome("before"), b"{broken", CLAIM, outcome("after")]

    found = gathered(tmp_path, *content)

    assert laid(tmp_path, FIRST) == lines(*content[:2]).splitlines()
    assert laid(tmp_path, ASIDE) == lines(content[3]).splitlines()
    assert (found.unreadable, found.has_entries) == (1, True)


@pytest.mark.parametrize("kind", ["Medication", "Organization"])
def test_what_patients_share_is_laid_aside_whosever_it_is(tmp_path: Path, kind: str) -> None:
    shared: RAW = {"resourceType": kind, "id": "x"}

    gathered(tmp_path, shared, patients=set())

    assert laid(tmp_path, SHARED) == lines(shared).splitlines()
