"""The demonstration notices when something is otherwise than it should be."""

import os
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from fhir_trial.errors import SourceError, UsageError
from fhir_trial.sandbox.demo import Findings, compare_runs
from fhir_trial.sandbox.demo.looking import write_header
from fhir_trial.sandbox.demo.service import Service
from fhir_trial.sandbox.demo.signing_in import AUDIENCE, COORDINATOR, Issuer
from fhir_trial.sandbox.demo.site import in_force, site
from fhir_trial.sandbox.demo.study_team import choose
from fhir_trial.transport.issuers import IssuerKeys, now
from fhir_trial.web.tokens import RefusedTokenError, Signed, TokenCheck

Json = dict[str, Any]


def answer(patient: str, action: str) -> Json:
    reference = f"ResearchSubject/{patient}"
    return {"verdict": {"patient": f"Patient/{patient}"}, "written": [{"reference": reference, "action": action, "reason": "x"}]}


FIRST = [answer("a", "created"), answer("b", "withheld")]
SECOND = [answer("a", "unchanged"), answer("b", "withheld")]


def compared(first: list[Json], second: list[Json]) -> Findings:
    findings = Findings()
    compare_runs(first, second, findings)
    return findings


def test_a_second_run_that_changes_nothing_is_as_expected() -> None:
    assert compared(FIRST, SECOND).all_true


@pytest.mark.parametrize("action", ["created", "updated"])
def test_a_second_run_that_writes_is_noticed(action: str) -> None:
    assert not compared(FIRST, [answer("a", action), SECOND[1]]).all_true


def test_a_second_run_whose_verdicts_change_for_many_is_noticed() -> None:
    other = deepcopy(SECOND)
    other[0]["verdict"]["overall"] = "not-eligible"

    assert not compared(FIRST, other).all_true


def test_a_second_run_that_names_another_resource_is_noticed() -> None:
    other = deepcopy(SECOND)
    other[0]["written"][0]["reference"] = "ResearchSubject/z"

    assert not compared(FIRST, other).all_true


def test_a_server_without_patients_is_noticed() -> None:
    assert not compared([], []).all_true


def test_every_claim_is_told_at_once_and_counts() -> None:
    told = StringIO()
    findings = Findings(Console(file=told, width=40))

    findings.expect(True, "The first holds.")
    findings.expect(False, "The second, which is rather longer than a line, does not.")

    assert not findings.all_true
    assert told.getvalue() == ("  ✓ The first holds.\n  ✗ The second, which is rather longer\n    than a line, does not.\n")


class TestIssuer:
    """SMART-33, SMART-34: by the very check of the service."""

    def test_its_tokens_say_who_signs_in(self) -> None:
        with Issuer() as issuer:
            signed = TokenCheck({issuer.url: IssuerKeys(issuer.url)}, AUDIENCE, now)(issuer.token(COORDINATOR))

        assert signed == Signed(issuer.url, COORDINATOR.subject, signed.token)

    def test_another_issuer_cannot_sign_for_it(self) -> None:
        with Issuer() as issuer, Issuer() as other:
            check = TokenCheck({issuer.url: IssuerKeys(issuer.url)}, AUDIENCE, now)

            with pytest.raises(RefusedTokenError, match="issuer that is not configured"):
                check(other.token(COORDINATOR))

    def test_it_publishes_the_public_half_of_its_key_alone(self) -> None:
        with Issuer() as issuer:
            (key,) = requests.get(f"{issuer.url}/jwks", timeout=5).json()["keys"]
            elsewhere = requests.get(f"{issuer.url}/keys", timeout=5).status_code

        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}
        assert elsewhere == 404

    def test_the_token_at_hand_is_for_the_owner_of_the_folder_only(self, tmp_path: Path) -> None:
        with Issuer() as issuer:
            header = write_header(tmp_path, Service("http://127.0.0.1:1", issuer))
            again = write_header(tmp_path, Service("http://127.0.0.1:1", issuer))

        assert header == again
        assert header.stat().st_mode & 0o777 == 0o600
        assert header.read_text().startswith("Authorization: Bearer ey")
        assert list(tmp_path.iterdir()) == [header]


def test_settings_of_ones_own_do_not_reach_the_demonstration_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TRIAL_SITE", "bailuhe")

    with in_force({"FHIR_TRIAL_TENANT": "demo"}):
        within = {name: value for name, value in os.environ.items() if name.startswith("FHIR_TRIAL_")}

    assert within == {"FHIR_TRIAL_TENANT": "demo"}
    assert os.environ["FHIR_TRIAL_SITE"] == "bailuhe"
    assert "FHIR_TRIAL_TENANT" not in os.environ


def test_a_command_of_the_site_that_fails_says_why() -> None:
    with in_force({}), pytest.raises(UsageError, match=r"site basis: .*FHIR_TRIAL_DATABASE"):
        site("basis", "list")


def flagged(patient: str, *missing: str) -> Json:
    verdict = {"patient": f"Patient/{patient}", "overall": "indeterminate" if missing else "potentially-eligible"}
    written = [{"reference": f"{kind}/{patient}", "action": "unchanged"} for kind in ("ResearchSubject", "Observation")]
    return {"verdict": {**verdict, "missing": list(missing)}, "written": written}


def test_the_story_is_about_four_flagged_patients_the_answered_one_with_the_least_missing() -> None:
    out = flagged("out")
    out["verdict"]["overall"] = "not-eligible"
    answers = [out, flagged("a", "C1", "C2"), flagged("b", "C1"), flagged("c"), flagged("d")]

    chosen = choose(answers)

    four = (chosen.answered, chosen.contacted, chosen.tested, chosen.opting_out)
    assert [one["verdict"]["patient"] for one in four] == ["Patient/b", "Patient/c", "Patient/d", "Patient/a"]


def test_too_few_patients_are_a_sentence() -> None:
    with pytest.raises(SourceError, match=r"Among the patients there is no one flagged whom we could contact\."):
        choose([flagged("a", "C1")])
