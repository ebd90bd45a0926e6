"""Who may do what, kept: SEC-08, SEC-12, SEC-13, SEC-16, SMART-36."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from fhir_trial.errors import UsageError
from fhir_trial.store import Given, StoreGrants

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
IDP, OTHER_IDP = "https://idp.example.invalid", "https://other.example.invalid"
TRIAL = "nct06789107"


@pytest.fixture
def grants(engine: Engine) -> StoreGrants:
    return StoreGrants(engine, "north")


def given(grants: StoreGrants, role: str = "screener", trial: str | None = TRIAL, issuer: str = IDP, subject: str = "li") -> bool:
    return grants.grant(issuer, subject, role, trial, by="Adams", at=NOW)


def revoked(grants: StoreGrants, role: str = "screener", trial: str | None = TRIAL, why: str = "left") -> None:
    grants.revoke(IDP, "li", role, trial, by="Baker", why=why, at=LATER)


def test_a_stranger_may_do_nothing(grants: StoreGrants) -> None:
    """SMART-36, SEC-12."""
    assert grants.roles(IDP, "li") == []
    assert grants.name_of(IDP, "li") is None


def test_a_user_has_the_roles_that_were_granted_on_one_trial_or_on_all(grants: StoreGrants) -> None:
    """SEC-12."""
    assert given(grants)
    assert given(grants, "auditor", None)

    assert grants.roles(IDP, "li") == [Given("screener", TRIAL), Given("auditor", None)]


def test_the_same_subject_of_two_issuers_is_two_users(grants: StoreGrants) -> None:
    """SEC-16, SMART-36."""
    given(grants)

    assert grants.roles(OTHER_IDP, "li") == []
    assert grants.roles(f"{IDP}/", "li") == []
    assert grants.roles(IDP, "LI") == []


def test_another_tenant_neither_sees_nor_revokes_a_grant(engine: Engine, grants: StoreGrants) -> None:
    """SEC-13."""
    given(grants)
    south = StoreGrants(engine, "south")

    assert south.roles(IDP, "li") == []
    assert south.all() == []
    with pytest.raises(UsageError):
        revoked(south)
    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]


def test_a_grant_given_twice_is_one_and_the_first_stands(grants: StoreGrants) -> None:
    assert given(grants)
    assert not given(grants)

    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]


def test_a_revoked_grant_ends_at_once_and_its_history_stays(grants: StoreGrants) -> None:
    """SEC-08: what was, what is, who, when and why."""
    given(grants)
    given(grants, "auditor", None)

    revoked(grants)

    assert grants.roles(IDP, "li") == [Given("auditor", None)]
    ended, still = grants.all()
    assert (ended.role, ended.trial, ended.given_by, ended.given_at) == ("screener", TRIAL, "Adams", NOW)
    assert (ended.ended_by, ended.ended_at, ended.ended_why) == ("Baker", LATER, "left")
    assert still.ended_at is None


def test_a_role_may_be_granted_again_after_it_was_revoked(grants: StoreGrants) -> None:
    given(grants)
    revoked(grants)

    assert given(grants)

    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]
    assert len(grants.all()) == 2


@pytest.mark.parametrize(("role", "trial"), [("screener", None), ("screener", "nct1"), ("auditor", TRIAL)])
def test_a_grant_is_revoked_as_it_was_given(grants: StoreGrants, role: str, trial: str | None) -> None:
    given(grants)

    with pytest.raises(UsageError, match="`fhir-trial site grants`"):
        revoked(grants, role, trial)

    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]


def test_a_user_keeps_a_name_until_another_is_given(grants: StoreGrants) -> None:
    grants.grant(IDP, "li", "screener", None, name="Dr Li", by="Adams", at=NOW)
    given(grants, "auditor", None)
    assert grants.name_of(IDP, "li") == "Dr Li"

    grants.grant(IDP, "li", "screener", None, name="Prof Li", by="Adams", at=NOW)

    assert grants.name_of(IDP, "li") == "Prof Li"
    assert {one.name for one in grants.all()} == {"Prof Li"}


@pytest.mark.parametrize(
    ("issuer", "subject", "role", "says"),
    [
        (IDP, "li", "boss", "Unknown role 'boss'"),
        (IDP, " ", "admin", "Nothing was given for 'subject'"),
        (IDP, "li\nroot", "admin", "line break"),
        (IDP, "x" * 301, "admin", "longer than 300"),
        ("https://" + "x" * 500, "li", "admin", "longer than 500"),
    ],
)
def test_what_is_no_role_or_does_not_fit_is_refused_and_nothing_is_kept(
    grants: StoreGrants, issuer: str, subject: str, role: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        grants.grant(issuer, subject, role, None, by="Adams", at=NOW)

    assert grants.all() == []
    assert grants.roles(issuer, subject) == []


@pytest.mark.parametrize("odd", ["li\0", "li\ud800", "", "x" * 5000, "' OR 1=1 --"])
def test_whatever_a_token_says_who_has_no_grant_has_no_role(grants: StoreGrants, odd: str) -> None:
    """SEC-12: denied, and never an error of the database."""
    given(grants)

    assert grants.roles(IDP, odd) == []
    assert grants.roles(odd, "li") == []
    assert grants.name_of(IDP, odd) is None


def test_a_revocation_without_a_reason_is_refused(grants: StoreGrants) -> None:
    given(grants)

    with pytest.raises(UsageError, match="'why'"):
        revoked(grants, why=" ")

    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]


def test_sixteen_at_once_give_one_grant(grants: StoreGrants) -> None:
    with ThreadPoolExecutor(16) as pool:
        new = list(pool.map(lambda _: given(grants), range(16)))

    assert sorted(new) == [False] * 15 + [True]
    assert grants.roles(IDP, "li") == [Given("screener", TRIAL)]


def test_of_two_who_revoke_at_once_one_is_told_that_it_is_gone(grants: StoreGrants) -> None:
    given(grants)

    def revoke(_: int) -> bool:
        try:
            revoked(grants)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(revoke, range(2))) == [False, True]
    assert grants.roles(IDP, "li") == []
