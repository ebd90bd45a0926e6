"""MedicationRequest, -Statement, -Dispense and -Administration, and the Medication they name.

Source: FHIR R4 medications module; DATA-30 to DATA-39; R12, R38.
"""

from __future__ import annotations

from decimal import Decimal

from fhir_trial.records.absences import states_absence
from fhir_trial.records.dosages import days, read_dosages
from fhir_trial.records.gathered import Gathered
from fhir_trial.records.model import Medication, MedicationKind, MedicationUse
from fhir_trial.records.page import NOTHING, Page, categories
from fhir_trial.records.raw import Json
from fhir_trial.records.statuses import ENTERED_IN_ERROR
from fhir_trial.records.values import read_quantity
from fhir_trial.terminology.concepts import Concept
from fhir_trial.times import Span

_ORDERS = {
    "MedicationRequest": "basedOn",
    "MedicationStatement": "basedOn",
    "MedicationDispense": "authorizingPrescription",
    "MedicationAdministration": "request",
}
_REASONS_FOR_STATUS = ("statusReason", "statusReasonCodeableConcept")
_PATIENTS_OWN_WORDS = ("Patient/", "RelatedPerson/")


def read_medication_use(page: Page, into: Gathered) -> None:
    """One use of a drug, or the statement that there is none. With an unknown modifierExtension its drug is unresolved (R12)."""
    resource = page.resource
    kind = MedicationKind(resource["resourceType"])
    medication = read_medication(page)
    start, end = _when(page)
    authored = _authored(page, kind)
    if medication.resolved and states_absence(page, medication.code, start or authored, "medication", into):
        return
    do_not_perform = page.boolean(resource, "doNotPerform")
    if do_not_perform is None and resource.get("doNotPerform") is not None:
        page.unusable = page.unusable or "do-not-perform-not-understood"
    supply = page.object(resource, "dispenseRequest") or {}
    if page.modified(supply, "dispenseRequest"):
        page.unusable = "modifier-extension"
    if page.unusable == "modifier-extension":
        medication = _unresolved(next(medication.code.texts(), None))
    into.medications.append(
        MedicationUse(
            origin=page.origin,
            kind=kind,
            status=page.string(resource, "status"),
            intent=page.string(resource, "intent"),
            do_not_perform=do_not_perform is True,
            medication=medication,
            authored=authored,
            start=start,
            end=end,
            dosages=read_dosages(page, "dosageInstruction" if "dosageInstruction" in resource else "dosage"),
            supply_days=_supply_days(page, supply),
            validity_end=page.period(supply, "validityPeriod", "dispenseRequest")[1],
            quantity=read_quantity(page, resource, "quantity") or read_quantity(page, supply, "quantity", "dispenseRequest"),
            categories=categories(page.concepts(resource, "category")),
            status_reason=tuple(one for key in _REASONS_FOR_STATUS if key in resource for one in page.concepts(resource, key)),
            reason=page.concepts(resource, "reasonCode"),
            notes=page.notes(resource),
            identifiers=_identifiers(page, _ORDERS[kind]),
            based_on=page.names(resource, _ORDERS[kind]),
            prior=next(iter(page.names(resource, "priorPrescription")), None),
            reported=_reported(page, kind),
            unusable=page.unusable,
        )
    )


# the drug


def read_medication(page: Page) -> Medication:
    """The drug, by concept or by reference in any form; display only stays unresolved (DATA-32, R38)."""
    resource = page.resource
    code = page.concept(resource, "medicationCodeableConcept")
    if code is not None:
        return Medication(code, (), None, resolved=True)
    told = page.object(resource, "medicationReference")
    if told is None:
        page.note("code-missing", "Nothing says which drug it is.", "medication[x]")
        return _unresolved(None)
    found, display = page.leads_to(told, "medicationReference")
    if found is None:
        return _unresolved(display)
    return _followed(page.inside(found), display)


