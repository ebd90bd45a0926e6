"""Concept maps: flags, answers, routes, units of a dose, timing."""

from __future__ import annotations

from typing import Any

from fhir_trial.terminology import systems
from fhir_trial.terminology.loading import WordTable
from fhir_trial.terminology.words import fold
from scripts.mapping_tables.reading import SHORT_SYSTEMS, compiling, read_yaml, require


def word_map(source: dict[str, Any]) -> WordTable:
    """A concept map from its YAML file; no word may mean two things."""
    codes = [
        (SHORT_SYSTEMS[system], code, meaning)
        for meaning, listed in source.get("codes", {}).items()
        for code in listed
        for system in source.get("systems", [])
    ]
    words: dict[str, str] = {}
    for meaning, listed in source.get("words", {}).items():
        for word in listed:
            known = words.setdefault(fold(str(word)), meaning)
            require(known == meaning, f"{word} means {known} and {meaning}")
    return WordTable(codes, words)


def interpretation_map() -> WordTable:
    """Flags of results."""
    return word_map(read_yaml("concept_maps/interpretation.yaml"))


def qualitative_map() -> WordTable:
    """Answers in words, by SNOMED CT and LOINC answer codes, by flags sent as values, by patterns."""
    source = read_yaml("concept_maps/qualitative.yaml")
    table = word_map(source)
    table.codes += [(systems.LOINC, code, meaning) for meaning, codes in source["loinc_codes"].items() for code in codes]
    flags = read_yaml("concept_maps/interpretation.yaml")["codes"]
    for meaning, codes in flags.items():
        for code in codes:
            if code in source["flags"]:
                table.codes.append((systems.INTERPRETATION, code, meaning))
    for pattern, meaning in source["patterns"]:
        filled = pattern.replace("{before}", source["before"]).replace(
            "{after}", source["after"].replace("{{", "{").replace("}}", "}")
        )
        table.patterns.append((compiling(filled), meaning))
    return table


def route_map() -> WordTable:
    """Routes by SNOMED CT and HL7 v3 codes and by words."""
    source = read_yaml("concept_maps/route.yaml")
    table = word_map(source)
    table.codes += [(systems.ROUTE, code, route) for route, codes in source["route_codes"].items() for code in codes]
    return table
