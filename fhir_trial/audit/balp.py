"""A line of the audit chain as a FHIR R4 AuditEvent (SEC-04).

Source: FHIR R4 AuditEvent; IHE Basic Audit Log Patterns (BALP) 1.1: Create, PatientCreate, Update, PatientUpdate, PatientRead,
Query, PatientQuery; ``jti`` as the user's policy, as in OAUTHaccessTokenUse.

A profile is named only by an event that satisfies it: a RESTful interaction that succeeded, whose server and machine are known.
A line holds no id of the hospital's: the patient is a Reference by our own key, and the resource is named by its type alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhir_trial.audit.events import AuditAction, AuditOutcome
from fhir_trial.audit.exported import ChainedLine

Json = dict[str, Any]

PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_BALP_ENTITY: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_REST: Final = "http://hl7.org/fhir/restful-interaction"
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_URI: Final = re.compile(r"\S+")
_NOT_KNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an action of ours is told in FHIR.

    Attributes:
        type: Code of DCM.
        action: C, R, U, D or E.
        interaction: RESTful interaction with a FHIR server, or None.
    """

    type: tuple[str, str]
    action: str
    interaction: str | None = None


_PATIENT_RECORD: Final = ("110110", "Patient Record")
_EXPORT: Final = ("110106", "Export")
_QUERY: Final = ("110112", "Query")
_ALERT: Final = ("110113", "Security Alert")
_ACTIVITY: Final = ("110100", "Application Activity")
_LOG_USED: Final = ("110101", "Audit Log Used")

_OTHER: Final = Kind(_ACTIVITY, "E")
KINDS: Final[Mapping[str, Kind]] = {
    AuditAction.READ_PATIENT: Kind(_PATIENT_RECORD, "R", "read"),
    AuditAction.SEARCH_CANDIDATES: Kind(_QUERY, "E", "search-type"),
    AuditAction.SCREEN: Kind(_PATIENT_RECORD, "E"),
    AuditAction.VIEW_SCREENING: Kind(_PATIENT_RECORD, "R"),
    AuditAction.LIST_SCREENINGS: Kind(_PATIENT_RECORD, "R"),
    AuditAction.EXPORT: Kind(_EXPORT, "R"),
    AuditAction.CREATE: Kind(_PATIENT_RECORD, "C", "create"),
    AuditAction.UPDATE: Kind(_PATIENT_RECORD, "U", "update"),
    AuditAction.ANSWER: Kind(_PATIENT_RECORD, "C"),
    AuditAction.OVERRIDE: Kind(_PATIENT_RECORD, "U"),
    AuditAction.DECIDE: Kind(_PATIENT_RECORD, "U"),
    AuditAction.OPT_OUT: Kind(_PATIENT_RECORD, "U"),
    AuditAction.LIFT_OPT_OUT: Kind(_PATIENT_RECORD, "U"),
    AuditAction.REFUSED_SIGN_IN: Kind(("110114", "User Authentication"), "E"),
    AuditAction.GRANT: Kind(_ALERT, "U"),
    AuditAction.REVOKE: Kind(_ALERT, "U"),
    AuditAction.RECORD_BASIS: Kind(_ACTIVITY, "C"),
    AuditAction.END_BASIS: Kind(_ACTIVITY, "U"),
    AuditAction.REGISTER_CLIENT: Kind(_ALERT, "C"),
    AuditAction.REWRAP: Kind(_ALERT, "U"),
    AuditAction.PURGE: Kind(_PATIENT_RECORD, "D"),
    AuditAction.STOP: Kind(_ALERT, "E"),
    AuditAction.RESUME: Kind(_ALERT, "E"),
    AuditAction.VERIFY_AUDIT: Kind(_LOG_USED, "R"),
    AuditAction.EXPORT_AUDIT: Kind(_LOG_USED, "R"),
}
_PATIENT_PROFILES: Final = {
    "read": "PatientRead",
    "create": "PatientCreate",
    "update": "PatientUpdate",
    "search-type": "PatientQuery",
}
_PROFILES: Final = {"read": "Read", "create": "Create", "update": "Update", "search-type": "Query"}


def audit_event(row: ChainedLine, base: str) -> Json:
    """The event of a row.

    Args:
        base: URL under which our own code systems and identifiers stand.

    Raises:
        KeyError, ValueError: The row is no event of ours.
    """
    line = row.fields()
    kind = KINDS.get(line["action"], _OTHER)
    rest = _interaction(kind, line)
    event: Json = {
        "resourceType": "AuditEvent",
        "id": row.hash,
        "type": _coding(_TERMINOLOGY + "audit-event-type", "rest", "Restful Operation") if rest else _coding(_DCM, *kind.type),
        "subtype": [*([_coding(_REST, rest, rest)] if rest else []), _coding(f"{base}/audit-action", line["action"])],
        "action": kind.action,
        "recorded": line["at"],
    }
    event |= _outcome(line)
    event["purposeOfEvent"] = [_purpose(line)]
    event["agent"] = _agents(line, kind, rest, base)
    event["source"] = {
        "site": line["tenant"],
        "observer": {"display": line.get("software", "fhir-trial")},
        "type": [_coding(_TERMINOLOGY + "security-source-type", "4", "Application Server")],
    }
    event["entity"] = _entities(row, line, rest, base)
    profile = _profile(line, rest)
    return event if profile is None else {"resourceType": "AuditEvent", "meta": {"profile": [PROFILES + profile]}} | event


