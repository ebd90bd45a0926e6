"""``make demo``: the whole path on this machine, and proof that a second run writes nothing.

A FHIR server filled with the sample bundles, the service as a child process, every patient screened twice through
``POST /api/screenings``, then what stands on the FHIR server counted and compared with what the service said. Exit status 1
if anything is otherwise than expected.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess  # nosec B404: the child is our own command line
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fhir_trial.cli.explain import explanation
from fhir_trial.config import samples_folder
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import FhirTrialError, SourceError
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.transport import FhirServer
from fhir_trial.wiring import find_patient, open_source, screen_raw
from fhir_trial.writeback.identifiers import run_system, study_system, subject_system

Json = dict[str, Any]

TRIAL = "nct06789107"
#: The samples tell their stories as of this day.
AS_OF = date(2026, 3, 2)
_SETTINGS = ("--write-back", "work-list", "--create-study", "--observations", "all")
_WRITES = frozenset({"created", "updated"})


@dataclass(slots=True)
class Findings:
    """What was expected, and whether it was so."""

    lines: list[tuple[bool, str]] = field(default_factory=list)

    def expect(self, true: bool, sentence: str) -> None:
        self.lines.append((true, sentence))

    @property
    def all_true(self) -> bool:
        return all(true for true, _ in self.lines)


def run(samples: Path, console: Console) -> bool:
    """Runs the demonstration; says whether everything was as expected."""
    findings = Findings()
    with Sandbox() as sandbox:
        loaded = sandbox.load(samples)
        findings.expect(not loaded.refused, f"The FHIR server took every resource ({loaded.loaded.total()} loaded).")
        for refused in loaded.refused:
            console.print(Text(f"Not loaded: {refused}"))
        with FhirServer(sandbox.base_url) as server, service(sandbox.base_url) as url:
            patients = sorted(f"Patient/{patient['id']}" for patient in server.search("Patient", []).matches)
            console.print(f"FHIR server {sandbox.base_url} with {len(patients)} patients; service {url}\n")
            first = [screened(url, patient) for patient in patients]
            console.print(table(first))
            second = [screened(url, patient) for patient in patients]
            compare_runs(first, second, findings)
            compare_with_server(first, server, findings)
        explain_one(sandbox.base_url, first, console, findings)
    console.print()
    for true, sentence in findings.lines:
        console.print(Text(f"{'✓' if true else '✗'} {sentence}", style="green" if true else "bold red"))
    return findings.all_true


@contextmanager
def service(server: str) -> Iterator[str]:
    """The service in a child process on a free port; its URL. Ended by its process id."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")}
    command = [sys.executable, "-m", "fhir_trial", "serve", "--server", server, "--port", "0", *_SETTINGS]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=own) as child,  # nosec B603
    ):
        try:
            url = child.stdout.readline().strip() if child.stdout else ""
            if not url:
                child.wait()
                log.seek(0)
                raise SourceError(f"The service did not start: {log.read().strip()}")
            yield url
        finally:
            child.terminate()


def screened(url: str, patient: str) -> Json:
    """The answer to one ``POST /api/screenings``."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        asked = {"patient": patient, "trial": TRIAL, "as_of": AS_OF.isoformat()}
        connection.request("POST", "/api/screenings", json.dumps(asked), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content: Json = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise SourceError(f"{patient}: the service answered {answer.status}: {content['issue'][0]['details']['text']}")
    return content


def table(answers: list[Json]) -> Table:
    """A row for each patient."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Patient", "Overall", "Blocked by", "Missing", "Subject", "Observation"):
        shown.add_column(title, overflow="fold", no_wrap=title in ("Patient", "Overall"))
    for answer in answers:
        verdict = answer["verdict"]
        written = {kind: action for kind, action, _ in outcomes(answer)}
        cells = [verdict["patient"], verdict["overall"], " ".join(verdict["blockers"]), " ".join(verdict["missing"])]
        shown.add_row(*map(Text, [*cells, written.get("ResearchSubject", "-"), written.get("Observation", "-")]))
    return shown


