"""What the BALP profiles demand of an AuditEvent, written down from the guide (IHE ITI BALP 1.1), as a check of its own."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
#: Profile -> interactions, action, code of the client, code of the server, codes a user may have.
_TABLE = {
    "Read": ({"read", "vread"}, "R", "110152", "110153", {"IRCP"}),
    "Create": ({"create"}, "C", "110153", "110152", {"AUT", "INF", "CST"}),
    "Update": ({"update", "patch"}, "U", "110153", "110152", {"AUT", "INF", "CST"}),
    "Query": ({"search", "search-type", "search-system"}, "E", "110153", "110152", {"IRCP"}),
}


def violations(event: Json) -> list[str]:
    """What the event does otherwise than the profile that it names."""
    (profile,) = event["meta"]["profile"]
    name = profile.removeprefix("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.")
    interactions, action, client, server, user = _TABLE[name.removeprefix("Patient")]
    rest = {code["code"] for code in event["subtype"] if code["system"] == "http://hl7.org/fhir/restful-interaction"}
    rules: dict[str, bool] = {
        "type": event["type"] == {"system": _TERMINOLOGY + "audit-event-type", "code": "rest", "display": "Restful Operation"},
        "subtype": len(rest) == 1 and rest <= interactions,
        "action": event["action"] == action,
        "recorded": "recorded" in event,
        "outcome": event["outcome"] == "0",
        "agents": len(event["agent"]) >= 2,
        "client": _one(_agents(event, client), lambda agent: "who" in agent and "network" in agent and "media" not in agent),
        "server": _one(_agents(event, server), lambda agent: "who" in agent and "network" in agent and "media" not in agent),
        "user": _user_fits(event, user),
        "request": len(_requests(event)) <= 1 and all(entity["what"]["identifier"]["value"] for entity in _requests(event)),
        "data": _one(_entities(event, "2"), _is_query if name.endswith("Query") else _is_data),
        "patient": not name.startswith("Patient") or _one(_entities(event, "1"), _is_patient),
    }
    return [rule for rule, holds in rules.items() if not holds]


def _one(found: list[Json], fits: Callable[[Json], bool]) -> bool:
    return len(found) == 1 and fits(found[0])


def _agents(event: Json, role: str) -> list[Json]:
    return [agent for agent in event["agent"] if {"system": _DCM, "code": role}.items() <= agent["type"]["coding"][0].items()]


def _user_fits(event: Json, codes: set[str]) -> bool:
    users = [agent for agent in event["agent"] if agent["type"]["coding"][0]["system"] != _DCM]
    return len(users) <= 1 and all(
        user["type"]["coding"][0]["code"] in codes and "who" in user and user["requestor"] is True and "network" not in user
        for user in users
    )


def _entities(event: Json, code: str) -> list[Json]:
    of_type = {"system": _TERMINOLOGY + "audit-entity-type", "code": code}
    return [entity for entity in event["entity"] if of_type.items() <= entity["type"].items()]


def _requests(event: Json) -> list[Json]:
    return [entity for entity in event["entity"] if entity["type"]["code"] == "XrequestId"]


def _is_data(entity: Json) -> bool:
    return "what" in entity and entity["role"]["code"] in {"3", "4", "20"}


def _is_query(entity: Json) -> bool:
    return "what" not in entity and "detail" not in entity and bool(entity["query"]) and entity["role"]["code"] == "24"


def _is_patient(entity: Json) -> bool:
    return bool(entity["what"]["type"] == "Patient" and entity["role"]["code"] == "1")
