"""The machine's part: everybody screened through ``POST /api/screenings``, and screened again a day later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from rich.table import Table
from rich.text import Text

from fhir_trial.cli.output import shortened
from fhir_trial.errors import SourceError
from fhir_trial.sandbox.demo.findings import Findings
from fhir_trial.sandbox.demo.service import Json, Service, words_of
from fhir_trial.sandbox.demo.signing_in import MACHINE
from fhir_trial.sandbox.demo.site import TRIAL

#: The samples tell their stories as of this day.
AS_OF = date(2026, 3, 2)
NEXT_DAY = date(2026, 3, 3)
WRITES = frozenset({"created", "updated"})
#: The part of the samples whose windows may close in a day.
_MOVED_BY_A_DAY = 0.1
_FORBIDDEN = 403


def screened(service: Service, patient: str, as_of: date) -> Json:
    """The answer to one ``POST /api/screenings`` of the machine's."""
    return service.told(MACHINE, "POST", "/api/screenings", _asked(patient, as_of))


def refusal(service: Service, patient: str, as_of: date) -> str | None:
    """Why the machine may not screen a patient; None if it did."""
    status, content = service.ask(MACHINE, "POST", "/api/screenings", _asked(patient, as_of))
    if status == _FORBIDDEN:
        return words_of(content)
    if status >= 400:
        raise SourceError(f"POST /api/screenings: the service answered {status}: {words_of(content)}")
    return None


def _asked(patient: str, as_of: date) -> Json:
    return {"patient": patient, "trial": TRIAL, "as_of": as_of.isoformat()}


def table(answers: Sequence[Json]) -> Table:
    """A row for each patient."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Patient", "Overall", "Because of", "Subject", "Observation"):
        shown.add_column(title, overflow="fold", no_wrap=title in ("Patient", "Overall"))
    for answer in answers:
        verdict, written = answer["verdict"], {kind: action for kind, action, _ in outcomes(answer)}
        cells = [patient_of(answer).removeprefix("Patient/"), verdict["overall"], _because(verdict)]
        shown.add_row(*map(Text, [*cells, written.get("ResearchSubject", "-"), written.get("Observation", "-")]))
    return shown


def _because(verdict: Json) -> str:
    order = [criterion["id"] for criterion in verdict["criteria"]]
    for word, ids in (("blocked by", verdict["blockers"]), ("missing", verdict["missing"])):
        if ids:
            return f"{word} {shortened(ids, order)}"
    return ""


def patient_of(answer: Json) -> str:
    """``Patient/id``."""
    return str(answer["verdict"]["patient"])


def outcomes(answer: Json) -> Iterator[tuple[str, str, str]]:
    """Type, action and reference of each resource written or not."""
    for result in answer["written"]:
        yield result["reference"].split("/")[0].split("?")[0], result["action"], result["reference"]


def wrote(answer: Json) -> bool:
    """Whether anything was written about the patient."""
    return any(action in WRITES for _, action, _ in outcomes(answer))


def reference_in(answer: Json, kind: str) -> str:
    """The resource of that type that the answer names."""
    return next(reference for of, _, reference in outcomes(answer) if of == kind)


def compare_runs(first: list[Json], second: list[Json], findings: Findings) -> None:
    """The second run, a day later, must write nothing for whom it finds the same; the clock may change a few answers."""
    findings.expect(len(first) > 0, f"{len(first)} patients were screened.")
    pairs = [(one, two) for one, two in zip(first, second, strict=True) if content(one["verdict"]) == content(two["verdict"])]
    same_now = {patient_of(one) for one, _ in pairs}
    moved = [patient_of(one) for one in first if patient_of(one) not in same_now]
    sentence = f"A day later the answers of {len(pairs)} patients are the same; changed: {', '.join(moved) or 'nobody'}."
    findings.expect(len(moved) <= len(first) * _MOVED_BY_A_DAY, sentence)
    again = Counter(action for _, answer in pairs for _, action, _ in outcomes(answer))
    findings.expect(not again.keys() & WRITES, f"For them the second run wrote nothing: {_counted(again)}.")
    same = all(_named(one) == _named(two) for one, two in pairs)
    findings.expect(same, "It named the very resources that the first run wrote.")


def content(verdict: Json) -> Json:
    """What a verdict says, without the day and the sentences: answers, whys, evidence."""
    criteria = [
        (each["id"], each["answer"], each["why"], [(piece["reference"], piece["version"]) for piece in each["evidence"]])
        for each in verdict.get("criteria", ())
    ]
    return {"patient": verdict["patient"], "overall": verdict.get("overall"), "criteria": criteria}


def _named(answer: Json) -> list[str]:
    """A Provenance goes with a new result alone, so a run that writes none names none."""
    return sorted(ref for kind, action, ref in outcomes(answer) if action != "withheld" and kind != "Provenance")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {action}" for action, count in sorted(counts.items())) or "nothing at all"
