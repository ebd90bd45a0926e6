"""The study team's part: a coordinator answers, an investigator decides, a patient opts out."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_trial.sandbox.demo import site
from fhir_trial.sandbox.demo.findings import Findings, first_of
from fhir_trial.sandbox.demo.machine import NEXT_DAY, outcomes, patient_of, reference_in, refusal, screened, wrote
from fhir_trial.sandbox.demo.service import Json, Service
from fhir_trial.sandbox.demo.signing_in import COORDINATOR, INVESTIGATOR, Person
from fhir_trial.transport import FhirServer

#: An answer that lets the patient take part.
_PERMITS = {"inclusion": "met", "exclusion": "not-met"}
_ON_PAPER = "Confirmed from the paper chart."
_ON_THE_TELEPHONE = "Spoken with on the telephone."


@dataclass(frozen=True, slots=True)
class Chosen:
    """About whom the story is; four patients, each of whom was flagged.

    Attributes:
        answered: An undecided one, of whom the least is missing.
    """

    answered: Json
    contacted: Json
    opting_out: Json
    tested: Json


def choose(answers: list[Json]) -> Chosen:
    """From the machine's newest run.

    Raises:
        SourceError: Too few were flagged.
    """
    flagged = sorted((answer for answer in answers if _is_flagged(answer)), key=lambda answer: len(answer["verdict"]["missing"]))
    answered = first_of((answer for answer in flagged if answer["verdict"]["missing"]), "flagged and undecided")
    others = iter(answer for answer in flagged if answer is not answered)
    contacted, tested, opting_out = (first_of(others, f"flagged whom we could {what}") for what in ("contact", "test", "leave"))
    return Chosen(answered, contacted, opting_out, tested)


def _is_flagged(answer: Json) -> bool:
    kept = {result["reference"].split("/")[0] for result in answer["written"] if result["action"] == "unchanged"}
    return {"ResearchSubject", "Observation"} <= kept and answer["verdict"]["overall"] != "not-eligible"


def history(service: Service, who: Person, key: str) -> list[Json]:
    """The kept screenings of a patient, newest first."""
    return list(service.told(who, "GET", f"/api/patients/{key}/screenings")["screenings"])


def tell_history(lines: list[Json], findings: Findings) -> None:
    """A line for each screening."""
    for line in lines:
        findings.tell(f"      as of {line['as_of']}   {line['overall']}")


def coordinator_answers(service: Service, before: Json, findings: Findings) -> Json:
    """An open criterion is answered, with a reason, and the patient screened again; the new screening.

    Returns:
        The machine's newest answer about the patient.
    """
    key, patient = before["patient_key"], patient_of(before)
    was = history(service, COORDINATOR, key)
    findings.tell(f"  {COORDINATOR.name}, coordinator, opens {patient}:")
    tell_history(was, findings)
    shown = service.told(COORDINATOR, "GET", f"/api/screenings/{before['id']}")
    findings.expect(
        was[0]["id"] == before["id"] and shown["verdict"] == before["verdict"], "The screening is shown as it was made."
    )
    name = before["verdict"]["missing"][0]
    open_one = _criterion(before, name)
    findings.tell(f"      {name} is open: {open_one['reason']}")
    said = _PERMITS[open_one["type"]]
    findings.tell(f"      {COORDINATOR.name} answers {name}: {said}. {_ON_PAPER}")
    given = {"screening": before["id"], "criterion": name, "answer": said, "reason": _ON_PAPER}
    service.told(COORDINATOR, "POST", "/api/answers", given)
    after = screened(service, patient, NEXT_DAY)
    counts = _criterion(after, name)
    findings.expect(
        counts["answer"] == said and counts["person"]["by"]["name"] == COORDINATOR.name,
        f"Screened again, {name} is {counts['answer']}, in {COORDINATOR.name}'s name; the computed answer stays beside it.",
    )
    findings.expect(
        set(after["verdict"]["missing"]) == set(before["verdict"]["missing"]) - {name},
        f"It counts: {before['verdict']['overall']} before, {after['verdict']['overall']} now; "
        f"still missing: {' '.join(after['verdict']['missing']) or 'nothing'}.",
    )
    now = history(service, COORDINATOR, key)
    findings.expect(
        now[1:] == was and wrote(after), f"The history has {len(now)} screenings, and the new result is on the server."
    )
    return after


def investigator_decides(service: Service, server: FhirServer, about: Json, findings: Findings) -> tuple[Json, Json]:
    """A patient is contacted, and the machine screens on.

    Returns:
        The ResearchSubject as the person left it on the FHIR server; the machine's newest answer about the patient.
    """
    key, subject = about["patient_key"], reference_in(about, "ResearchSubject")
    before = service.told(INVESTIGATOR, "GET", f"/api/patients/{key}/standing?trial={site.TRIAL}")
    findings.tell(f"  {INVESTIGATOR.name}, investigator, decides about {patient_of(about)}: contacted. {_ON_THE_TELEPHONE}")
    decision = {
        "patient": key,
        "trial": site.TRIAL,
        "status": "contacted",
        "reason": _ON_THE_TELEPHONE,
        "since": NEXT_DAY.isoformat(),
        "shown": before["shown"],
    }
    service.told(INVESTIGATOR, "POST", "/api/decisions", decision)
    after = service.told(INVESTIGATOR, "GET", f"/api/patients/{key}/standing?trial={site.TRIAL}")
    held = server.read(subject)
    findings.expect(
        (before["on_server"], held["status"], after["status"]) == ("potential-candidate", "candidate", "contacted"),
        f"On the FHIR server {subject} was {before['on_server']} and is {held['status']}.",
    )
    decided = [step["subject"] for step in after["history"] if step["state"] == "written"]
    findings.expect(decided == [INVESTIGATOR.subject], "Who decided, when and why is kept.")
    newest = screened(service, patient_of(about), NEXT_DAY)
    findings.expect(
        is_left_so(server, held) and subject in _evidence(newest),
        f"The machine's next run leaves it so ({_done_to(newest, 'ResearchSubject')}), and has it among its evidence.",
    )
    return held, newest


def is_left_so(server: FhirServer, subject: Json) -> bool:
    """Whether a ResearchSubject stands in the version that is given."""
    held = server.read(f"ResearchSubject/{subject['id']}")
    return bool(held["status"] == subject["status"] and held["meta"]["versionId"] == subject["meta"]["versionId"])


def _done_to(answer: Json, kind: str) -> str:
    return next((action for of, action, _ in outcomes(answer) if of == kind), "not touched")


def patient_opts_out(service: Service, about: Json, findings: Findings) -> None:
    """Nothing is done about the patient, nor shown, from the next request on."""
    patient, key = patient_of(about), about["patient_key"]
    findings.tell(f"  {patient} objects, and the administrator enters it in the register.")
    site.opt_out(patient)
    why = refusal(service, patient, NEXT_DAY)
    findings.expect(why is not None, f"Screening is refused: {why or 'it was not.'}")
    status, _ = service.ask(COORDINATOR, "GET", f"/api/patients/{key}/standing?trial={site.TRIAL}")
    findings.expect(status == 403 and not history(service, COORDINATOR, key), "What was kept is shown to nobody any more.")


def _evidence(answer: Json) -> set[str]:
    return {piece["reference"] for criterion in answer["verdict"]["criteria"] for piece in criterion["evidence"]}


def _criterion(answer: Json, name: str) -> Json:
    return next(dict(one) for one in answer["verdict"]["criteria"] if one["id"] == name)
