"""On whose behalf a command asks, for the audit log."""

from __future__ import annotations

import os

import pytest

from fhir_trial.cli.main import main
from fhir_trial.cli.options import os_user


def test_the_system_s_user_is_asked_of_the_system_and_not_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-02: an audit line that a variable could change would be worth little."""
    before = os_user()

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")

    assert os_user() == before != "somebody-else"


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_001)

    assert os_user() == "user 2000000001"


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 301])
def test_a_name_is_one_readable_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["screen", "nowhere.json", "--who", name])

    assert ended.value.code == 2
    assert "one line of 1 to 300 characters" in capsys.readouterr().err
