"""``make demo``: the whole path on this machine, and proof that a second run writes nothing.

A FHIR server that asks for a token, filled with the sample bundles; the service as a child process with a store; candidates
found by their diagnosis, screened on two days through ``POST /api/screenings``; what stands on the FHIR server counted and
compared with what the service said; then one new laboratory result, after which only its patient changes. Exit status 1 if
anything is otherwise than expected.
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
from fhir_trial.config import read_settings, samples_folder
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import FhirTrialError, SourceError
from fhir_trial.sandbox.clients import SandboxClient
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.sandbox.servers_file import write_servers_file
from fhir_trial.sources.candidates import find_candidates
from fhir_trial.store import new_key_line
from fhir_trial.terminology.systems import UCUM
from fhir_trial.transport import FhirServer, NotAuthorisedError
from fhir_trial.wiring.library import find_patient, open_source, screen_raw
from fhir_trial.writeback.identifiers import run_system, study_system, subject_system

Json = dict[str, Any]

TRIAL = "nct06789107"
#: The samples tell their stories as of this day.
AS_OF = date(2026, 3, 2)
NEXT_DAY = date(2026, 3, 3)
#: Of mappings/facts/laboratory.yaml: what the new result is about.
_ANALYTE = "alt"
#: The part of the samples whose windows may close in a day.
_MOVED_BY_A_DAY = 0.1
_PROGRAM = (sys.executable, "-m", "fhir_trial")
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
    with tempfile.TemporaryDirectory(prefix="fhir-trial-demo-") as folder, Sandbox(auth=SandboxClient()) as sandbox:
        loaded = sandbox.load(samples)
        findings.expect(not loaded.refused, f"The FHIR server took every resource ({loaded.loaded.total()} loaded).")
        for refused in loaded.refused:
            console.print(Text(f"Not loaded: {refused}"))
        own = surroundings(Path(folder), sandbox)
        os.environ.update(own)  # for the command line's way, which this process takes itself
        with FhirServer(read_settings().server_settings("sandbox")) as server, service(own) as url:
            _expect_a_closed_door(sandbox.base_url, findings)
            patients = find_candidates(server, ["condition"], [load_trial(TRIAL)]).patients
            console.print(f"FHIR server {sandbox.base_url}, which asks for a token; service {url}")
            console.print(f"Candidates by their diagnosis: {len(patients)} of {loaded.loaded['Patient']} patients\n")
            first = [screened(url, patient, AS_OF) for patient in patients]
            console.print(table(first))
            compare_with_server(first, server, findings)
            second = [screened(url, patient, NEXT_DAY) for patient in patients]
            compare_runs(first, second, findings)
            after_a_new_result(url, server, second, findings)
        explain_one("sandbox", first, console, findings)
        kept = subprocess.run([*_PROGRAM, "site", "verify-audit"], env=_with(own), capture_output=True, text=True, check=False)  # nosec B603
        findings.expect(kept.returncode == 0, f"The audit chain is whole: {kept.stdout.split(':')[0]} events.")
    console.print()
    for true, sentence in findings.lines:
        console.print(Text(f"{'✓' if true else '✗'} {sentence}", style="green" if true else "bold red"))
    return findings.all_true


def surroundings(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    """The settings of the demonstration: the server with its key, and a store of its own."""
    write_servers_file(folder / "servers.toml", {"sandbox": (sandbox.base_url, sandbox.access)})
    keys = folder / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("demo"), encoding="ascii")
    return {
        "FHIR_TRIAL_SERVERS_FILE": str(folder / "servers.toml"),
        "FHIR_TRIAL_DATABASE": f"sqlite:///{folder / 'store.db'}",
        "FHIR_TRIAL_KEYS_FILE": str(keys),
    }


def _expect_a_closed_door(base: str, findings: Findings) -> None:
    with FhirServer(base) as stranger:
        try:
            stranger.search("Patient", [])
        except NotAuthorisedError:
            findings.expect(True, "Without a token the FHIR server answers nobody.")
        else:
            findings.expect(False, "Without a token the FHIR server answers nobody.")


def _with(own: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FHIR_TRIAL_")} | own


@contextmanager
def service(own: dict[str, str]) -> Iterator[str]:
    """The service in a child process on a free port; its URL. Ended by its process id."""
    command = [*_PROGRAM, "serve", "--server", "sandbox", "--port", "0", *_SETTINGS]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=_with(own)) as child,  # nosec B603
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


def screened(url: str, patient: str, as_of: date) -> Json:
    """The answer to one ``POST /api/screenings``."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        asked = {"patient": patient, "trial": TRIAL, "as_of": as_of.isoformat()}
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
    """The second run, a day later, must write nothing for whom it finds the same; the clock may change a few answers."""
    findings.expect(len(first) > 0, f"{len(first)} patients were screened.")
    pairs = [(one, two) for one, two in zip(first, second, strict=True) if content(one["verdict"]) == content(two["verdict"])]
    moved = len(first) - len(pairs)
    findings.expect(
        moved <= len(first) * _MOVED_BY_A_DAY, f"A day later the answers of {len(pairs)} patients are the same ({moved} changed)."
    )
    again = Counter(action for _, answer in pairs for _, action, _ in outcomes(answer))
    findings.expect(not again.keys() & _WRITES, f"For them the second run wrote nothing: {_counted(again)}.")
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


