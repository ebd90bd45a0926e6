"""What was found out about a server: counts, codes, states and sentences, and nothing of a patient."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fhir_trial.records.model import LoadState


@dataclass(frozen=True, slots=True)
class SearchSeen:
    """One search of the plan, as the sample met it.

    Attributes:
        query: With the patient left out.
        asked: Patients for whom it was sent.
        count: Resources of theirs that answered.
        ignored: Parameters that the server did not apply (DATA-05).
        refusals: What the server said instead of an answer.
    """

    query: str
    optional: bool
    asked: int
    count: int
    ignored: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeSeen:
    """A type of the plan.

    Attributes:
        state: The worst of the sample (DATA-19); None where there was nobody to try it with.
        remarks: What was odd, and why the state is what it is.
        categories: Category code -> resources of the sample; only for types that large vendors split by category (DATA-53).
    """

    resource_type: str
    state: LoadState | None
    needed_by: tuple[str, ...]
    searches: tuple[SearchSeen, ...] = ()
    remarks: tuple[str, ...] = ()
    categories: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenCriterion:
    """A criterion of which some type did not come.

    Attributes:
        lost: Types that did not come, and how: ("Consent", "not-asked").
        left: Types that it reads besides, which did.
    """

    id: str
    title: str
    lost: tuple[tuple[str, str], ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteOutlook:
    """How one type would be written, by the server's own account.

    Attributes:
        offers: Of create, update, search, conditional create: what the server says that it does.
        goes: Whether it would be written; None when the server does not say.
        how: One sentence.
    """

    resource_type: str
    offers: tuple[str, ...]
    goes: bool | None
    how: str


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A local code that nothing here knows, and how many patients of the sample have it."""

    section: str
    system: str
    code: str
    patients: int


@dataclass(frozen=True, slots=True)
class UnknownUnit:
    """A unit that does not become the analyte's own; ``criteria`` read the analyte."""

    analyte: str
    unit: str
    patients: int
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocalWords:
    """What a site overlay could teach.

    Attributes:
        withheld: Codes and units not shown, because they do not look like one and might hold a patient's data.
    """

    codes: tuple[UnknownCode, ...] = ()
    units: tuple[UnknownUnit, ...] = ()
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class ServerReport:
    """All findings.

    Attributes:
        access: How we are known to the server, one sentence.
        scopes: SMART v2 scopes that the plan needs.
        sample: Patients who were looked at; 0 when none could be found.
        sampled_by: How they were found, one sentence.
        misses: What each way of naming candidates cannot see.
        todo: What to do next, in order.
    """

    server: str
    fhir_version: str | None
    software: str | None
    access: str
    scopes: tuple[str, ...]
    trial: str
    version: str
    sample: int
    sampled_by: str
    misses: dict[str, str]
    types: tuple[TypeSeen, ...]
    criteria: tuple[OpenCriterion, ...]
    write_back: tuple[WriteOutlook, ...]
    write_remarks: tuple[str, ...]
    local: LocalWords
    todo: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)
