"""The comparison itself sees what must not be: WB-03, WB-05, WB-07."""

from __future__ import annotations

from typing import Any

from tests.torture.findings import Found, other_contents, written_by_the_last_run
from tests.torture.points import is_commit, is_write

Json = dict[str, Any]


def resource(reference: str, value: str, version: str = "1", **more: Any) -> tuple[str, Json]:
    kind, identity = reference.split("/")
    identifier = [{"system": "https://trials.hospital.invalid/x", "value": value}]
    meta = {"versionId": version, "lastUpdated": f"now, {identity}"}
    return reference, {"resourceType": kind, "id": identity, "meta": meta, "identifier": identifier, **more}


STUDY = resource("ResearchStudy/1", "st")
SUBJECT = resource("ResearchSubject/2", "rs", study={"reference": "ResearchStudy/1"}, status="potential-candidate")
REFERENCE = Found(dict([STUDY, SUBJECT]))


def test_other_ids_and_other_instants_are_the_same() -> None:
    study = resource("ResearchStudy/8", "st")
    subject = resource("ResearchSubject/9", "rs", study={"reference": "ResearchStudy/8"}, status="potential-candidate")

    assert list(other_contents(REFERENCE, Found(dict([study, subject])))) == []


def test_a_second_subject_is_too_much() -> None:
    twice = Found({**REFERENCE.resources, "ResearchSubject/3": {**SUBJECT[1], "id": "3"}})

    counts, what = other_contents(REFERENCE, twice)

    assert "'ResearchSubject': 2" in counts
    assert what.startswith("Too much (1)")


def test_a_lost_one_another_status_another_study_and_another_version_are_seen() -> None:
    changes: tuple[Json, ...] = (
        {"status": "ineligible"},
        {"study": {"reference": "ResearchStudy/7"}},
        {"meta": {"versionId": "2"}},
    )

    assert list(other_contents(REFERENCE, Found(dict([STUDY]))))[1].startswith("Missing (1)")
    for change in changes:
        changed = Found(dict([STUDY, (SUBJECT[0], {**SUBJECT[1], **change})]))
        assert len(list(other_contents(REFERENCE, changed))) == 3, change


def test_a_last_run_that_writes_is_seen() -> None:
    moved = Found(dict([STUDY, (SUBJECT[0], {**SUBJECT[1], "meta": {"versionId": "2"}})]))

    assert list(written_by_the_last_run(REFERENCE, REFERENCE)) == []
    assert list(written_by_the_last_run(REFERENCE, moved)) == [
        "The last run, which had nothing to do, moved a ResearchSubject from version 1 to 2."
    ]


def test_a_point_says_what_it_is_about() -> None:
    assert is_commit("before commit outbox.mark sent")
    assert is_write("sent POST ResearchSubject")
    assert is_write("after PUT ResearchSubject")
    assert not is_write("before POST ResearchSubject/_search")
    assert not is_write("after commit outbox.intend ResearchSubject")
