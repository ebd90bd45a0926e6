"""The story of the demonstration, from an empty folder to the audit chain."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from fhir_trial.config import read_settings
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.sandbox.clients import SandboxClient
from fhir_trial.sandbox.demo import machine, on_server, site, study_team
from fhir_trial.sandbox.demo.findings import Findings, first_of
from fhir_trial.sandbox.demo.looking import stay, tell_where_to_look
from fhir_trial.sandbox.demo.new_result import after_a_new_result
from fhir_trial.sandbox.demo.service import Json, Service, running
from fhir_trial.sandbox.demo.signing_in import COORDINATOR, INVESTIGATOR, MACHINE, STRANGER, Issuer
from fhir_trial.sandbox.demo.study_team import Chosen
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.sources.candidates import find_candidates
from fhir_trial.transport import FhirServer


def tell(samples: Path, console: Console, *, keep: bool = False) -> bool:
    """Runs the demonstration; says whether everything was as expected.

    Args:
        samples: What the FHIR server is filled with.
        keep: Leave both servers running until Ctrl-C, and what they keep for good; else all is removed.

    Raises:
        SourceError: The samples do not have the patients that the story needs, or a server failed.
    """
    findings = Findings(console)
    folder = Path(tempfile.mkdtemp(prefix="fhir-trial-demo-"))
    try:
        with Issuer() as issuer, Sandbox(folder / "fhir-server", auth=SandboxClient()) as sandbox:
            _load(sandbox, samples, findings)
            with site.in_force(site.settings_of(folder, sandbox, issuer.url)):
                _in_parts(folder, sandbox, issuer, findings, keep=keep)
    finally:
        if not keep:
            shutil.rmtree(folder)
    return findings.all_true


def _load(sandbox: Sandbox, samples: Path, findings: Findings) -> None:
    loaded = sandbox.load(samples)
    findings.part("1. A site is set up")
    findings.expect(not loaded.refused, f"The FHIR server took every resource: {loaded.loaded.total()}.")
    for refused in loaded.refused:
        findings.tell(f"      Not loaded: {refused}")
    on_server.expect_a_closed_door(sandbox.base_url, findings)


def _in_parts(folder: Path, sandbox: Sandbox, issuer: Issuer, findings: Findings, *, keep: bool) -> None:
    with FhirServer(read_settings().server_settings(site.SERVER)) as server:
        patients = find_candidates(server, ["condition"], [load_trial(site.TRIAL)]).patients
        one = first_of(patients, "with the diagnosis")
        with running(issuer) as service:
            _open_the_site(service, one, findings)
            chosen = _people_and_machine(service, server, patients, findings)
            tell_where_to_look(folder, sandbox.base_url, service, chosen.tested["patient_key"], findings, keep=keep)
            if keep:
                stay(folder, service, findings)


def _people_and_machine(service: Service, server: FhirServer, patients: tuple[str, ...], findings: Findings) -> Chosen:
    """Parts 2 to 5; about whom they were."""
    newest = _machine_screens(service, server, patients, findings)
    chosen = study_team.choose(newest)
    findings.part("3. The study team works")
    answered = study_team.coordinator_answers(service, chosen.answered, findings)
    decided, contacted = study_team.investigator_decides(service, server, chosen.contacted, findings)
    study_team.patient_opts_out(service, chosen.opting_out, findings)
    findings.part("4. One new laboratory result is posted")
    since = {machine.patient_of(answer): answer for answer in (*newest, answered, contacted)}
    after_a_new_result(service, server, list(since.values()), chosen, decided, findings)
    findings.part("5. Who did what is on record")
    whole, told = site.check_audit()
    findings.expect(whole, f"The audit chain is whole: {told.partition(':')[0]} events." if whole else told)
    _sum_up(findings)
    return chosen


def _open_the_site(service: Service, patient: str, findings: Findings) -> None:
    """Roles, then a basis: without either, nothing."""
    findings.expect(service.ask(None, "GET", "/api/trials")[0] == 401, "Without a token the service answers nobody.")
    for person in (MACHINE, COORDINATOR, INVESTIGATOR):
        site.grant(service.issuer.url, person)
        findings.tell(f"      {person.name} signs in and has a role on the trial: {person.role}")
    status, _ = service.ask(STRANGER, "GET", "/api/trials")
    findings.expect(status == 403, "Who signs in and has no role sees nothing.")
    refused = machine.refusal(service, patient, machine.AS_OF)
    findings.expect(refused is not None, "Before a basis is recorded nobody is screened.")
    findings.tell(f"      {site.record_basis()}")


def _machine_screens(service: Service, server: FhirServer, patients: tuple[str, ...], findings: Findings) -> list[Json]:
    """Twice; the answers of the second day."""
    findings.part("2. The machine screens, and a day later again")
    everybody = server.search("Patient", []).matches
    findings.tell(f"  Candidates by their diagnosis: {len(patients)} of {len(everybody)} patients\n")
    first = [machine.screened(service, patient, machine.AS_OF) for patient in patients]
    if findings.console is not None:
        findings.console.print(machine.table(first))
        findings.console.print()
    on_server.compare_with_server(first, server, findings)
    on_server.expect_the_command_line_to_agree(first, findings)
    second = [machine.screened(service, patient, machine.NEXT_DAY) for patient in patients]
    machine.compare_runs(first, second, findings)
    return second


def _sum_up(findings: Findings) -> None:
    wrong = [sentence for true, sentence in findings.lines if not true]
    if not wrong:
        findings.tell(f"\nAll {len(findings.lines)} claims hold.", "bold green")
        return
    findings.tell(f"\n{len(wrong)} of {len(findings.lines)} claims do not hold:", "bold red")
    for sentence in wrong:
        findings.tell(f"  ✗ {sentence}", "bold red")
