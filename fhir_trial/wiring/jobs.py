"""Audit steps that stand for many: one for each trial, begun before the first patient, ended with the number of patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from fhir_trial.audit import AuditEvent, AuditOutcome, Journal
from fhir_trial.verdict.model import Verdict


class Jobs:
    """Context manager around a run over several patients. Without a journal it records nothing.

    Args:
        events: By id and version of the trial.
    """

    def __init__(self, journal: Journal | None = None, events: Mapping[tuple[str, str], AuditEvent] | None = None) -> None:
        self._journal, self._events = journal, events or {}
        self._begun: list[tuple[str, str]] = []
        self._numbers: Counter[tuple[str, str]] = Counter()

    def counted(self, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        """The same verdicts, each counted for its trial as it passes."""
        for verdict in verdicts:
            self._numbers[verdict.trial, verdict.version] += 1
            yield verdict

    def __enter__(self) -> Self:
        """AuditUnavailableError when an intent cannot be recorded; the run must not begin."""
        try:
            self._begin()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._journal is None:
            return
        outcome = AuditOutcome.DONE if kind is None else AuditOutcome.FAILED
        with ExitStack() as left:  # one that cannot be recorded does not keep the others from it
            for name in self._begun:
                left.callback(self._journal.end, replace(self._events[name], number_of=self._numbers[name]), outcome)

    def _begin(self) -> None:
        if self._journal is not None:
            for name, event in self._events.items():
                self._journal.begin(event)
                self._begun.append(name)
