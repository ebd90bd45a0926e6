"""The state that every killed process begins from: a server and a store, as often as one likes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from fhir_trial.config import Settings, samples_folder
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.people.bases import Basis, BasisKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.store import new_key_line
from fhir_trial.terminology.systems import UCUM
from fhir_trial.transport import FhirServer
from fhir_trial.wiring.clock import now
from fhir_trial.wiring.kept import open_kept
from tests.torture.findings import Found, found_on
from tests.torture.processes import Processes
from tests.torture.work import TRIAL, Work

Json = dict[str, Any]

_LONG_AGO = date(2020, 1, 1)
FLAGGED, DECIDED_ABOUT = "lina-potentially-eligible", "theo-consent-signed"
#: One of each kind: eligible, undecided, not eligible, dead, and a record from another country's dialect.
SEVERAL = (FLAGGED, "omar-platelets-low-immune", "lupus-refuted", "died-last-autumn", "nora-summary-complete")


class Stores(ABC):
    """Copies of one store."""

    @property
    @abstractmethod
    def original(self) -> str:
        """URL of the store that copies are taken from."""

    @abstractmethod
    def copy(self) -> str:
        """URL of a new copy; the one before is gone."""


class SqliteStores(Stores):
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._original, self._copy = folder / "original.db", folder / "copy.db"

    @property
    def original(self) -> str:
        return f"sqlite:///{self._original}"

    def copy(self) -> str:
        for ending in ("", "-wal", "-shm"):
            _beside(self._copy, ending).unlink(missing_ok=True)
        for ending in ("", "-wal"):  # a process that ends at once leaves its last commits in the second
            if _beside(self._original, ending).exists():
                shutil.copy(_beside(self._original, ending), _beside(self._copy, ending))
        return f"sqlite:///{self._copy}"


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


class PostgresStores(Stores):
    """Databases of one server, made from one of them.

    Args:
        url: Of a database of a server on which databases may be made.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._server = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._run("DROP DATABASE IF EXISTS torture_original WITH (FORCE)", "CREATE DATABASE torture_original")

    @property
    def original(self) -> str:
        return self._named("torture_original")

    def copy(self) -> str:
        # A killed process's connection is noticed by the server a moment later.
        again = "DROP DATABASE IF EXISTS torture_copy WITH (FORCE)"
        self._run(again, "CREATE DATABASE torture_copy TEMPLATE torture_original")
        return self._named("torture_copy")

    def close(self) -> None:
        self._server.dispose()

    def _named(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def _run(self, *statements: str) -> None:
        with self._server.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))


def prepared(settings: Settings) -> None:
    """Makes the store, and records on what the site screens for the trial."""
    kept = open_kept(settings)
    assert kept is not None
    kept.bases.record(Basis(TRIAL, BasisKind.TREATMENT, None, _LONG_AGO, None), by="torture", at=now())
    kept.engine.dispose()


class Hospital(ABC):
    """A FHIR server that can be put back into a state."""

    base_url: str

    @abstractmethod
    def load(self, bundles: Iterable[Path]) -> None:
        """Adds these; what is there now is the state that ``reset`` returns to."""

    @abstractmethod
    def reset(self) -> None: ...


class SandboxHospital(Hospital):
    """The sandbox, which keeps a state of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self.base_url = sandbox, sandbox.base_url

    def load(self, bundles: Iterable[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for bundle in bundles:
                shutil.copy(bundle, folder)
            assert not self._sandbox.load(folder).refused

    def reset(self) -> None:
        self._sandbox.reset()


@dataclass(frozen=True, slots=True)
class Ground:
    """A server and a store in the state that is begun from.

    Attributes:
        keys_file: Of the store.
    """

    hospital: Hospital
    stores: Stores
    keys_file: Path
    processes: Processes

    def __post_init__(self) -> None:
        """The store is made here, so that no process under torture spends its time on that."""
        prepared(self.work(()).settings())

    def work(self, patients: Iterable[str], **more: Any) -> Work:
        """On the store that copies are taken from; ``anew`` moves it to a copy.

        Args:
            patients: Names of sample bundles, which are the patients' ids too.
        """
        ids = tuple(f"Patient/{patient}" for patient in patients)
        return Work(self.hospital.base_url, self.stores.original, str(self.keys_file), ids, **more)

    def anew(self, work: Work) -> Work:
        """Back to the beginning: the same work, on a copy of the store."""
        self.hospital.reset()
        return replace(work, database=self.stores.copy())

    def found(self) -> Found:
        """What of ours is on the server."""
        with FhirServer(self.hospital.base_url) as server:
            return found_on(server)

    def load(self, patients: Iterable[str]) -> None:
        self.hospital.load(samples_folder() / f"{patient}.json" for patient in patients)

    def make_ineligible(self, patient: str) -> None:
        """A new laboratory result, with what is there now the beginning from now on."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "new-result.json"
            entry = {"fullUrl": "Observation/new-result", "resource": _result_above_its_limit(f"Patient/{patient}")}
            path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [entry]}), encoding="utf-8")
            self.hospital.load([path])


@contextmanager
def sandbox_ground(processes: Processes, database: str | None = None) -> Iterator[Ground]:
    """A sandbox and a store.

    Args:
        database: URL of a PostgreSQL database beside which the stores are made; None for SQLite.
    """
    # In memory where that is to be had: a killed process loses nothing that it has given to the kernel.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fhir-trial-torture-", dir=memory)))
        sandbox = stack.enter_context(Sandbox(folder / "sandbox"))
        stores = stack.enter_context(closing(PostgresStores(database))) if database else SqliteStores(folder)
        yield Ground(SandboxHospital(sandbox), stores, keys_in(folder), processes)


def keys_in(folder: Path) -> Path:
    """A new keys file."""
    keys = folder / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("torture"), encoding="ascii")
    return keys


def _result_above_its_limit(patient: str) -> Json:
    """Twenty times its own upper limit: too high for the trial."""
    known = load_trial(TRIAL).terminology
    code = next(each for codes in known.codes.values() for each in codes if each.analyte == "alt" and each.decides)
    unit = known.laboratory("alt").unit
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return {
        "resourceType": "Observation",
        "id": "new-result",
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"coding": [{"system": code.system, "code": code.code}]},
        "subject": {"reference": patient},
        "effectiveDateTime": "2026-03-01",
        "valueQuantity": {"value": 800, "unit": unit, "system": UCUM, "code": unit},
        "referenceRange": [{"high": {"value": 40, "unit": unit, "system": UCUM, "code": unit}}],
    }
