"""The demonstration, on a few of the samples: every claim of it is checked by itself, and what it promises of its folder here."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest
import requests
from rich.console import Console

from fhir_trial.config import samples_folder
from fhir_trial.errors import SourceError
from fhir_trial.sandbox.demo import looking
from fhir_trial.sandbox.demo.signing_in import LIFETIME
from fhir_trial.sandbox.demo.story import tell

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_spec("sekmet") is None, reason="sekmet-fhir is not installed: pip install 'fhir-trial[sandbox]'"),
]

#: One is left open, one lacks a measurement, three fit, one is out; a day changes nothing for any of them.
SAMPLES = (
    "lina-potentially-eligible",
    "lvef-missing",
    "nora-summary-complete",
    "omar-platelets-low-immune",
    "rituximab-two-months-ago",
    "theo-consent-signed",
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary ones are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in SAMPLES:
        shutil.copy(samples_folder() / f"{name}.json", folder)
    return folder


def test_everything_that_it_claims_holds_and_it_can_be_looked_at_while_it_is_kept(
    samples: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-34, SEC-36, SEC-51, WB-01, WB-03: a basis, an opt-out, an answer, a decision; the machine writes once."""
    told = StringIO()
    answered: list[requests.Response] = []

    def looked(seconds: float) -> None:
        curl = next(line for line in told.getvalue().splitlines() if line.strip().startswith("a patient's history"))
        assert seconds < LIFETIME
        *_, header, url = shlex.split(curl.replace("patient's", "patient"))
        name, _, value = Path(header.removeprefix("@")).read_text(encoding="ascii").strip().partition(": ")
        answered.append(requests.get(url, headers={name: value}, timeout=30))
        raise KeyboardInterrupt

    monkeypatch.setattr(looking, "sleep", looked)

    all_true = tell(samples, Console(file=told, width=132), keep=True)

    assert all_true, told.getvalue()
    (answer,) = answered
    assert [one["overall"] for one in answer.json()["screenings"]] == [
        "not-eligible",
        "potentially-eligible",
        "potentially-eligible",
    ]
    (folder,) = temporary.iterdir()
    assert {path.name for path in folder.iterdir()} >= {"settings.env", "servers.toml", "keys", "store.db", "fhir-server"}
    assert not list(folder.glob("coordinator.header*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / "keys", *folder.glob("fhir-server/*.pem")))


def test_without_patients_it_ends_with_a_sentence_and_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    empty = tmp_path / "nobody.json"
    empty.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": []}))

    with pytest.raises(SourceError, match="no one with the diagnosis"):
        tell(empty, Console(file=StringIO()))

    assert list(temporary.iterdir()) == []
