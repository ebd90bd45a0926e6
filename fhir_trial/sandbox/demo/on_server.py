"""What stands on the FHIR server, counted and compared with what the service said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.sandbox.demo.findings import Findings
from fhir_trial.sandbox.demo.machine import AS_OF, outcomes, patient_of
from fhir_trial.sandbox.demo.service import Json
from fhir_trial.sandbox.demo.site import SERVER, TRIAL
from fhir_trial.transport import FhirServer, NotAuthorisedError
from fhir_trial.wiring.library import find_patient, open_source, screen_raw
from fhir_trial.writeback.identifiers import run_system, study_system, subject_system


def expect_a_closed_door(base: str, findings: Findings) -> None:
    """The FHIR server asks for a token."""
    with FhirServer(base) as stranger:
        try:
            stranger.search("Patient", [])
        except NotAuthorisedError:
            refused = True
        else:
            refused = False
    findings.expect(refused, "Without a token the FHIR server answers nobody.")


def compare_with_server(answers: Sequence[Json], server: FhirServer, findings: Findings) -> None:
    """What stands on the FHIR server under our identifiers is what the service said it wrote, each in its first version."""
    base = load_trial(TRIAL).own_bases[0]
    systems = {"ResearchStudy": study_system, "ResearchSubject": subject_system, "Observation": run_system}
    found: list[Json] = []
    for kind, system in systems.items():
        held = [resource for resource in server.search(kind, []).matches if _is_under(resource, system(base))]
        there = {f"{kind}/{resource['id']}" for resource in held}
        said = {ref for answer in answers for of, action, ref in outcomes(answer) if of == kind and action == "created"}
        findings.expect(bool(there) and there == said, f"{len(there)} {kind} on the FHIR server: exactly those created.")
        found += held
        if kind == "ResearchSubject":
            _expect_the_right_patients(held, answers, findings)
        if kind == "Observation":
            kept_off = sum(answer["written"][0]["action"] == "withheld" for answer in answers)
            sentence = f"One eligibility Observation for each patient but {kept_off}, whose record may not be written to."
            findings.expect(len(held) + kept_off == len(answers), sentence)
    _expect_provenance(answers, server, findings)
    versions = {str(resource.get("meta", {}).get("versionId")) for resource in found}
    findings.expect(versions == {"1"}, "All are in their first version: nothing was written twice.")


def expect_the_command_line_to_agree(answers: Sequence[Json], findings: Findings) -> None:
    """The undecided patient with the least missing, screened anew without the service."""
    undecided = [answer for answer in answers if answer["verdict"]["overall"] == "indeterminate"]
    chosen = min(undecided or answers, key=lambda answer: len(answer["verdict"]["missing"]))["verdict"]
    trial = load_trial(TRIAL)
    with open_source((), SERVER, (chosen["patient"],)) as source:
        verdict = screen_raw(find_patient(source, chosen["patient"], trial), trial, as_of=AS_OF)
    findings.expect(verdict_json(verdict) == chosen, "The command line finds the same as the service.")


def _expect_provenance(answers: Sequence[Json], server: FhirServer, findings: Findings) -> None:
    results = {
        ref for answer in answers for kind, action, ref in outcomes(answer) if kind == "Observation" and action == "created"
    }
    held = server.search("Provenance", []).matches
    targets = Counter(target["reference"].split("/_history/")[0] for each in held for target in each["target"])
    findings.expect(targets == Counter(results), f"{len(held)} Provenance on the FHIR server: one for each result.")


def _expect_the_right_patients(subjects: Sequence[Json], answers: Sequence[Json], findings: Findings) -> None:
    flagged = sorted(subject["individual"]["reference"] for subject in subjects)
    not_eligible = {patient_of(answer) for answer in answers if answer["verdict"]["overall"] == "not-eligible"}
    findings.expect(
        not not_eligible & set(flagged) and len(set(flagged)) == len(flagged),
        "No patient who is not eligible is flagged, and nobody twice.",
    )


def _is_under(resource: Json, system: str) -> bool:
    identifiers = resource.get("identifier", ())
    return any(isinstance(identifier, dict) and identifier.get("system") == system for identifier in identifiers)
