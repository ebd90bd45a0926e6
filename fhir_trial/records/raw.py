"""What the reader is given: one patient's resources as they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fhir_trial.records.model import Issue, LoadState

Json = dict[str, Any]


class RawRecord(Protocol):
    """The part of ``screening.ports.RawPatient`` that reading needs; see there for what each attribute holds."""

    @property
    def reference(self) -> str: ...

    @property
    def patients(self) -> Sequence[Json]: ...

    @property
    def resources(self) -> Sequence[Json]: ...

    @property
    def by_reference(self) -> Mapping[str, Json]: ...

    @property
    def names(self) -> Mapping[int, str]: ...

    @property
    def states(self) -> Mapping[str, LoadState]: ...

    @property
    def default_state(self) -> LoadState: ...

    @property
    def issues(self) -> Sequence[Issue]: ...
