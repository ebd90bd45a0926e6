"""A named person's decision, and R5 servers from end to end: WB-01, WB-14, WB-15, WB-25, WB-26."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_trial.errors import ConflictError, FatalServerError, TemporaryServerError, UsageError, WriteRefusedError
from fhir_trial.people.statuses import By, IllegalStatusError, Standing, Status, moved
from fhir_trial.writeback import Action, MemoryOutbox, Observations, PersonsDecision, WriteBack, Writer, WriteSettings
from fhir_trial.writeback.enrolment import enrolment_of
from tests.unit.writeback.fake_server import BASE, FakeServer
from tests.unit.writeback.verdicts import not_eligible, trial, verdict

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
SETTINGS = WriteSettings(WriteBack.WORK_LIST, observations=Observations.ALL, base="https://trials.hospital.invalid")
RELEASES = pytest.mark.parametrize("version", ["4.0.1", "5.0.0"])
FAILED = PersonsDecision(
    "Patient/p1",
    Standing(Status.POTENTIAL),
    Status.SCREEN_FAILURE,
    date(2026, 3, 3),
    reason="exclusion-met",
    shown=("ResearchSubject/1", "1"),
)
CONTACTED = replace(FAILED, to=Status.CONTACTED, reason=None)


class Site:
    """A server, an outbox, a writer."""

    def __init__(self, version: str = "4.0.1") -> None:
        self.server = FakeServer(version=version)
        self.outbox = MemoryOutbox()
        self.writer = Writer(self.server, SETTINGS, software="fhir-trial test", outbox=self.outbox)

    def computed(self, given: Any = None) -> Any:
        return self.writer.write(given or verdict(), trial(), now=NOW)

    def decided(self, decision: PersonsDecision = FAILED, **more: Any) -> Any:
        return self.writer.decide(decision, trial(), now=NOW, **more)

    @property
    def subject(self) -> dict[str, Any]:
        (subject,) = self.server.all("ResearchSubject")
        return subject


@RELEASES
def test_a_persons_ineligible_is_never_made_a_candidate_again_by_a_computed_result(version: str) -> None:
    """WB-01: the same code that the machine writes, but not the machine's."""
    site = Site(version)
    site.computed()

    assert site.decided().action is Action.UPDATED
    later = site.computed(verdict())[1]
    in_a_new_process = Writer(site.server, SETTINGS, software="x", outbox=site.outbox).write(verdict(), trial(), now=NOW)[1]

    assert later.action is in_a_new_process.action is Action.WITHHELD
    assert enrolment_of(site.subject) == "ineligible"
    assert site.outbox.version("default", BASE, "ResearchSubject/1") is None
    assert "tag" not in site.subject["meta"]


MARKED = "The server keeps the mark of a computed result on it; it is a person's all the same."


@RELEASES
def test_the_mark_that_a_server_keeps_is_taken_off_what_a_person_decided(version: str) -> None:
    """R40: FHIR lets tags outlive an update that leaves them out."""
    site = Site(version)
    site.server.keeps_tags = True
    site.computed()
    told: list[tuple[str, ...]] = []

    decided = site.decided(witness=lambda *step: told.append(step))

    assert site.server.requests[-2:] == ["update ResearchSubject", "ResearchSubject $meta-delete"]
    assert "tag" not in site.subject["meta"]
    assert (decided.action, decided.reason) == (Action.UPDATED, "A person decided: screen-failure.")
    assert told == [("update", "ResearchSubject", outcome) for outcome in ("begun", "done")] * 2


def test_a_server_that_drops_the_mark_by_itself_is_not_asked() -> None:
    site = Site()
    site.computed()

    site.decided()

    assert site.server.requests[-1] == "update ResearchSubject"


