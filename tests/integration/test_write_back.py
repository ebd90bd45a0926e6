"""The write-back against a real server: WB-01, WB-05, WB-07, WB-11, WB-12, WB-14, R40."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_trial.criteria.answers import met, say
from fhir_trial.errors import ConflictError
from fhir_trial.people.statuses import Standing, Status
from fhir_trial.transport import FhirServer
from fhir_trial.trials.model import Identifier
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.writeback import (
    SANDBOX,
    Action,
    MemoryOutbox,
    Observations,
    PersonsDecision,
    WriteBack,
    Writer,
    WriteResult,
    WriteSettings,
)
from fhir_trial.writeback.document_note import DocumentNote
from fhir_trial.writeback.outbox import Outbox
from tests.unit.writeback.verdicts import ANSWERS, criterion, evidence, not_eligible, trial, verdict

pytestmark = pytest.mark.server

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 6, 5, tzinfo=UTC)
NUMBERS = itertools.count(1)
CREATED, UPDATED, UNCHANGED, WITHHELD = Action.CREATED, Action.UPDATED, Action.UNCHANGED, Action.WITHHELD


@pytest.fixture
def patient(server: FhirServer) -> str:
    """A patient of this test alone."""
    identity = f"wb{next(NUMBERS)}"
    server.place({"resourceType": "Patient", "id": identity, "gender": "female"})
    return f"Patient/{identity}"


def writer(server: FhirServer, settings: WriteSettings = SANDBOX, outbox: Outbox | None = None) -> Writer:
    return Writer(server, settings, software="fhir-trial 0.1.0", outbox=outbox)


def actions(results: tuple[WriteResult, ...]) -> list[tuple[str, Action]]:
    return [(result.reference.split("/")[0].split("?")[0], result.action) for result in results]


def on_server(server: FhirServer, kind: str, patient: str) -> list[dict[str, Any]]:
    return list(server.search(kind, [("patient", patient.split("/")[1])]).matches)


def test_a_second_run_on_the_same_content_writes_nothing_not_even_tomorrow(server: FhirServer, patient: str) -> None:
    first = writer(server).write(verdict(patient=patient), trial(), now=NOW)
    second = writer(server).write(verdict(patient=patient, as_of=date(2026, 3, 3)), trial(), now=LATER)

    assert actions(first)[1:] == [("ResearchSubject", CREATED), ("Observation", CREATED), ("Provenance", CREATED)]
    assert actions(second) == [("ResearchStudy", UNCHANGED), ("ResearchSubject", UNCHANGED), ("Observation", UNCHANGED)]
    assert [result.reference for result in first][:3] == [result.reference for result in second]
    assert len(server.search("Provenance", [("target", first[2].reference)]).matches) == 1
    assert len(on_server(server, "ResearchSubject", patient)) == 1
    assert len(on_server(server, "Observation", patient)) == 1


def test_what_arrives_is_what_the_writeback_page_shows(server: FhirServer, patient: str) -> None:
    study, subject, observation, provenance = writer(server).write(verdict(patient=patient), trial(), now=NOW)

    stored = server.read(subject.reference)
    assert stored["status"] == "potential-candidate"
    assert stored["study"] == {"reference": study.reference}
    assert stored["individual"] == {"reference": patient}
    assert stored["meta"]["tag"] == [{"system": "https://example.org/fhir-trial/CodeSystem/origin", "code": "computed"}]
    result = server.read(observation.reference)
    assert result["status"] == "preliminary"
    assert result["issued"] == "2026-03-02T06:05:00Z"
    assert result["derivedFrom"] == [{"reference": "Observation/o1"}]
    assert [each["code"]["coding"][0]["code"] for each in result["component"]] == [f"criterion-{c.id}" for c, _ in ANSWERS]
    assert not {"focus", "interpretation", "performer"} & set(result)
    origin = server.read(provenance.reference)
    assert origin["target"] == [{"reference": observation.reference}]
    assert [entity["what"].get("reference") for entity in origin["entity"]] == [
        "Condition/c1/_history/1",
        "Observation/o1/_history/3",
        None,
    ]


def test_other_content_is_a_new_observation_that_replaces_the_earlier_one(server: FhirServer, patient: str) -> None:
    changed = (*ANSWERS[:-2], (criterion("C7.2"), met(say("31 /uL"), [evidence("Observation/o9")])), ANSWERS[-1])
    writing = writer(server)
    first = writing.write(verdict(patient=patient), trial(), now=NOW)[2]

    second = writing.write(verdict(patient=patient, answers=changed), trial(), now=LATER)[2]
    back = writing.write(verdict(patient=patient), trial(), now=LATER)[2]
    again = writing.write(verdict(patient=patient), trial(), now=LATER)[2]

    assert [second.action, back.action, again.action] == [CREATED, CREATED, UNCHANGED]
    replaces = {e["url"].rsplit("/", 1)[1]: e["valueReference"]["reference"] for e in server.read(second.reference)["extension"]}
    assert replaces["observation-replaces"] == first.reference
    assert server.read(first.reference)["status"] == "preliminary"
    assert len({first.reference, second.reference, back.reference}) == 3


def test_the_machine_takes_back_its_own_untouched_flag(server: FhirServer, patient: str) -> None:
    writing = writer(server)
    flagged = writing.write(verdict(patient=patient), trial(), now=NOW)[1]

    taken_back = writing.write(not_eligible(patient), trial(), now=LATER)[1]
    flagged_again = writing.write(verdict(patient=patient), trial(), now=LATER)[1]

    assert (taken_back.action, taken_back.reference) == (UPDATED, flagged.reference)
    assert flagged_again.action is UPDATED
    assert server.read(flagged.reference)["status"] == "potential-candidate"


def test_a_persons_status_is_left_alone(server: FhirServer, patient: str) -> None:
    flagged = writer(server).write(verdict(patient=patient), trial(), now=NOW)[1]
    server.place({**server.read(flagged.reference), "status": "screening"})

    left = writer(server).write(not_eligible(patient), trial(), now=LATER)[1]

    assert (left.action, left.reference) == (WITHHELD, flagged.reference)
    assert server.read(flagged.reference)["status"] == "screening"


def test_a_flag_that_somebody_touched_is_not_taken_back(server: FhirServer, patient: str) -> None:
    outbox = MemoryOutbox()
    flagged = writer(server, outbox=outbox).write(verdict(patient=patient), trial(), now=NOW)[1]
    server.place(server.read(flagged.reference))  # saved again by a person, unchanged

    for known in (outbox, None):
        left = writer(server, outbox=known).write(not_eligible(patient), trial(), now=LATER)[1]
        assert left.action is WITHHELD
    assert server.read(flagged.reference)["status"] == "potential-candidate"


def test_an_ineligible_that_a_person_may_have_set_is_not_made_a_candidate_again(server: FhirServer, patient: str) -> None:
    flagged = writer(server).write(verdict(patient=patient), trial(), now=NOW)[1]
    server.place({**server.read(flagged.reference), "status": "ineligible"})

    assert writer(server).write(verdict(patient=patient), trial(), now=LATER)[1].action is WITHHELD


def test_somebody_elses_subject_is_left_alone(server: FhirServer, patient: str) -> None:
    study = writer(server).write(verdict(patient=patient), trial(id="nct1", identifiers=()), now=NOW)[0]
    other = writer(server).write(verdict(patient=patient), trial(), now=NOW)[0]
    assert study.reference != other.reference
    stranger = {"resourceType": "ResearchSubject", "status": "on-study", "individual": {"reference": patient}}
    server.create({**stranger, "study": {"reference": f"{server.base}/{study.reference}/_history/1"}})

    episode_two = writer(server).write(verdict(patient=patient), trial(id="nct1", identifiers=()), now=NOW, episode=2)

    assert episode_two[1].action is WITHHELD


def test_no_subject_for_a_patient_who_is_not_eligible(server: FhirServer, patient: str) -> None:
    beside = WriteSettings(WriteBack.WORK_LIST, create_study=True, observations=Observations.WITH_SUBJECT)

    assert actions(writer(server).write(not_eligible(patient), trial(), now=NOW))[1:] == [
        ("ResearchSubject", WITHHELD),
        ("Observation", CREATED),
        ("Provenance", CREATED),
    ]
    assert actions(writer(server, beside).write(not_eligible(patient), trial(), now=NOW))[1:] == [
        ("ResearchSubject", WITHHELD),
        ("Observation", WITHHELD),
    ]
    assert on_server(server, "ResearchSubject", patient) == []


@pytest.mark.parametrize(
    ("overall", "setting", "action"),
    [
        (Overall.POTENTIALLY_ELIGIBLE, WriteBack.CANDIDATES, CREATED),
        (Overall.INDETERMINATE, WriteBack.CANDIDATES, WITHHELD),
        (Overall.POTENTIALLY_ELIGIBLE, WriteBack.WORK_LIST, CREATED),
        (Overall.INDETERMINATE, WriteBack.WORK_LIST, CREATED),
        (Overall.NOT_ELIGIBLE, WriteBack.WORK_LIST, WITHHELD),
    ],
)
def test_who_is_flagged(server: FhirServer, patient: str, overall: Overall, setting: WriteBack, action: Action) -> None:
    settings = WriteSettings(setting, create_study=True)

    assert writer(server, settings).write(verdict(overall, patient), trial(), now=NOW)[1].action is action


def test_a_dry_run_shows_the_payload_and_sends_nothing(server: FhirServer, patient: str) -> None:
    fresh = trial(id=f"dry-{patient[8:]}", identifiers=())

    shown = writer(server).write(verdict(patient=patient), fresh, now=NOW, dry_run=True)

    created = ["ResearchStudy", "ResearchSubject", "Observation", "Provenance"]
    assert actions(shown) == [(kind, CREATED) for kind in created]
    assert [result.resource["resourceType"] for result in shown if result.resource] == created
    assert on_server(server, "ResearchSubject", patient) == []
    assert on_server(server, "Observation", patient) == []
    assert server.search("ResearchStudy", [("title", "A study of nothing"), ("identifier", fresh.trial.id)]).matches == ()


def test_off_means_that_nothing_leaves(server: FhirServer, patient: str) -> None:
    (only,) = writer(server, WriteSettings()).write(verdict(patient=patient), trial(), now=NOW)

    assert only.action is WITHHELD
    assert on_server(server, "Observation", patient) == []


def test_without_create_study_a_missing_study_stops_everything(server: FhirServer, patient: str) -> None:
    settings = WriteSettings(WriteBack.WORK_LIST, create_study=False, observations=Observations.ALL)

    (only,) = writer(server, settings).write(verdict(patient=patient), trial(id="missing", identifiers=()), now=NOW)

    assert only.action is WITHHELD
    assert "create_study" in only.reason


@pytest.mark.parametrize("change", [{"active": False}, {"link": [{"type": "replaced-by", "other": {"reference": "Patient/x"}}]}])
def test_nothing_is_written_to_a_record_out_of_use(server: FhirServer, patient: str, change: dict[str, Any]) -> None:
    """WB-06."""
    server.place({**server.read(patient), **change})

    (only,) = writer(server).write(verdict(patient=patient), trial(), now=NOW)

    assert (only.action, only.reference) == (WITHHELD, patient)


def test_the_study_is_found_under_the_retired_registry_system(server: FhirServer, patient: str) -> None:
    """WB-27."""
    number = f"NCT-{patient[8:]}"
    new, old = Identifier("https://clinicaltrials.gov/nctid", number), Identifier("http://clinicaltrials.gov", number)
    held = server.create(
        {"resourceType": "ResearchStudy", "status": "active", "identifier": [{"system": old.system, "value": old.value}]}
    )

    study = writer(server).write(
        verdict(patient=patient), trial(id=number.lower(), identifiers=(new,), former_identifiers=(old,)), now=NOW
    )[0]

    assert (study.reference, study.action) == (held.reference, UNCHANGED)


# WB-09
def test_a_subject_under_a_former_base_is_still_ours(server: FhirServer, patient: str) -> None:
    """R40."""
    first = writer(server).write(verdict(patient=patient), trial(), now=NOW)
    moved = WriteSettings(
        WriteBack.WORK_LIST, True, Observations.ALL, "https://trials.hospital.invalid", ("https://example.org/fhir-trial",)
    )

    second = writer(server, moved).write(verdict(patient=patient), trial(), now=LATER)

    assert actions(second)[1:] == [("ResearchSubject", UNCHANGED), ("Observation", UNCHANGED)]
    assert [result.reference for result in first][1:3] == [result.reference for result in second][1:]


def test_an_audit_that_fails_stops_the_write(server: FhirServer, patient: str) -> None:
    """SEC-05."""

    def broken(*_: str) -> None:
        raise OSError("disk full")

    writer(server).write(verdict(patient=patient), trial(), now=NOW, dry_run=True)
    with pytest.raises(OSError, match="disk full"):
        writer(server).write(verdict(patient=patient), trial(id="audited", identifiers=()), now=NOW, witness=broken)

    assert on_server(server, "ResearchSubject", patient) == []


def test_each_write_is_told_before_and_after(server: FhirServer, patient: str) -> None:
    told: list[tuple[str, ...]] = []
    writer(server).write(verdict(patient=patient), trial(), now=NOW)

    writer(server).write(not_eligible(patient), trial(), now=LATER, witness=lambda *step: told.append(step))

    assert told == [
        ("update", "ResearchSubject", "begun"),
        ("update", "ResearchSubject", "done"),
        ("create", "Observation", "begun"),
        ("create", "Observation", "done"),
        ("create", "Provenance", "begun"),
        ("create", "Provenance", "done"),
    ]


def test_many_at_once_write_one_of_each(server: FhirServer, patient: str) -> None:
    """Conditional creates in parallel are not atomic on this server: the Writer sends one verdict after another (WB-07)."""
    one = writer(server)
    fresh = trial(id=f"race-{patient[8:]}", identifiers=())

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: one.write(verdict(patient=patient), fresh, now=NOW), range(8)))

    assert sum(result.action is CREATED for run in runs for result in run) == 4
    assert len(on_server(server, "ResearchSubject", patient)) == len(on_server(server, "Observation", patient)) == 1


def test_a_dry_run_of_an_update_shows_each_value_that_would_change(server: FhirServer, patient: str) -> None:
    """WB-11."""
    writing = writer(server)
    writing.write(verdict(patient=patient), trial(), now=NOW)

    shown = writing.write(not_eligible(patient), trial(), now=LATER, dry_run=True)[1]

    assert shown.action is UPDATED
    assert shown.as_json()["changes"] == [{"path": "ResearchSubject.status", "old": "potential-candidate", "new": "ineligible"}]


def test_a_persons_decision_goes_onto_the_version_that_was_shown_and_stays(server: FhirServer, patient: str) -> None:
    """WB-01, WB-14."""
    writing = writer(server)
    flagged = writing.write(verdict(patient=patient), trial(), now=NOW)[1]
    shown = (flagged.reference, server.read(flagged.reference)["meta"]["versionId"])
    contacted = PersonsDecision(patient, Standing(Status.POTENTIAL), Status.CONTACTED, date(2026, 3, 3), shown=shown)

    decided = writing.decide(contacted, trial(), now=LATER)
    with pytest.raises(ConflictError, match="has changed since it was shown"):
        writing.decide(contacted, trial(), now=LATER)
    left = writing.write(not_eligible(patient), trial(), now=LATER)[1]

    assert (decided.action, decided.reference) == (UPDATED, flagged.reference)
    assert left.action is WITHHELD
    assert server.read(flagged.reference)["status"] == "candidate"


def test_one_transaction_writes_what_the_steps_would_and_a_second_run_nothing(server: FhirServer, patient: str) -> None:
    """WB-07, WB-10, WB-18."""
    at_once = replace(SANDBOX, transactions=True)
    told: list[tuple[str, ...]] = []

    first = writer(server, at_once).write(verdict(patient=patient), trial(), now=NOW, witness=lambda *step: told.append(step))
    second = writer(server).write(verdict(patient=patient), trial(), now=LATER)

    kinds = ["ResearchSubject", "Observation", "Provenance"]
    assert actions(first)[1:] == [(kind, CREATED) for kind in kinds]
    assert told[-6:] == [("create", kind, outcome) for outcome in ("begun", "done") for kind in kinds]
    assert actions(second) == [(kind, UNCHANGED) for kind in ("ResearchStudy", *kinds[:2])]
    (origin,) = server.search("Provenance", [("target", second[2].reference)]).matches
    assert origin["target"] == [{"reference": second[2].reference}]
    assert len(on_server(server, "ResearchSubject", patient)) == len(on_server(server, "Observation", patient)) == 1


def test_a_note_is_written_once_per_content(server: FhirServer, patient: str) -> None:
    """WB-29."""
    outbox = MemoryOutbox()

    def run(given: Verdict) -> WriteResult:
        route = DocumentNote(server, replace(SANDBOX, note_code="00000-0"), software="fhir-trial 0.1.0", outbox=outbox)
        return route.write(given, trial(), now=NOW)[0]

    done = [run(each) for each in (verdict(patient=patient), verdict(patient=patient), not_eligible(patient))]

    assert [result.action for result in done] == [CREATED, UNCHANGED, CREATED]
    assert len(on_server(server, "DocumentReference", patient)) == 2


def test_a_machines_own_flag_is_known_after_a_restart_where_the_outbox_is_kept(server: FhirServer, patient: str) -> None:
    """WB-03: version 3 is no fresh flag, and only the outbox knows that it is the machine's."""
    outbox = MemoryOutbox()
    for given in (verdict(patient=patient), not_eligible(patient), verdict(patient=patient)):
        writer(server, outbox=outbox).write(given, trial(), now=NOW)

    kept = writer(server, outbox=outbox).write(not_eligible(patient), trial(), now=LATER, dry_run=True)[1]
    forgotten = writer(server).write(not_eligible(patient), trial(), now=LATER, dry_run=True)[1]

    assert (kept.action, forgotten.action) == (UPDATED, WITHHELD)
