"""Conditions and the reasons for stopping a drug: value sets with codes and words."""

from __future__ import annotations

from typing import Any

from fhir_trial.terminology import systems
from fhir_trial.terminology.loading import ValueSetTable
from fhir_trial.terminology.value_sets import Member, TextRule
from scripts.mapping_tables.reading import SHORT_SYSTEMS, compiling, read_csv, read_yaml, require

CONDITION_SYSTEMS = {
    "ICD-10-CM": systems.ICD10CM,
    "ICD-10 (WHO)": systems.ICD10,
    "ICD-9-CM": systems.ICD9CM,
    "ICD-10-PCS": systems.ICD10PCS,
    "SNOMED CT": systems.SNOMED,
    "CPT": systems.CPT,
}


def value_sets() -> dict[str, ValueSetTable]:
    """Every value set: conditions.csv with the YAML beside it, and the reasons for stopping a drug."""
    conditions = read_yaml("value_sets/conditions.yaml")
    members: dict[str, list[Member]] = {}
    for row in read_csv("conditions.csv"):
        members.setdefault(row["concept"], []).append(condition_member(row, conditions["category_prefixes"]))
    for concept, rows in conditions["added"].items():
        members.setdefault(concept, []).extend(plain_member(row) for row in rows)
    for item, codes in conditions["item_hints"].items():
        wanted = [hint for hint in members["sle_item"] if hint.code in codes or original(hint, conditions, codes)]
        require(bool(wanted), f"sle_item_{item} has no member")
        members.setdefault(f"sle_item_{item}", []).extend(wanted)
    sets = {name: ValueSetTable(tuple(rows)) for name, rows in members.items()}
    for name, rules in conditions["text"].items():
        sets[name] = ValueSetTable(tuple(members[name]), tuple(map(text_rule, rules)), conditions["unless"])
    for name, row in read_yaml("value_sets/medications.yaml").items():
        sets[name] = ValueSetTable(
            tuple(map(plain_member, row["members"])), tuple(map(text_rule, row.get("text", ()))), row.get("unless")
        )
    return sets


def original(hint: Member, conditions: dict[str, Any], codes: list[str]) -> bool:
    """Whether the hint's prefix stands for one of the rows named by their own code."""
    prefixes = conditions["category_prefixes"]["sle_item"]
    return any(prefixes.get(code) == hint.code for code in codes)


def condition_member(row: dict[str, str], prefixes: dict[str, dict[str, str]]) -> Member:
    """One row of conditions.csv, with what its `match` says in words made exact."""
    code, match = row["code"], row["match"]
    minus: tuple[str, ...] = ()
    kind = "prefix" if "prefix" in match else "exact"
    if kind == "prefix" and row["concept"] in prefixes:
        code = prefixes[row["concept"]].get(code, code)
    if match == "exact" and code in prefixes.get(row["concept"], {}):
        code, kind = prefixes[row["concept"]][code], "prefix"
    if "minus " in match:
        minus = (match.split("minus ")[1],)
    return Member(CONDITION_SYSTEMS[row["system"]], code, row["display"], row["role"], kind, minus, row["note"] or None)


def plain_member(row: dict[str, Any]) -> Member:
    """One row of a YAML file."""
    system = SHORT_SYSTEMS[row["system"]]
    return Member(system, row["code"], row.get("display"), row.get("role", "yes"), row.get("match", "exact"), (), row.get("note"))


def text_rule(row: dict[str, str]) -> TextRule:
    """One rule of a YAML file."""
    return TextRule(compiling(row["pattern"]), row["role"], row.get("unless") and compiling(row["unless"]), row.get("display"))
