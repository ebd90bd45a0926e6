"""Everything that the write-back builds, before HAPI's instance validator: a judge that did not read our code.

Our own last look (``writeback/checking.py``) goes by lists of ours; this one goes by FHIR's published definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_trial.config import samples_folder
from fhir_trial.criteria.answers import Why, say, unknown
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.people.statuses import Status
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.verdict.model import Overall, Verdict
from fhir_trial.wiring.library import screen
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import REQUIRED_CODES, Release
from fhir_trial.writeback.enrolment import moved_to, research_subject_r4, research_subject_r5
from fhir_trial.writeback.observation import Run, eligibility_observation
from fhir_trial.writeback.provenance import aimed_at, provenance
from fhir_trial.writeback.shapes import research_study, research_subject
from tests.servers.validator import Validator
from tests.unit.writeback.verdicts import ANSWERS, criterion, not_eligible, refused, verdict

# Java starts slowly: one test worker keeps it to itself.
pytestmark = [pytest.mark.xdist_group("validator"), pytest.mark.slow]

Json = dict[str, Any]

BASE = "https://example.org/fhir-trial"
RUN = Run(
    base=BASE,
    identifier="run-0123456789abcdef0123456789abcdef",
    study="ResearchStudy/s1",
    study_name="NCT06789107",
    replaces=None,
    software="fhir-trial 0.1.0",
    now=datetime(2026, 3, 2, 6, 5, tzinfo=UTC),
)


@pytest.fixture(scope="module")
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


def subject(status: str = "potential-candidate") -> Json:
    return research_subject(BASE, "rs-0123456789abcdef", status, "ResearchStudy/s1", "Patient/p1")


def observation() -> Json:
    return eligibility_observation(verdict(), RUN)


def test_the_study_is_accepted(r4: Validator, trial: ResolvedTrial) -> None:
    """WB-27."""
    assert r4.errors(checked(research_study(trial, BASE))) == []


def test_a_study_that_no_registry_knows_is_accepted(r4: Validator, trial: ResolvedTrial) -> None:
    bare = replace(trial, trial=replace(trial.trial, identifiers=(), condition=None))

    assert r4.errors(checked(research_study(bare, BASE))) == []


@pytest.mark.parametrize("status", sorted(REQUIRED_CODES["ResearchSubject.status"]))
def test_a_subject_of_each_status_is_accepted(r4: Validator, status: str) -> None:
    """WB-24: those that a person sets, too."""
    assert r4.errors(checked(subject(status))) == []


def test_every_status_of_a_study_and_a_result_that_we_know_is_one_of_fhirs(r4: Validator, trial: ResolvedTrial) -> None:
    study = research_study(trial, BASE)

    for status in sorted(REQUIRED_CODES["ResearchStudy.status"]):
        assert r4.errors(study | {"status": status}) == []
    for status in sorted(REQUIRED_CODES["Observation.status"]):
        assert r4.errors(observation() | {"status": status}) == []


def edge_cases() -> Iterator[tuple[str, Verdict]]:
    withheld = ((criterion("C7.2"), unknown(Why.NOT_LOADED, say("not loaded"))), *ANSWERS)
    unusable = ((criterion("C7.2"), unknown(Why.UNUSABLE, say("9e99 /uL cannot be read"))), *ANSWERS)
    yield "indeterminate", verdict()
    yield "not-eligible", not_eligible()
    yield "potentially-eligible", verdict(Overall.POTENTIALLY_ELIGIBLE)
    yield "masked", verdict(answers=withheld, issues=(refused("Observation"),))
    yield "unusable", verdict(answers=unusable)
    yield "no-data-at-all", verdict(answers=ANSWERS[2:4], data_cutoff=None, not_evaluated=())


@pytest.mark.parametrize(("what", "found"), list(edge_cases()), ids=[name for name, _ in edge_cases()])
def test_a_result_of_every_kind_is_accepted(r4: Validator, what: str, found: Verdict) -> None:
    """WB-28: the first, and one that replaces another."""
    for replaces in (None, "Observation/earlier"):
        assert r4.errors(checked(eligibility_observation(found, replace(RUN, replaces=replaces)))) == []


def test_the_result_of_every_sample_is_accepted(r4: Validator, trial: ResolvedTrial) -> None:
    """WB-28."""
    verdicts = list(screen(samples_folder(), trial, as_of=date(2026, 3, 2)))

    errors = {each.patient: r4.errors(checked(eligibility_observation(each, RUN))) for each in verdicts if is_on_a_server(each)}

    assert len(errors) > 35
    assert {patient: said for patient, said in errors.items() if said} == {}


def is_on_a_server(found: Verdict) -> bool:
    """The Writer withholds the others."""
    return found.patient.startswith("Patient/")


# --- the judge itself: what it must not let pass -------------------------------------------------------------------------


def with_component(**changes: Any) -> Json:
    built = observation()
    return built | {"component": [built["component"][0] | changes]}


BAD: dict[str, Callable[[], Json | str]] = {
    "a status of R5 in R4": lambda: subject() | {"status": "active"},
    "a status that is misspelt": lambda: subject("potential"),
    "no study": lambda: {key: value for key, value in subject().items() if key != "study"},
    "no individual": lambda: {key: value for key, value in subject().items() if key != "individual"},
    "an individual who is no patient": lambda: subject() | {"individual": {"reference": "Practitioner/p1"}},
    "a property that R4 does not have": lambda: subject() | {"subjectState": [{"code": {"text": "x"}}]},
    "an extension that nobody knows": lambda: subject() | {"extension": [{"url": "http://example.org/x", "valueString": "x"}]},
    "an empty list": lambda: subject() | {"identifier": []},
    "a result without a code": lambda: {key: value for key, value in observation().items() if key != "code"},
    "a result on an organisation": lambda: observation() | {"subject": {"reference": "Organization/o1"}},
    "an instant without a zone": lambda: observation() | {"issued": "2026-03-02T06:05:00"},
    "a date that is none": lambda: observation() | {"effectiveDateTime": "2026-02-30"},
    "evidence of a type that R4 does not allow": lambda: observation() | {"derivedFrom": [{"reference": "Condition/c1"}]},
    "a reason for absence that FHIR does not have": lambda: with_component(
        dataAbsentReason={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "lost"}]}
    ),
    "a code system that is misspelt": lambda: with_component(
        dataAbsentReason={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absence", "code": "unknown"}]}
    ),
    "an interval for a number": lambda: with_component(valueQuantity={"value": "5"}),
    "a key given twice": lambda: '{"resourceType": "Basic", "code": {"text": "a"}, "code": {"text": "b"}}',
    "half a resource": lambda: '{"resourceType": "Basic", ',
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_wrong_is_an_error(r4: Validator, bad: str) -> None:
    """WB-24: a judge that lets everything pass would prove nothing."""
    assert r4.errors(BAD[bad]()) != []


# --- what differs between R4 and R5 -------------------------------------------------------------------------------------


@pytest.fixture(params=list(Release))
def judged(request: pytest.FixtureRequest) -> tuple[Release, Validator]:
    """Each release and the judge of it."""
    release: Release = request.param
    validator: Validator = request.getfixturevalue(release.lower())
    return release, validator


@pytest.mark.parametrize("registered", [None, date(2026, 2, 1)], ids=["before registration", "registered"])
@pytest.mark.parametrize("status", list(Status))
def test_a_standing_of_each_kind_is_accepted(judged: tuple[Release, Validator], status: Status, registered: date | None) -> None:
    """WB-24, WB-25, WB-26."""
    release, validator = judged
    build = research_subject_r4 if release is Release.R4 else research_subject_r5
    identifiers = [Identifier(f"{BASE}/research-subject", "rs-0123456789abcdef")]

    built = build(status, date(2026, 3, 2), "ResearchStudy/s1", "Patient/p1", identifiers, registered_on=registered)

    assert validator.errors(checked(built, release)) == []


def test_a_standing_that_moved_on_is_accepted(judged: tuple[Release, Validator]) -> None:
    """WB-25: in R5 the earlier state ends and stays."""
    release, validator = judged
    build = research_subject_r4 if release is Release.R4 else research_subject_r5
    identifiers = [Identifier(f"{BASE}/research-subject", "rs-0123456789abcdef")]
    first = build(Status.POTENTIAL, date(2026, 3, 2), "ResearchStudy/s1", "Patient/p1", identifiers)

    moved = moved_to(first, "on-study", date(2026, 3, 9), registered_on=date(2026, 3, 9))
    ended = moved_to(moved, "off-study", date(2026, 9, 1), registered_on=date(2026, 3, 9))

    assert validator.errors(moved) == []
    assert validator.errors(ended) == []


def test_a_result_and_where_it_came_from_are_accepted(judged: tuple[Release, Validator]) -> None:
    """WB-10, WB-28."""
    release, validator = judged
    whence = aimed_at(provenance(verdict(), RUN, release), "Observation/o9")

    assert validator.errors(checked(eligibility_observation(verdict(), RUN, release), release)) == []
    assert validator.errors(checked(whence, release)) == []


def test_the_study_is_accepted_in_either_release(judged: tuple[Release, Validator], trial: ResolvedTrial) -> None:
    """WB-27."""
    release, validator = judged

    assert validator.errors(checked(research_study(trial, BASE), release)) == []


def test_a_standing_of_one_release_is_an_error_in_the_other(r4: Validator, r5: Validator) -> None:
    """WB-25."""
    arguments = (
        Status.POTENTIAL,
        date(2026, 3, 2),
        "ResearchStudy/s1",
        "Patient/p1",
        [Identifier(f"{BASE}/research-subject", "x")],
    )

    assert r5.errors(research_subject_r4(*arguments)) != []
    assert r4.errors(research_subject_r5(*arguments)) != []
