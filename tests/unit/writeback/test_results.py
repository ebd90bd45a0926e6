"""What is told of a write, and that the service's schema tells all of it: WB-11, VER-20."""

from dataclasses import fields

import pytest
from marshmallow import Schema

from fhir_trial.web.schemas import Change as ChangeSchema
from fhir_trial.web.schemas import Written
from fhir_trial.writeback import Action, Change, WriteResult

NOT_SHOWN = {"by_another"}
CHANGES = (
    Change("ResearchSubject.status", "potential-candidate", "ineligible"),
    Change("ResearchSubject.period", None, {"start": "2026-03-07"}),
)
FULL = WriteResult("ResearchSubject/1", Action.UPDATED, "It changed.", {"resourceType": "ResearchSubject", "id": "1"}, CHANGES)
PLAIN = WriteResult("ResearchSubject/1", Action.UNCHANGED, "It says so already.")


@pytest.mark.parametrize("result", [FULL, PLAIN])
def test_the_services_schema_loses_nothing_of_a_result_and_adds_nothing(result: WriteResult) -> None:
    """WB-11: the diff of a dry run too."""
    told = result.as_json()

    assert Written().dump(told) == told
    assert Written().load(told) == told


@pytest.mark.parametrize(("schema", "kind", "full"), [(Written(), WriteResult, FULL), (ChangeSchema(), Change, CHANGES[0])])
def test_the_schema_the_json_and_the_class_have_the_same_names(schema: Schema, kind: type, full: WriteResult | Change) -> None:
    """A field that one of them gains, all must gain."""
    names = {field.name for field in fields(kind)} - NOT_SHOWN

    assert set(full.as_json()) == names
    assert set(schema.fields) == names
