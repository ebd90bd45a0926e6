"""What codes, names and units mean: pure look-ups on the compiled tables of mappings/."""

from fhir_trial.terminology.concepts import Coding, Concept, coding
from fhir_trial.terminology.drugs import DrugMatch, Ingredient, Product, Strength
from fhir_trial.terminology.folder import mappings_folder
from fhir_trial.terminology.laboratory import LabCode, LabDefinition
from fhir_trial.terminology.loading import load_terminology
from fhir_trial.terminology.overlay import Overlay, SiteLimit
from fhir_trial.terminology.scores import ScoreDefinition, ScoreItem
from fhir_trial.terminology.systems import normalise_system
from fhir_trial.terminology.terminology import DoseUnit, Terminology
from fhir_trial.terminology.value_sets import Member, ValueSet

__all__ = [
    "Coding",
    "Concept",
    "DoseUnit",
    "DrugMatch",
    "Ingredient",
    "LabCode",
    "LabDefinition",
    "Member",
    "Overlay",
    "Product",
    "ScoreDefinition",
    "ScoreItem",
    "SiteLimit",
    "Strength",
    "Terminology",
    "ValueSet",
    "coding",
    "load_terminology",
    "mappings_folder",
    "normalise_system",
]
