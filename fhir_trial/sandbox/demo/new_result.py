"""One new laboratory result, and everybody is screened again: only that patient changes, and the earlier result stays."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.sandbox.demo.findings import Findings
from fhir_trial.sandbox.demo.machine import NEXT_DAY, content, patient_of, reference_in, refusal, screened, wrote
from fhir_trial.sandbox.demo.service import Json, Service
from fhir_trial.sandbox.demo.signing_in import COORDINATOR
from fhir_trial.sandbox.demo.site import TRIAL
from fhir_trial.sandbox.demo.study_team import Chosen, history, is_left_so, tell_history
from fhir_trial.terminology.systems import UCUM
from fhir_trial.transport import FhirServer

#: Of mappings/facts/laboratory.yaml: what the new result is about.
_ANALYTE = "alt"


def after_a_new_result(
    service: Service, server: FhirServer, before: Sequence[Json], chosen: Chosen, decided: Json, findings: Findings
) -> None:
    """Posts the result, screens everybody, and compares.

    Args:
        before: The machine's newest answer about each patient.
        decided: The contacted patient's ResearchSubject as a person left it.
    """
    tested, out = patient_of(chosen.tested), patient_of(chosen.opting_out)
    was = history(service, COORDINATOR, chosen.tested["patient_key"])
    server.create(_result_above_its_limit(tested))
    findings.tell(f"  {_ANALYTE.upper()} of {tested}: twenty times the upper limit. The machine screens everybody again.")
    left = [answer for answer in before if patient_of(answer) != out]
    after = [screened(service, patient_of(answer), NEXT_DAY) for answer in left]
    written = {patient_of(answer) for answer in after if wrote(answer)}
    findings.expect(written == {tested}, f"Written was about: {', '.join(sorted(written)) or 'nobody'}.")
    others = [(one, two) for one, two in zip(left, after, strict=True) if patient_of(one) != tested]
    changed = [patient_of(one) for one, two in others if content(one["verdict"]) != content(two["verdict"])]
    findings.expect(not changed, f"Of the {len(others)} others changed: {', '.join(changed) or 'nobody'}.")
    told = next(answer for answer in after if patient_of(answer) == tested)
    _expect_an_own_history(service, told, was, findings)
    _expect_a_new_result(server, chosen.tested, told, findings)
    sentence = f"The machine left {patient_of(chosen.contacted)} as the investigator decided: {decided['status']}."
    findings.expect(is_left_so(server, decided), sentence)
    findings.expect(refusal(service, out, NEXT_DAY) is not None, f"{out}, who opted out, was not screened.")


def _expect_an_own_history(service: Service, told: Json, was: list[Json], findings: Findings) -> None:
    now = history(service, COORDINATOR, told["patient_key"])
    findings.tell("      Its history, newest first:")
    tell_history(now, findings)
    overall = (now[0]["overall"], was[0]["overall"])
    findings.expect(
        now[1:] == was and overall[0] == "not-eligible" != overall[1],
        f"{overall[1]} became {overall[0]}, because of {' '.join(told['verdict']['blockers'])}; the earlier screenings stay.",
    )


def _expect_a_new_result(server: FhirServer, before: Json, told: Json, findings: Findings) -> None:
    earlier, newer = reference_in(before, "Observation"), reference_in(told, "Observation")
    replaced = json.dumps(server.read(newer).get("extension", []), default=str)
    findings.expect(
        newer != earlier and f'"{earlier}"' in replaced and server.read(earlier)["meta"]["versionId"] == "1",
        f"{newer} names {earlier}, which it replaces and which stands as it was written.",
    )
    status = server.read(reference_in(told, "ResearchSubject"))["status"]
    findings.expect(status == "ineligible", f"The machine took back its own flag: {status}.")


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