@RELEASES
def test_where_the_mark_stays_the_result_says_so_and_the_subject_is_a_persons_all_the_same(version: str) -> None:
    """WB-01, R40: whose a subject is never rests on the tag alone."""
    site = Site(version)
    site.server.keeps_tags, site.server.unmarks = True, False
    site.computed()

    decided = site.decided()

    assert (decided.action, decided.reason) == (Action.UPDATED, f"A person decided: screen-failure. {MARKED}")
    assert [tag["code"] for tag in site.subject["meta"]["tag"]] == ["computed"]
    for outbox in (site.outbox, MemoryOutbox()):
        writer = Writer(site.server, SETTINGS, software="x", outbox=outbox)
        for given in (verdict(), not_eligible()):
            assert writer.write(given, trial(), now=NOW)[1].action is not Action.UPDATED
    assert enrolment_of(site.subject) == "ineligible"
    assert site.writer.refused == {"$meta-delete": "ResearchSubject $meta-delete: the server answered 404."}


@pytest.mark.parametrize("error", [TemporaryServerError("503"), FatalServerError("403"), ConflictError("409")])
def test_a_mark_that_cannot_be_taken_off_now_does_not_undo_the_decision(error: Exception) -> None:
    """R40: the next decision tries again."""
    site = Site()
    site.server.keeps_tags = True
    site.computed()
    site.server.refuses = {"ResearchSubject $meta-delete": error}

    decided = site.decided(CONTACTED)
    site.server.refuses = {}
    declined = replace(
        CONTACTED, before=Standing(Status.CONTACTED), to=Status.DECLINED, reason="too-far", shown=("ResearchSubject/1", "2")
    )
    again = site.decided(declined)

    assert (decided.action, decided.reason) == (Action.UPDATED, f"A person decided: contacted. {MARKED}")
    assert again.reason == "A person decided: declined."
    assert "tag" not in site.subject["meta"]
    assert not list(site.outbox.interrupted("default", BASE))


def test_a_server_that_says_yes_and_keeps_the_mark_is_not_believed() -> None:
    """WB-07, R40."""
    site = Site()
    site.server.keeps_tags = True
    site.computed()
    site.server._unmark = lambda *_: None  # type: ignore[method-assign]

    assert site.decided().reason.endswith(MARKED)


def test_the_switch_between_decision_and_mark_stops_there() -> None:
    """SEC-60."""
    site = Site()
    site.server.keeps_tags = True
    site.computed()

    def stop(where: str) -> None:
        if where == "after update ResearchSubject":
            site.outbox.stop("default")

    site.server.tick = stop

    assert site.decided().reason.endswith(MARKED)
    assert site.server.requests[-1] == "update ResearchSubject"


@RELEASES
def test_a_decision_that_arrived_though_its_answer_was_lost_is_told_as_written(version: str) -> None:
    """WB-04: asked of the server; an error would send the person to decide again what stands there already."""
    site = Site(version)
    site.computed()
    site.server.loses = {"update ResearchSubject"}

    decided = site.decided()

    assert (decided.reference, decided.action) == ("ResearchSubject/1", Action.UPDATED)
    assert enrolment_of(site.subject) == "ineligible"
    assert site.outbox.version("default", BASE, "ResearchSubject/1") is None
    assert site.server.requests.count("update ResearchSubject") == 1


def test_a_first_subject_that_arrived_though_its_answer_was_lost_is_named() -> None:
    """WB-04."""
    site = Site()
    site.server.loses = {"create ResearchSubject"}

    made = site.decided(PersonsDecision("Patient/p1", Standing(), Status.CONTACTED, date(2026, 3, 3)))

    assert (made.reference, made.action) == ("ResearchSubject/1", Action.CREATED)


def test_a_decision_that_did_not_arrive_is_an_error() -> None:
    site = Site()
    site.computed()
    site.server.refuses = {"update ResearchSubject": TemporaryServerError("503")}

    with pytest.raises(TemporaryServerError):
        site.decided()

    assert enrolment_of(site.subject) == "potential-candidate"