def _interaction(kind: Kind, line: Mapping[str, str]) -> str | None:
    """None where no FHIR server is asked: a result put as a file is told as a change of the patient's record."""
    if kind.interaction in ("create", "update") and _TYPE.fullmatch(line.get("target", "")) is None:
        return None
    return kind.interaction


def _profile(line: Mapping[str, str], rest: str | None) -> str | None:
    """Success, server, machine and what was asked for must be known."""
    if rest is None or line["outcome"] != AuditOutcome.DONE or "server" not in line or "host" not in line:
        return None
    if ("query" if rest == "search-type" else "target") not in line:
        return None
    return (_PATIENT_PROFILES if "patient" in line else _PROFILES)[rest]


def _outcome(line: Mapping[str, str]) -> Json:
    """An intent has no outcome; a refused sign-in is a minor failure, as R4 has it of a wrong password; others are serious."""
    reason = {"outcomeDesc": line["reason"]} if "reason" in line else {}
    match AuditOutcome(line["outcome"]):
        case AuditOutcome.BEGUN:
            return {"outcomeDesc": "Begun."} | reason
        case AuditOutcome.DONE:
            return {"outcome": "0"} | reason
        case AuditOutcome.FAILED:
            return {"outcome": "4" if line["action"] == AuditAction.REFUSED_SIGN_IN else "8"} | reason


def _agents(line: Mapping[str, str], kind: Kind, rest: str | None, base: str) -> list[Json]:
    """The user, where there is one; client and server of a RESTful interaction. A machine asks for itself."""
    is_person = line["role"] != "machine"
    agents: list[Json] = []
    if is_person or not rest:
        agents.append(_user(line, kind, base))
    if rest:
        # In BALP the client of a read is the destination of what is read; of everything else it is the source.
        client, server = ("110152", "110153") if rest == "read" else ("110153", "110152")
        agents.append(_machine(client, line.get("software"), line.get("host"), "1", requestor=not is_person))
        agents.append(_machine(server, line.get("server"), line.get("server"), "5", requestor=False))
    return agents


def _user(line: Mapping[str, str], kind: Kind, base: str) -> Json:
    reads = kind.action in ("R", "E")
    code, display = ("IRCP", "information recipient") if reads else ("AUT", "author (originator)")
    user: Json = {
        "type": {"coding": [_coding(_TERMINOLOGY + "v3-ParticipationType", code, display)]},
        "role": [{"coding": [_coding(f"{base}/role", line["role"])]}],
        "who": {"identifier": {"system": line.get("issuer", f"{base}/local-user"), "value": line["subject"]}},
        "requestor": True,
        "purposeOfUse": [_purpose(line)],
    }
    if _URI.fullmatch(line.get("token", "")):
        user["policy"] = [line["token"]]
    return user


def _machine(role: str, name: str | None, address: str | None, kind: str, *, requestor: bool) -> Json:
    display = {"110152": "Destination Role ID", "110153": "Source Role ID"}[role]
    agent: Json = {
        "type": {"coding": [_coding(_DCM, role, display)]},
        "who": {"display": name or _NOT_KNOWN},
        "requestor": requestor,
    }
    if address is not None:
        agent["network"] = {"address": address, "type": kind}
    return agent


def _entities(row: ChainedLine, line: Mapping[str, str], rest: str | None, base: str) -> list[Json]:
    entities: list[Json] = []
    if "patient" in line:
        key = {"identifier": {"system": f"{base}/patient-key", "value": line["patient"]}}
        entities.append({"what": {"type": "Patient"} | key, "type": _entity("1", "Person"), "role": _role("1", "Patient")})
    if rest == "search-type" and "query" in line:
        query = base64.b64encode(line["query"].encode()).decode()
        entities.append({"type": _entity("2", "System Object"), "role": _role("24", "Query"), "query": query})
    elif rest and "target" in line:
        data = {"what": {"type": line["target"]}, "type": _entity("2", "System Object"), "role": _role("4", "Domain Resource")}
        entities.append(data)
    if "request" in line:
        entities.append(
            {"what": {"identifier": {"value": line["request"]}}, "type": _coding(_BALP_ENTITY, "XrequestId", "X-Request-Id")}
        )
    if "trial" in line:
        what = {"identifier": {"system": f"{base}/trial", "value": line["trial"]}}
        entities.append(
            {"what": what, "type": _coding(f"{base}/audit-entity", "trial")} | _details(criteria=line.get("criteria"))
        )
    entities.append(_record(row, line, base))
    return entities


def _record(row: ChainedLine, line: Mapping[str, str], base: str) -> Json:
    """The row itself: its place in the chain, and what FHIR has no place for."""
    return {
        "what": {"identifier": {"system": f"{base}/audit-chain", "value": f"{line['tenant']}:{row.number}"}},
        "type": _coding(f"{base}/audit-entity", "record"),
    } | _details(
        number=str(row.number),
        hash=row.hash,
        source=line.get("source"),
        target=line.get("target"),
        number_of=line.get("number_of"),
    )


def _details(**given: str | None) -> Json:
    found = [{"type": name, "valueString": value} for name, value in given.items() if value is not None]
    return {"detail": found} if found else {}


def _purpose(line: Mapping[str, str]) -> Json:
    display = {"HRESCH": "healthcare research", "TREAT": "treatment"}.get(line["purpose"])
    return {"coding": [_coding(_TERMINOLOGY + "v3-ActReason", line["purpose"], display)]}


def _entity(code: str, display: str) -> Json:
    return _coding(_TERMINOLOGY + "audit-entity-type", code, display)


def _role(code: str, display: str) -> Json:
    return _coding(_TERMINOLOGY + "object-role", code, display)


def _coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code} | ({"display": display} if display is not None else {})
