"""Patients who are to be left alone: SEC-36."""

import pytest

from fhir_trial.people.opt_outs import OptedOutError, OptOutKind, check_not_opted_out, first_of


def test_who_is_not_on_the_register_may_be_screened() -> None:
    # SEC-36
    check_not_opted_out(None)


@pytest.mark.parametrize("kind", OptOutKind)
def test_every_kind_stops_everything_and_says_which_it_is(kind: OptOutKind) -> None:
    # SEC-36
    with pytest.raises(OptedOutError, match=f"register \\({kind}\\)") as refused:
        check_not_opted_out(kind)

    assert refused.value.kind is kind
    assert refused.value.issue_type == "suppressed"
    assert refused.value.expression is None


def test_of_several_kinds_the_withdrawal_of_consent_is_named_before_an_objection_and_that_before_no_contact() -> None:
    assert first_of(set(OptOutKind)) is OptOutKind.CONSENT_WITHDRAWN
    assert first_of({OptOutKind.NO_CONTACT, OptOutKind.OBJECTION}) is OptOutKind.OBJECTION
    assert first_of(set()) is None