@RELEASES
def test_a_flag_that_appears_while_a_person_decides_without_one_is_a_conflict(version: str) -> None:
    """WB-12, WB-14: the conditional create finds it, and the person's status would be lost without a word."""
    site = Site(version)

    def flag(where: str) -> None:
        if where == "before create ResearchSubject":
            site.server.tick = lambda _: None
            value = wanted[0]["value"]
            site.server.put({"resourceType": "ResearchSubject", "id": "x", "identifier": [{**wanted[0], "value": value}]})

    shown = site.decided(PersonsDecision("Patient/p1", Standing(), Status.CONTACTED, date(2026, 3, 3)), dry_run=True)
    wanted = (shown.resource or {})["identifier"]
    site.server.tick = flag

    with pytest.raises(ConflictError, match="look again"):
        site.decided(PersonsDecision("Patient/p1", Standing(), Status.CONTACTED, date(2026, 3, 3)))

    assert [each["id"] for each in site.server.all("ResearchSubject")] == ["x"]
    assert not list(site.outbox.interrupted("default", BASE))


@RELEASES
def test_a_person_who_saw_an_older_version_is_told_and_nothing_is_written(version: str) -> None:
    """WB-14."""
    site = Site(version)
    site.computed()
    site.server.put(site.subject)

    with pytest.raises(ConflictError, match="has changed since it was shown"):
        site.decided()

    assert enrolment_of(site.subject) == "potential-candidate"
    assert "update ResearchSubject" not in site.server.requests


def test_a_change_between_the_read_and_the_write_is_a_conflict_too() -> None:
    """WB-14: 412."""
    site = Site()
    site.computed()

    def meddle(where: str) -> None:
        if where == "before update ResearchSubject":
            site.server.put({**site.subject, "status": "on-study"})

    site.server.tick = meddle

    with pytest.raises(ConflictError):
        site.decided()
    assert site.subject["status"] == "on-study"
    assert not list(site.outbox.interrupted("default", BASE))


def test_a_persons_write_that_a_crash_interrupted_is_not_taken_for_the_machines() -> None:
    """WB-01, WB-03."""
    site = Site()
    site.computed()

    def crash(where: str) -> None:
        if where == "after update ResearchSubject":
            raise KeyboardInterrupt

    site.server.tick = crash
    with pytest.raises(KeyboardInterrupt):
        site.decided()
    site.server.tick = lambda _: None

    fresh = Writer(site.server, SETTINGS, software="x", outbox=site.outbox)
    resumed = fresh.resume(NOW)
    left = fresh.write(verdict(), trial(), now=NOW)[1]

    assert resumed == 1
    assert left.action is Action.WITHHELD
    assert site.subject["status"] == "ineligible"


@RELEASES
def test_a_person_may_begin_where_nobody_was_flagged(version: str) -> None:
    site = Site(version)
    contacted = PersonsDecision("Patient/p1", Standing(), Status.CONTACTED, date(2026, 3, 3))

    made = site.decided(contacted)

    assert made.action is Action.CREATED
    assert enrolment_of(site.subject) == "candidate"
    assert site.computed(not_eligible())[1].action is Action.WITHHELD
    with pytest.raises(ConflictError, match="has appeared"):
        site.decided(contacted)


def test_a_new_episode_is_a_subject_of_its_own() -> None:
    """WB-26."""
    site = Site()
    site.computed()
    site.decided()

    again = site.decided(PersonsDecision("Patient/p1", Standing(episode=2), Status.CONTACTED, date(2026, 9, 1)))

    assert again.action is Action.CREATED
    assert [each["status"] for each in site.server.all("ResearchSubject")] == ["ineligible", "candidate"]


def test_an_illegal_step_is_refused_before_the_server_is_asked() -> None:
    """WB-26."""
    site = Site()
    asked: list[str] = []
    site.server.tick = asked.append

    with pytest.raises(IllegalStatusError):
        site.decided(replace(FAILED, to=Status.ON_STUDY, reason=None))

    assert asked == []


