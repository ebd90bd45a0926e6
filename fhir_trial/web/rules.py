"""Who may do what: one rule for every route; a route without one is refused at start-up (SEC-12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from flask import Flask

from fhir_trial.people.roles import Role

__all__ = ["CLINICAL", "EVERYBODY", "RULES", "Membership", "Role", "RouteWithoutRule", "Rule", "check_rules"]

#: Those who see patients. The admin grants, stops and resumes, and sees none; the auditor sees who did what.
CLINICAL: Final = frozenset({Role.SCREENER, Role.COORDINATOR, Role.INVESTIGATOR, Role.DATA_MANAGER})
EVERYBODY: Final = frozenset(Role)


class Membership(StrEnum):
    """Whether the grant must be for the trial that is asked about."""

    NONE = "none"
    TRIAL = "trial"  # one trial is named, or found: the view asks ``signing_in.on_trial`` before it answers
    FILTERED = "filtered"  # the answer holds only what belongs to the user's trials
    EVERYWHERE = "everywhere"  # concerns the whole site: the grant must be for all trials


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route.

    Attributes:
        roles: One of these is needed; empty only for a public route.
        public: Nobody is asked who they are.
        near: Allowed to loopback without a token as well (/metrics).
    """

    roles: frozenset[Role] = frozenset()
    membership: Membership = Membership.NONE
    public: bool = False
    near: bool = False


_PUBLIC: Final = Rule(public=True)
_OPERATOR: Final = frozenset({Role.ADMIN})

#: Endpoint -> rule.
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "health.live": _PUBLIC,
        "health.ready": _PUBLIC,
        "keys.show_keys": _PUBLIC,
        "metrics.show_metrics": Rule(_OPERATOR, Membership.EVERYWHERE, near=True),
        "api-docs.openapi_json": Rule(EVERYBODY),
        "trials.list_trials": Rule(EVERYBODY, Membership.FILTERED),
        "trials.show_trial": Rule(EVERYBODY, Membership.TRIAL),
        "trials.show_needs": Rule(EVERYBODY, Membership.TRIAL),
        "screenings.screen": Rule(frozenset({Role.SCREENER, Role.COORDINATOR, Role.INVESTIGATOR}), Membership.TRIAL),
        "screenings.show_screening": Rule(CLINICAL, Membership.TRIAL),
        "patients.list_screenings": Rule(CLINICAL, Membership.FILTERED),
        "patients.show_standing": Rule(CLINICAL, Membership.TRIAL),
        "server_check.check": Rule(frozenset({Role.DATA_MANAGER}), Membership.TRIAL),
        "answers.give_answer": Rule(frozenset({Role.COORDINATOR, Role.INVESTIGATOR}), Membership.TRIAL),
        "answers.list_answers": Rule(CLINICAL, Membership.TRIAL),
        "decisions.decide": Rule(frozenset({Role.COORDINATOR, Role.INVESTIGATOR}), Membership.TRIAL),
        "decisions.list_unsent": Rule(frozenset({Role.COORDINATOR, Role.INVESTIGATOR, Role.DATA_MANAGER}), Membership.FILTERED),
        "outbox.list_outbox": Rule(frozenset({Role.DATA_MANAGER, Role.ADMIN, Role.AUDITOR}), Membership.FILTERED),
        "switch.stop": Rule(_OPERATOR, Membership.EVERYWHERE),
        "switch.resume": Rule(_OPERATOR, Membership.EVERYWHERE),
        "audit.verify": Rule(frozenset({Role.AUDITOR}), Membership.EVERYWHERE),
    }
)


class RouteWithoutRule(Exception):
    """A route was added and nobody said who may use it."""


def check_rules(app: Flask) -> None:
    """Refuses an application with a route that has no rule.

    Raises:
        RouteWithoutRule: Names the endpoints.
    """
    without = sorted({rule.endpoint for rule in app.url_map.iter_rules()} - set(RULES))
    if without:
        raise RouteWithoutRule(f"web/rules.py has no rule for: {', '.join(without)}.")
