"""People's answers through each door - library, command line, service - and in what people and programs are shown."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests
import responses

import fhir_trial
from fhir_trial.audit import JsonLinesAudit
from fhir_trial.cli.main import main
from fhir_trial.config import Settings
from fhir_trial.contract.schema import verdict_schema
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.criteria.answers import Outcome
from fhir_trial.people.answer_lines import answer_line, read_answers
from fhir_trial.people.answers import GivenAnswer, PeoplesAnswers, give
from fhir_trial.sources.server import ServerSource
from fhir_trial.transport.server import FhirServer
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.wiring.library import knowing_our_own
from fhir_trial.wiring.service import ScreeningService
from fhir_trial.writeback import WriteBack

SAMPLES = Path(__file__).parents[3] / "sample_bundles"
BASE = "https://ehr.example.invalid/fhir"
TRIAL = "nct06789107"
AS_OF = date(2026, 3, 2)
ANNA = Person("https://login.example.invalid", "anna", "Anna")
AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

Run = Callable[..., tuple[int, str, str]]
Json = dict[str, Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return int(stop.value.code or 0), told.out, told.err

    return command


@pytest.fixture(scope="module")
def trial() -> ResolvedTrial:
    return fhir_trial.load_trial(TRIAL)


def screened(name: str, trial: ResolvedTrial, *given: GivenAnswer, as_of: date = AS_OF) -> Verdict:
    (verdict,) = fhir_trial.screen(SAMPLES / f"{name}.json", trial, as_of=as_of, answers=PeoplesAnswers(given))
    return verdict


def anna_says(verdict: Verdict, criterion: str, says: Says) -> GivenAnswer:
    return give(verdict, criterion, says, by=ANNA, at=AT, reason="Read in a letter.")


def answered(tmp_path: Path, *given: GivenAnswer) -> Path:
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join([*map(answer_line, given), ""]), encoding="utf-8")
    return file


# --- the same verdict everywhere


def serve(mock: responses.RequestsMock, bundle: Json) -> None:
    """A FHIR server that gives of each type all it has of the one patient."""
    held = [entry["resource"] for entry in bundle["entry"]]

    def reply(asked: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        kind, _, name = urlsplit(str(asked.url)).path.removeprefix("/fhir/").partition("/")
        found = [one for one in held if one["resourceType"] == kind]
        if kind == "metadata":
            content: Json = {
                "resourceType": "CapabilityStatement",
                "status": "active",
                "kind": "instance",
                "fhirVersion": "4.0.1",
            }
        elif name:
            (content,) = (one for one in found if one["id"] == name)
        else:
            entries = [{"resource": one, "search": {"mode": "match"}} for one in found]
            content = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        return 200, {"Content-Type": "application/fhir+json"}, json.dumps(content)

    for method in (responses.GET, responses.POST):
        mock.add_callback(method, re.compile(f"{BASE}/.*"), reply)


def test_three_doors_give_the_same_verdict_with_the_same_answers(tmp_path: Path, run: Run) -> None:
    bundle = json.loads((SAMPLES / "lvef-missing.json").read_text(encoding="utf-8"))
    settings = Settings(server=BASE, write_back=WriteBack.OFF)
    trial = knowing_our_own(fhir_trial.load_trial(TRIAL), settings)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        serve(mock, bundle)
        with FhirServer(BASE) as server:
            (before,) = fhir_trial.screen(ServerSource(server, ["lvef-missing"]), trial, as_of=AS_OF)
            given = [
                anna_says(before, "C7.6a", Says.MET),
                anna_says(before, "C7.4", Says.NOT_MET),
                anna_says(screened("lina-potentially-eligible", trial), "C3.1", Says.MET),
            ]
            book = PeoplesAnswers(given)
            (library,) = fhir_trial.screen(ServerSource(server, ["lvef-missing"]), trial, as_of=AS_OF, answers=book)
        status, out, _ = run(
            "screen", "--server", BASE, "--patient", "lvef-missing", "--as-of", AS_OF, "--format", "ndjson",
            "--answers", answered(tmp_path, *given),
        )  # fmt: skip
        service = ScreeningService(settings, JsonLinesAudit(io.StringIO()), answers=book).screen(
            "Patient/lvef-missing", TRIAL, as_of=AS_OF, first_dose=None, write=False, request="r1"
        )

    assert status == 0
    assert json.loads(out) == verdict_json(library) == verdict_json(service.verdict)
    assert (library.answer("C7.6a").outcome, library.answer("C7.4").outcome) == (Outcome.MET, Outcome.NOT_MET)
    assert (before.blockers, library.blockers) == ((), ("C7.4",))
    assert list(library.people) == ["C7.4", "C7.6a"]


# --- what reads a criterion of the trial


@pytest.mark.parametrize(
    ("name", "criterion", "says", "reads", "before", "after"),
    [
        ("back-after-two-years", "C3.1", Says.MET, "C3", Outcome.UNKNOWN, Outcome.MET),
        ("back-after-two-years", "C8.1", Says.NOT_MET, "C8.2", Outcome.UNKNOWN, Outcome.NOT_APPLICABLE),
        ("born-in-march-2021", "C8.1", Says.MET, "C8.3", Outcome.NOT_APPLICABLE, Outcome.NEEDS_CLINICIAN),
    ],
)
def test_criteria_of_the_trial_that_read_another_see_the_persons_answer(
    name: str, criterion: str, says: Says, reads: str, before: Outcome, after: Outcome, trial: ResolvedTrial
) -> None:
    plain = screened(name, trial)

    assert plain.answer(reads).outcome is before
    assert screened(name, trial, anna_says(plain, criterion, says)).answer(reads).outcome is after


# --- the contract


def test_a_verdict_shows_the_persons_answer_and_the_computed_one_beside_it(trial: ResolvedTrial) -> None:
    """SEC-51, VER-11."""
    before = screened("lvef-missing", trial)
    one = anna_says(before, "C7.4", Says.NOT_MET)
    told = verdict_json(screened("lvef-missing", trial, one))

    (shown,) = (criterion for criterion in told["criteria"] if "person" in criterion)
    assert (shown["id"], shown["answer"], shown["why"]) == ("C7.4", "not-met", None)
    assert shown["person"] == {
        "answer": "not-met",
        "reason": "Read in a letter.",
        "by": {"issuer": "https://login.example.invalid", "subject": "anna", "name": "Anna"},
        "at": "2026-03-02T14:30:00+00:00",
        "evidence": one.answer.evidence,
        "expired": False,
        "computed": {"answer": "met", "why": None, "reason": str(before.answer("C7.4").reason)},
    }


def test_every_answer_of_a_person_keeps_to_the_schema(trial: ResolvedTrial) -> None:
    validator = jsonschema.Draft202012Validator(verdict_schema())
    before = screened("lvef-missing", trial)
    for ahead, says in ((0, Says.CANNOT_SAY), (0, Says.MET), (40, Says.NOT_APPLICABLE)):
        given = [anna_says(before, criterion.id, says) for criterion, _ in before.answers]
        told = verdict_json(screened("lvef-missing", trial, *given, as_of=AS_OF + timedelta(days=ahead)))
        assert [error.message for error in validator.iter_errors(told)] == []
        assert all("person" in criterion for criterion in told["criteria"])
        expired = {criterion["id"] for criterion in told["criteria"] if criterion["person"]["expired"]}
        assert ("C7.4" in expired) == (ahead == 40)


def test_a_verdict_without_answers_has_no_such_key(trial: ResolvedTrial) -> None:
    (plain,) = fhir_trial.screen(SAMPLES / "lvef-missing.json", trial, as_of=AS_OF)

    assert "person" not in json.dumps([list(criterion) for criterion in verdict_json(plain)["criteria"]])
    assert verdict_json(plain) == verdict_json(screened("lvef-missing", trial))


# --- how long it holds, on real rules


@pytest.mark.parametrize("says", [Says.MET, Says.NOT_MET])
@pytest.mark.parametrize("name", ["lina-potentially-eligible", "turns-five-in-march", "omar-platelets-low-immune"])
def test_day_by_day_a_verdict_holds_exactly_as_long_as_it_says(name: str, says: Says, trial: ResolvedTrial) -> None:
    """VER-16, with somebody's answer to every other criterion."""
    plain = screened(name, trial)
    given = [anna_says(plain, criterion.id, says) for criterion, _ in plain.answers[::2]]
    days = [AS_OF + timedelta(days=ahead) for ahead in range(1, 45)]

    verdict = screened(name, trial, *given)
    later = {day: screened(name, trial, *given, as_of=day) for day in days}
    for criterion, answer in verdict.answers:
        first = next((day for day in days if later[day].answer(criterion.id).outcome is not answer.outcome), None)
        until = verdict.holds_until(criterion.id)
        assert (until if until and until <= days[-1] else None) == first, criterion.id