def _followed(page: Page, display: str | None) -> Medication:
    resource = page.resource
    modified = page.modified(resource, "medicationReference")
    if resource.get("resourceType") != "Medication" or modified or resource.get("status") == ENTERED_IN_ERROR:
        page.note("medication-unusable", "What the reference leads to may not be used as a drug.", "medicationReference")
        return _unresolved(display)
    code = page.concept(resource, "code", "Medication") or NOTHING
    ingredients = tuple(_ingredients(page))
    if code == NOTHING and not ingredients:
        return _unresolved(display)
    if display is not None and not any(True for _ in code.texts()):
        code = Concept(code.codings, display)
    return Medication(code, ingredients, page.concept(resource, "form", "Medication"), resolved=True)


def _ingredients(page: Page) -> list[Concept]:
    found = []
    for item in page.objects(page.resource, "ingredient", "Medication"):
        said = page.concept(item, "itemCodeableConcept", "Medication.ingredient")
        told = page.object(item, "itemReference", "Medication.ingredient") if said is None else None
        if told is not None:
            said = _substance(page, told)
        if said is not None and not page.modified(item, "Medication.ingredient"):
            found.append(said)
    return found


def _substance(page: Page, told: Json) -> Concept | None:
    found, display = page.leads_to(told, "Medication.ingredient.itemReference")
    said = None if found is None else page.inside(found).concept(found, "code", "Medication.ingredient")
    return said or (None if display is None else Concept((), display))


def _unresolved(display: str | None) -> Medication:
    return Medication(Concept((), display) if display else NOTHING, (), None, resolved=False)


# when


def _when(page: Page) -> tuple[Span | None, Span | None]:
    """effective[x] of a statement or administration."""
    resource = page.resource
    if "effectivePeriod" in resource:
        return page.past_period(resource, "effectivePeriod")
    at = page.event(resource, "effectiveDateTime")
    return at, None


def _authored(page: Page, kind: MedicationKind) -> Span | None:
    resource = page.resource
    match kind:
        case MedicationKind.REQUEST:
            return page.event(resource, "authoredOn")
        case MedicationKind.DISPENSE:
            return page.event(resource, "whenHandedOver") or page.event(resource, "whenPrepared")
        case MedicationKind.STATEMENT:
            return page.event(resource, "dateAsserted")
        case _:  # an administration says only when the drug was given
            return None


def _supply_days(page: Page, supply: Json) -> Decimal | None:
    """Days that one dispense, or a prescription with all its repeats, lasts."""
    dispensed = days(read_quantity(page, page.resource, "daysSupply"))
    if dispensed is not None:
        return dispensed
    each = days(read_quantity(page, supply, "expectedSupplyDuration", "dispenseRequest"))
    repeats = page.number(supply, "numberOfRepeatsAllowed", "dispenseRequest")
    if each is None:
        return None
    return each * (1 + repeats) if repeats is not None and repeats > 0 else each


# whose


def _identifiers(page: Page, order: str) -> frozenset[str]:
    """Its own, and those by which it names its order: the same order may come from several sources (DATA-36)."""
    own = page.one_or_more(page.resource, "identifier")
    orders = [
        found for item in page.one_or_more(page.resource, order) if (found := page.object(item, "identifier", order)) is not None
    ]
    return frozenset([text for item in (*own, *orders) if (text := _identifier(page, item)) is not None])


def _identifier(page: Page, item: Json) -> str | None:
    value = page.string(item, "value", "identifier")
    return None if value is None else f"{page.string(item, 'system', 'identifier') or ''}|{value}"


def _reported(page: Page, kind: MedicationKind) -> bool:
    """Whether it rests on the patient's or a relative's word."""
    if kind is MedicationKind.STATEMENT:
        source = page.reference(page.resource, "informationSource")
        return source is not None and any(one in source for one in _PATIENTS_OWN_WORDS)
    return page.boolean(page.resource, "reportedBoolean") is True or page.resource.get("reportedReference") is not None