def outcomes(answer: Json) -> Iterator[tuple[str, str, str]]:
    """Type, action and reference of each resource written or not."""
    for result in answer["written"]:
        yield result["reference"].split("/")[0].split("?")[0], result["action"], result["reference"]


def compare_runs(first: list[Json], second: list[Json], findings: Findings) -> None:
    """The second run must find the same and write nothing."""
    findings.expect(len(first) > 0, f"{len(first)} patients were screened.")
    same = [one["verdict"] == other["verdict"] for one, other in zip(first, second, strict=True)]
    findings.expect(all(same), "The second run found the same, our own results beside the patients' data.")
    again = Counter(action for answer in second for _, action, _ in outcomes(answer))
    findings.expect(not again.keys() & _WRITES, f"The second run wrote nothing: {_counted(again)}.")
    once = [sorted(ref for _, action, ref in outcomes(answer) if action != "withheld") for answer in first]
    twice = [sorted(ref for _, action, ref in outcomes(answer) if action != "withheld") for answer in second]
    findings.expect(once == twice, "It named the very resources that the first run wrote.")


def compare_with_server(answers: list[Json], server: FhirServer, findings: Findings) -> None:
    """What stands on the FHIR server under our identifiers is what the service said it wrote, each in its first version."""
    base = load_trial(TRIAL).own_bases[0]
    systems = {"ResearchStudy": study_system, "ResearchSubject": subject_system, "Observation": run_system}
    for kind, system in systems.items():
        held = [resource for resource in server.search(kind, []).matches if _is_under(resource, system(base))]
        there = {f"{kind}/{resource['id']}" for resource in held}
        said = {ref for answer in answers for of, action, ref in outcomes(answer) if of == kind and action == "created"}
        findings.expect(bool(there) and there == said, f"{len(there)} {kind} on the FHIR server: exactly those created.")
        versions = {str(resource.get("meta", {}).get("versionId")) for resource in held}
        findings.expect(versions == {"1"}, f"Each {kind} is in its first version: nothing was written twice.")
        if kind == "ResearchSubject":
            _expect_the_right_patients(held, answers, findings)
        if kind == "Observation":
            kept_off = sum(answer["written"][0]["action"] == "withheld" for answer in answers)
            sentence = f"One eligibility Observation for each patient but {kept_off}, whose record may not be written to."
            findings.expect(len(held) + kept_off == len(answers), sentence)


def _expect_the_right_patients(subjects: list[Json], answers: list[Json], findings: Findings) -> None:
    flagged = sorted(subject["individual"]["reference"] for subject in subjects)
    not_eligible = {answer["verdict"]["patient"] for answer in answers if answer["verdict"]["overall"] == "not-eligible"}
    findings.expect(not not_eligible & set(flagged), "No patient who is not eligible is flagged.")
    findings.expect(len(set(flagged)) == len(flagged), "No patient is flagged twice.")


def _is_under(resource: Json, system: str) -> bool:
    identifiers = resource.get("identifier", ())
    return any(isinstance(identifier, dict) and identifier.get("system") == system for identifier in identifiers)


def explain_one(server: str, answers: list[Json], console: Console, findings: Findings) -> None:
    """The explanation of the undecided patient with the least missing, screened anew without the service."""
    undecided = [answer for answer in answers if answer["verdict"]["overall"] == "indeterminate"]
    chosen = min(undecided or answers, key=lambda answer: len(answer["verdict"]["missing"]))["verdict"]
    trial = load_trial(TRIAL)
    with open_source((), server, (chosen["patient"],)) as source:
        verdict = screen_raw(find_patient(source, chosen["patient"], trial), trial, as_of=AS_OF)
    console.print()
    for piece in explanation(verdict):
        console.print(piece)
    findings.expect(verdict_json(verdict) == chosen, "The command line finds the same as the service.")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {action}" for action, count in sorted(counts.items())) or "nothing at all"


def main() -> int:
    """The exit status: 0 as expected, 1 otherwise."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    try:
        return 0 if run(samples_folder(), console) else 1
    except FhirTrialError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