# --- the command line


def test_explain_prints_the_digest_with_which_a_line_can_be_written(run: Run, trial: ResolvedTrial) -> None:
    verdict = screened("lvef-missing", trial)
    _, out, _ = run("explain", SAMPLES / "lvef-missing.json", "--patient", "lvef-missing", "--as-of", AS_OF, "--digests")

    for criterion, _answer in verdict.answers:
        assert f"Evidence digest: {anna_says(verdict, criterion.id, Says.MET).answer.evidence}" in out


def test_explain_shows_who_answered_and_what_was_computed(tmp_path: Path, run: Run, trial: ResolvedTrial) -> None:
    file = answered(tmp_path, anna_says(screened("lvef-missing", trial), "C7.6a", Says.MET))
    status, out, err = run(
        "explain", SAMPLES / "lvef-missing.json", "--patient", "lvef-missing", "--as-of", AS_OF, "--answers", file
    )

    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert "✎ met, by Anna (anna at https://login.example.invalid), 2026-03-02T14:30:00+00:00; computed: unknown" in told
    assert "Anna answered met on 2026-03-02: Read in a letter. Computed: No left ventricular ejection fraction" in told


def test_explain_shows_an_expired_answer_as_such(tmp_path: Path, run: Run, trial: ResolvedTrial) -> None:
    file = answered(tmp_path, anna_says(screened("lvef-missing", trial), "C7.4", Says.NOT_MET))
    _, out, _ = run(
        "explain", SAMPLES / "lvef-missing.json", "--patient", "lvef-missing", "--as-of", "2026-06-02", "--answers", file
    )

    assert "! Expired, since what it was based on has changed: not-met, by Anna" in out
    assert "Anna answered" not in out