def after_a_new_result(url: str, server: FhirServer, before: list[Json], findings: Findings) -> None:
    """One new laboratory result, and everybody is screened again: only that patient changes, and the earlier result stays."""
    chosen = next(answer for answer in before if _is_flagged(answer))["verdict"]["patient"]
    server.create(_result_above_its_limit(chosen))
    after = [screened(url, answer["verdict"]["patient"], NEXT_DAY) for answer in before]
    changed = {answer["verdict"]["patient"] for answer in after if {action for _, action, _ in outcomes(answer)} & _WRITES}
    findings.expect(changed == {chosen}, "After one new laboratory result only that patient's resources were written.")
    told = next(answer for answer in after if answer["verdict"]["patient"] == chosen)
    earlier = next(
        ref for answer in before for kind, _, ref in outcomes(answer) if kind == "Observation" and _is_of(answer, chosen)
    )
    newer = next(ref for kind, _, ref in outcomes(told) if kind == "Observation")
    replaced = json.dumps(server.read(newer).get("extension", []), default=str)
    findings.expect(newer != earlier and f'"{earlier}"' in replaced, "The new result names the one that it replaces.")
    findings.expect(server.read(earlier)["meta"]["versionId"] == "1", "The earlier result stands as it was written.")
    subject = next(ref for kind, _, ref in outcomes(told) if kind == "ResearchSubject")
    findings.expect(server.read(subject)["status"] == "ineligible", "The machine took back its own flag.")


def _is_flagged(answer: Json) -> bool:
    return any(kind == "ResearchSubject" and action == "unchanged" for kind, action, _ in outcomes(answer))


def _is_of(answer: Json, patient: str) -> bool:
    return bool(answer["verdict"]["patient"] == patient)


def _result_above_its_limit(patient: str) -> Json:
    """Twenty times its own upper limit: too high for the trial. Code and unit are those that the mappings accept."""
    known = load_trial(TRIAL).terminology
    code = next(each for codes in known.codes.values() for each in codes if each.analyte == _ANALYTE and each.decides)
    unit = known.laboratory(_ANALYTE).unit
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"coding": [{"system": code.system, "code": code.code}]},
        "subject": {"reference": patient},
        "effectiveDateTime": NEXT_DAY.isoformat(),
        "valueQuantity": {"value": 800, "unit": unit, "system": UCUM, "code": unit},
        "referenceRange": [{"high": {"value": 40, "unit": unit, "system": UCUM, "code": unit}}],
    }


def compare_with_server(answers: list[Json], server: FhirServer, findings: Findings) -> None:
    """What stands on the FHIR server under our identifiers is what the service said it wrote, each in its first version."""
    base = load_trial(TRIAL).own_bases[0]
    _expect_provenance(answers, server, findings)
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


def _expect_provenance(answers: list[Json], server: FhirServer, findings: Findings) -> None:
    results = {
        ref for answer in answers for kind, action, ref in outcomes(answer) if kind == "Observation" and action == "created"
    }
    held = server.search("Provenance", []).matches
    targets = Counter(target["reference"].split("/_history/")[0] for each in held for target in each["target"])
    findings.expect(targets == Counter(results), f"{len(held)} Provenance on the FHIR server: one for each result.")


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
