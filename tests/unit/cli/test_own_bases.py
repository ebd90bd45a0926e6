"""The command line knows the same results as our own as the service does (R40)."""

from __future__ import annotations

import pytest

from fhir_trial.cli.options import Asked, load_trials


def test_bases_of_this_process_are_ours_on_the_command_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TRIAL_IDENTIFIER_BASE", "https://research.example.invalid/ids")
    monkeypatch.setenv("FHIR_TRIAL_FORMER_BASES", "https://former.example.invalid/ids")

    (trial,) = load_trials(("nct06789107",), Asked(None, None, None, None, (), complete=False))

    assert trial.own_bases[0] == "https://research.example.invalid/ids"
    assert "https://former.example.invalid/ids" in trial.own_bases
