"""Every request has a user before a view is asked: by a bearer token, or the one local user (SEC-12, SEC-13, SMART-36).

A token says who somebody is, to the issuer and subject; what they may do stands in our own grants. Denied by default: no rule, no
grant or a trial that nobody asked about, and nothing is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from flask import Flask, Response, g, request

from fhir_trial.audit import Actor, AuditUnavailableError
from fhir_trial.audit.refusals import Refusal
from fhir_trial.web.access import request_id
from fhir_trial.web.guards import is_loopback
from fhir_trial.web.limits import RateLimit
from fhir_trial.web.refusals import NotAllowedError, NotSignedInError, no_such_screening
from fhir_trial.web.rules import CLINICAL, RULES, Membership, Role, Rule
from fhir_trial.web.service import Grants, plugged
from fhir_trial.web.tokens import RefusedTokenError, Signed

Check = Callable[[str], Signed]
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class User:
    """Who asks.

    Attributes:
        issuer: None for the local user.
        held: Roles and the trial each is for; None for all trials.
        token: ``jti`` of the token that they sent (SEC-04).
    """

    issuer: str | None
    subject: str
    held: frozenset[tuple[Role, str | None]]
    token: str | None = None

    def has_one_of(self, roles: frozenset[Role], trial: str | None) -> bool:
        """Whether one of these roles is held for this trial; None: for all trials."""
        return any(role in roles and held_for in (None, trial) for role, held_for in self.held)

    def may_enter(self, rule: Rule) -> bool:
        """Whether one of the rule's roles is held, for whichever trial; for all, where the rule concerns the whole site."""
        if rule.membership is Membership.EVERYWHERE:
            return self.has_one_of(rule.roles, None)
        return any(role in rule.roles for role, _ in self.held)

    def trials(self, roles: frozenset[Role]) -> frozenset[str] | None:
        """The trials for which one of these roles is held; None for all."""
        found = {trial for role, trial in self.held if role in roles}
        return None if None in found else frozenset(trial for trial in found if trial is not None)

    def role_among(self, roles: frozenset[Role], trial: str | None) -> Role | None:
        """The role by which they act, for the audit line."""
        return min((role for role, held_for in self.held if role in roles and held_for in (None, trial)), default=None)


LOCAL: Final = User(None, "local", frozenset((role, None) for role in CLINICAL))


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in.

    Attributes:
        check: None where nobody is asked who they are.
        tenant: Of the settings, for audit lines.
    """

    tenant: str
    check: Check | None
    grants: Grants | None
    limit: RateLimit

    def admit(self) -> None:
        """Before every request that has a route."""
        if request.url_rule is None:
            return
        rule = RULES.get(request.endpoint or "")
        if rule is None:
            raise NotAllowedError("Nobody has said who may use this address.")
        g.door, g.rule, g.on_trial = self, rule, False
        self._record(None)
        if rule.public or (rule.near and _is_near()):
            return
        g.user = user = self._user()
        self.limit.count((user.issuer, user.subject))
        if not user.may_enter(rule):
            why = "No role allows this address." if user.held else "Nobody has granted a role."
            self._record(Refusal(why, user.issuer, user.subject, user.token))
            raise NotAllowedError("Your roles do not allow this; an admin grants them.")

    def _user(self) -> User:
        if self.check is None:
            return LOCAL
        bearer = _bearer()
        try:
            signed = self.check(bearer)
        except RefusedTokenError as refused:
            self._record(Refusal(refused.message, refused.issuer, refused.subject, refused.token))
            raise
        given = self.grants.roles(signed.issuer, signed.subject) if self.grants else ()
        known = {str(role): role for role in Role}
        held = frozenset((known[str(grant.role)], grant.trial) for grant in given if str(grant.role) in known)
        return User(signed.issuer, signed.subject, held, signed.token)

    def _record(self, refusal: Refusal | None) -> None:
        """Of somebody who is not let in; None: only what went uncounted earlier. They stay out if it cannot be recorded."""
        trail = plugged().audit
        if self.check is None or trail is None:
            return
        try:
            if refusal is None:
                trail.refusals.settle(self.tenant)
            else:
                trail.refusals.record(self.tenant, refusal, request_id())
        except AuditUnavailableError:
            log.error("refusal_not_recorded", request=request_id())


def install(app: Flask, door: Door) -> None:
    """After the guards, before the views."""
    app.before_request(door.admit)
    app.after_request(_trial_was_asked_about)


def on_trial(trial: str, *, found: bool = False) -> None:
    """Every view whose rule speaks of a trial asks this before it does anything.

    Args:
        trial: ID or ID@VERSION.
        found: The trial is that of a screening found by its id: a stranger to it must not learn that it exists.

    Raises:
        NotAllowedError: The user holds none of the route's roles for it.
        NothingThereError: The same, when ``found``.
    """
    g.on_trial = True
    if not _user().has_one_of(_rule().roles, trial.partition("@")[0]):
        if found:
            raise no_such_screening()
        raise NotAllowedError("Your roles are not for this trial; an admin grants them.")


def own_trials() -> frozenset[str] | None:
    """The trials that the answer may speak of; None for all."""
    g.on_trial = True
    return _user().trials(_rule().roles)


def actor(trial: str | None = None) -> Actor:
    """Who acts, for the audit line and what is kept; never from the request's body."""
    user, rule = _user(), _rule()
    if rule.membership is Membership.FILTERED and trial is None:
        role = min((role for role, _ in user.held if role in rule.roles), default=None)
    else:
        role = user.role_among(rule.roles, trial.partition("@")[0] if trial else None)
    door: Door = g.door
    return Actor(door.tenant, user.subject, user.issuer, str(role or "none"), token=user.token)


def signed_in_actor(trial: str) -> Actor | None:
    """``actor``; None for the local user, in whose place the service acts."""
    return actor(trial) if _user().issuer is not None else None


def _user() -> User:
    found: User = g.user
    return found


def _rule() -> Rule:
    found: Rule = g.rule
    return found


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedInError("Sign in: send Authorization: Bearer and a token of your identity provider.")
    return token.strip()


def _is_near() -> bool:
    """Whether loopback itself asks, and no proxy on this machine for somebody else."""
    return is_loopback(request.remote_addr or "") and not any(name in request.headers for name in _FORWARDED)


def _trial_was_asked_about(response: Response) -> Response:
    """A view that forgot to ask about the trial must not have its answer sent."""
    rule: Rule | None = g.get("rule")
    asks = rule is not None and rule.membership in (Membership.TRIAL, Membership.FILTERED)
    if asks and not g.on_trial and response.status_code < 400 and request.method != "OPTIONS":
        log.error("trial_not_checked", request=request_id(), route=request.url_rule.rule if request.url_rule else None)
        return Response(status=500)
    return response