def test_without_versions_a_decision_is_refused() -> None:
    """WB-15: nobody could tell whether it overwrites another's."""
    site = Site()
    site.server.keeps_versions = False
    site.computed()

    with pytest.raises(WriteRefusedError, match="names no versions"):
        site.decided()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(SETTINGS, write_back=WriteBack.OFF), "Writing back is off."),
        (replace(SETTINGS, tenant="stopped"), "Writing is stopped for this site."),
    ],
)
def test_the_setting_and_the_switch_hold_for_persons_too(settings: WriteSettings, words: str) -> None:
    """SEC-60."""
    outbox = MemoryOutbox()
    outbox.stop("stopped")

    result = Writer(FakeServer(), settings, software="x", outbox=outbox).decide(FAILED, trial(), now=NOW)

    assert (result.action, result.reason) == (Action.WITHHELD, words)


def test_a_dry_run_shows_what_a_decision_would_change() -> None:
    """WB-11."""
    site = Site()
    site.computed()

    shown = site.decided(dry_run=True)

    assert {change["path"]: (change["old"], change["new"]) for change in shown.as_json()["changes"]} == {
        "ResearchSubject.status": ("potential-candidate", "ineligible")
    }
    assert site.subject["status"] == "potential-candidate"


@RELEASES
def test_the_machine_flags_and_takes_back_in_either_release(version: str) -> None:
    """WB-01, WB-25."""
    site = Site(version)

    states = []
    for given in (verdict(), not_eligible(), not_eligible(), verdict()):
        site.computed(given)
        states.append(enrolment_of(site.subject))

    assert states == ["potential-candidate", "ineligible", "ineligible", "potential-candidate"]
    assert ("progress" in site.subject) is (version == "5.0.0")
    assert site.subject["meta"]["versionId"] == "3"
    assert len(site.server.all("Provenance")) == 3


def test_a_persons_milestone_in_r5_makes_the_subject_a_persons() -> None:
    """WB-01, WB-25."""
    site = Site("5.0.0")
    site.computed()
    site.server.held["ResearchSubject/1"]["progress"].append({"startDate": "2026-03-03"})

    assert site.computed(not_eligible())[1].action is Action.WITHHELD


@RELEASES
def test_a_whole_course_keeps_its_period_from_registration_to_death(version: str) -> None:
    """WB-24, WB-26: deceased after registration is off-study."""
    site = Site(version)
    site.computed()
    standing = Standing(Status.POTENTIAL)
    states, periods = [], []

    for day, to in enumerate(("contacted", "consented", "screening", "eligible", "on-study", "follow-up", "deceased"), start=3):
        shown = ("ResearchSubject/1", str(site.subject["meta"]["versionId"]))
        site.decided(PersonsDecision("Patient/p1", standing, Status(to), date(2026, 3, day), shown=shown))
        standing = moved(standing, Status(to), By.PERSON)
        states.append(enrolment_of(site.subject))
        periods.append(site.subject.get("period"))
        assert site.computed(not_eligible())[1].action is Action.WITHHELD

    assert states == ["candidate", "screening", "screening", "eligible", "on-study", "follow-up", "off-study"]
    began = {"start": "2026-03-07"}
    assert periods == [None, None, None, None, began, began, {**began, "end": "2026-03-09"}]


def test_a_course_that_the_server_never_saw_needs_its_date_of_registration() -> None:
    """WB-24."""
    site = Site()
    ended = PersonsDecision(
        "Patient/p1", Standing(Status.ON_STUDY, is_registered=True), Status.OFF_STUDY, date(2026, 6, 1), reason="completed"
    )

    with pytest.raises(UsageError, match="date of registration is needed"):
        site.decided(ended)
    site.decided(replace(ended, registered_on=date(2026, 3, 7)))

    assert site.subject["period"] == {"start": "2026-03-07", "end": "2026-06-01"}
    assert site.subject["status"] == "off-study"