def test_answers_to_another_version_of_the_trial_are_told_and_not_applied(tmp_path: Path, run: Run, trial: ResolvedTrial) -> None:
    line = json.loads(answer_line(anna_says(screened("lvef-missing", trial), "C7.4", Says.NOT_MET))) | {"version": "seed0"}
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps(line), encoding="utf-8")

    status, out, err = run("screen", SAMPLES / "lvef-missing.json", "--as-of", AS_OF, "--format", "ndjson", "--answers", file)
    assert (status, err) == (0, f"Answers not applied: 1 to {TRIAL}@seed0; screened is seed1.\n")
    assert json.loads(out) == verdict_json(screened("lvef-missing", trial))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"criterion": "C99"}, "nct06789107 has no criterion 'C99'. It has: C1, C2, C3, C3.1"),
        ({"trial": "nct1"}, "There is no trial 'nct1'. There are: nct05471050, nct06789107."),
        ({"at": "today"}, "'at' is no time with its zone."),
        ({"reason": None}, "'not-met' to C7.4 overrides the computed 'met': give a reason."),
    ],
)
def test_a_line_that_is_wrong_ends_with_status_2_and_its_place(
    change: Json, says: str, tmp_path: Path, run: Run, trial: ResolvedTrial
) -> None:
    right = json.loads(answer_line(anna_says(screened("lvef-missing", trial), "C7.4", Says.NOT_MET)))
    file = tmp_path / "answers.jsonl"
    file.write_text("\n" + json.dumps(right | change), encoding="utf-8")

    status, out, err = run("screen", SAMPLES / "lvef-missing.json", "--as-of", AS_OF, "--answers", file)
    assert (status, out) == (2, "")
    assert f"{file}:2" in err
    assert says in " ".join(err.split())


def test_a_file_that_cannot_be_read_is_a_mistake_of_usage(tmp_path: Path, run: Run) -> None:
    status, _, err = run("screen", SAMPLES / "lvef-missing.json", "--answers", tmp_path / "none.jsonl")

    assert status == 2
    assert "cannot be read" in err


def test_the_line_that_the_documentation_shows_can_be_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "answers.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    (one,) = read_answers([shown.replace("\n", " ")], "docs/answers.md")
    assert one.criterion == "C7.6a"
    for key in json.loads(shown):
        assert f"| `{key}` |" in page
