"""What was not loaded, as the resources themselves tell: OperationOutcomes and redaction labels.

An OperationOutcome that names no type makes every type not-loaded (rulings, "More").
Source: FHIR R4 OperationOutcome, security labels; DATA-03, DATA-26, DATA-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fhir_trial.records.model import Issue, LoadState
from fhir_trial.records.page import Page
from fhir_trial.records.raw import Json

#: Types that an outcome can name; words such as Patient or List, which occur in plain sentences, name none.
_TYPES = frozenset(
    {
        *("AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "ClinicalImpression"),
        *("Communication", "Composition", "Condition", "Consent", "Coverage"),
        *("Device", "DiagnosticReport", "DocumentReference", "Encounter", "EpisodeOfCare"),
        *("FamilyMemberHistory", "Immunization", "ImagingStudy", "Media", "Medication"),
        *("MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation"),
        *("Practitioner", "PractitionerRole", "Procedure", "Provenance", "QuestionnaireResponse"),
        *("RelatedPerson", "ResearchStudy", "ResearchSubject", "ServiceRequest", "Specimen"),
    }
)
_WORD = re.compile(r"[A-Za-z]+")
_REFUSED = ("security", "login", "unknown", "expired", "forbidden")
#: Epic: break-the-glass, and "more data may exist" (DATA-26, DATA-27).
_RESTRICTED_CODES = frozenset({"4119", "4130", "4131", "4134"})
_PLAIN_SUCCESS = ("informational", "success")
#: Labels that say that something was taken out, so that more may exist; that something is sensitive says no such thing.
_TAKEN_OUT = frozenset({"REDACTED", "MASKED", "SUBSETTED", "REDACT", "MASK"})


class Completeness:
    """Load states, made worse by what the resources say of themselves."""

    def __init__(self, states: Mapping[str, LoadState], default: LoadState) -> None:
        self._states = dict(states)
        self._default = default
        self._everything: LoadState | None = None

    def states(self) -> dict[str, LoadState]:
        if self._everything is None:
            return self._states
        return {kind: self._worse(state, self._everything) for kind, state in self._states.items()}

    @property
    def default(self) -> LoadState:
        return self._default if self._everything is None else self._worse(self._default, self._everything)

    def lose(self, kind: str | None, state: LoadState) -> None:
        """More of a type, or of every type, may exist."""
        if kind is None:
            self._everything = self._everything or state
        else:
            self._states[kind] = self._worse(self._states.get(kind, self._default), state)

    @staticmethod
    def _worse(known: LoadState, told: LoadState) -> LoadState:
        return told if known.loaded else known

    def read_outcome(self, page: Page) -> None:
        """An OperationOutcome is never data; it tells what is missing (DATA-03)."""
        issues = page.objects(page.resource, "issue")
        if issues and all(_is_plain_success(page, item) for item in issues):
            page.note("operation-outcome", "The source reports success.", None, "information")
            return
        state = next((found for item in issues if (found := _state(page, item)) is not None), LoadState.FAILED)
        named = sorted({kind for item in issues for kind in _named(item)})
        for kind in named:
            self.lose(kind, state)
        if not named:
            self.lose(None, state)
        page.note("operation-outcome", f"The source reports trouble with {', '.join(named) or 'everything'}: not loaded.", None)

    def read_labels(self, page: Page) -> None:
        """A resource from which something was taken out: of its type, more may exist."""
        meta = page.resource.get("meta")
        if not isinstance(meta, dict):
            return
        for key in ("security", "tag"):
            for label in page.objects(meta, key, "meta") if key in meta else ():
                code = label.get("code")
                if isinstance(code, str) and code.upper() in _TAKEN_OUT:
                    page.note("redacted", "Something was taken out of it: more may exist.", f"meta.{key}")
                    kind = page.resource["resourceType"]
                    self.lose(kind if kind != "Patient" else None, LoadState.RESTRICTED)


def _is_plain_success(page: Page, item: Json) -> bool:
    return item.get("severity") == "information" and item.get("code") in _PLAIN_SUCCESS and not _restricted(page, item)


def _state(page: Page, item: Json) -> LoadState | None:
    if item.get("code") == "suppressed" or _restricted(page, item):
        return LoadState.RESTRICTED
    if item.get("code") in _REFUSED:
        return LoadState.NOT_AUTHORISED
    return LoadState.PARTIAL if item.get("severity") in ("warning", "information") else None


def _restricted(page: Page, item: Json) -> bool:
    details = page.concept(item, "details", "issue")
    return details is not None and any(coding.code in _RESTRICTED_CODES for coding in details.codings)


def _named(item: Json) -> Iterable[str]:
    """FHIR types among the words of its expression, location, diagnostics and details."""
    details = item.get("details")
    said: list[object] = [item.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
    for key in ("expression", "location"):
        listed = item.get(key)
        said += listed if isinstance(listed, list) else [listed]
    for text in said:
        if isinstance(text, str):
            yield from _TYPES.intersection(_WORD.findall(text))


def not_read(kinds: Mapping[str, int]) -> list[Issue]:
    """One issue for each type of resource that is not read."""
    return [
        Issue("type-not-read", "information", None, kind, f"Resources of a type that is not read: {count}.")
        for kind, count in sorted(kinds.items())
    ]
