"""Whether and how results would be written back, by the server's own account; nothing is written to find out (WB-02)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fhir_trial.inspection.findings import WriteOutlook
from fhir_trial.transport import Capabilities
from fhir_trial.writeback.routes import choose_route
from fhir_trial.writeback.settings import WriteBack, WriteSettings


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a type is written for, whether it is created only when missing, and what follows when it cannot be."""

    resource_type: str
    purpose: str
    without: str


_WISHES = (
    _Wish(
        "ResearchStudy", "the trial itself, created when missing if FHIR_TRIAL_CREATE_STUDY allows it", "ask for it to be entered"
    ),
    _Wish("ResearchSubject", "the flag on a patient", "no patient can be flagged"),
    _Wish("Observation", "the eligibility result", "the result stays on our side"),
    _Wish("Provenance", "who computed it, from what", "the origin stands in the Observation alone"),
    _Wish("DocumentReference", "the explanation as a document", "the explanation stays on our side"),
)


def outlook(capabilities: Capabilities) -> tuple[WriteOutlook, ...]:
    """What would become of each type that a result is written as."""
    return tuple(_of(wish, capabilities) for wish in _WISHES)


def remarks(capabilities: Capabilities, settings: WriteSettings) -> tuple[str, ...]:
    """What holds for all types: whether writing back is on, the way on which results would leave, what the server offers."""
    off = "Writing back is off in the settings (FHIR_TRIAL_WRITE_BACK): nothing leaves."
    on = f"Writing back is set to '{settings.write_back.value}'. This check writes nothing."
    said = "" if capabilities.interactions else "The CapabilityStatement names no types: only a trial on a test record can tell."
    takes = "takes transactions" if "transaction" in capabilities.system else "takes no transactions: one resource after another"
    sent = f"The server {takes}." if capabilities.interactions else ""
    is_off = settings.write_back is WriteBack.OFF
    way = _way(capabilities, replace(settings, write_back=WriteBack.CANDIDATES) if is_off else settings, is_off)
    return tuple(filter(None, (off if is_off else on, said, *(way if capabilities.interactions else ()), sent)))


def _way(capabilities: Capabilities, settings: WriteSettings, is_off: bool) -> Iterator[str]:
    """The route that is taken, or would be if writing were on, and why none before it."""
    choice = choose_route(capabilities, settings)
    would = "would go" if is_off else "go"
    for report in choice.reports:
        if report.route is choice.route:
            yield f"Results {would} by the route '{report.route.value}'. {report.why}"
            return
        yield f"Not by '{report.route.value}': {report.why}"


def _of(wish: _Wish, capabilities: Capabilities) -> WriteOutlook:
    kind = wish.resource_type
    offers = tuple(name for name in ("create", "update", "search-type") if capabilities.offers(kind, name))
    if not capabilities.interactions:
        return WriteOutlook(kind, (), None, f"{wish.purpose}: the server does not say.")
    if "create" not in offers:
        return WriteOutlook(kind, offers, False, f"{wish.purpose}: the server offers no create; {wish.without}.")
    finds = capabilities.searches_by(kind, "identifier") and "search-type" in offers
    conditional = kind in capabilities.conditional_creates
    offers += ("conditional-create",) if conditional else ()
    if kind == "Provenance":  # which has no identifier in R4
        return WriteOutlook(kind, offers, True, f"{wish.purpose}: created with each new result.")
    how = f"{wish.purpose}: " + ("looked for by identifier, then created" if finds else "created")
    if conditional:
        how += ", unless it is there (If-None-Exist)"
    elif not finds:
        how += ", but cannot be found again by identifier: a second run may write it twice"
    if "update" not in offers and kind in ("ResearchSubject", "Observation"):
        how += "; no update, so that a changed result cannot replace an earlier one"
    elif "update" in offers and kind not in capabilities.versioned and kind in ("ResearchSubject", "Observation"):
        how += "; versions may not be kept, so that an update cannot be guarded by If-Match"
    return WriteOutlook(kind, offers, True, f"{how}.")
