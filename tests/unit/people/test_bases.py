"""On what a site may screen: SEC-34, SEC-35."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.errors import UsageError
from fhir_trial.people.bases import Basis, BasisKind, CountsOnlyError, NoBasisError, check_basis, check_recordable

TRIAL = "nct06789107"
FIRST, LAST = date(2026, 3, 1), date(2026, 12, 31)
DAY = timedelta(days=1)
WAIVER = Basis(TRIAL, BasisKind.PARTIAL_WAIVER, "IRB-12", FIRST, LAST)
COUNTS = Basis(TRIAL, BasisKind.PREPARATORY, None, FIRST, None)


@pytest.mark.parametrize("today", [FIRST, FIRST + DAY, LAST])
def test_a_basis_holds_on_its_first_day_and_on_its_last(today: date) -> None:
    # SEC-34
    assert check_basis(WAIVER, TRIAL, today) is WAIVER


@pytest.mark.parametrize(
    ("basis", "today", "says"),
    [
        (None, FIRST, "No basis to screen for nct06789107 is recorded."),
        (WAIVER, FIRST - DAY, "begins on 2026-03-01"),
        (WAIVER, LAST + DAY, "expired after 2026-12-31"),
        (Basis("another", BasisKind.TREATMENT, None, FIRST, None), FIRST, "No basis to screen for nct06789107 is recorded."),
    ],
)
def test_without_a_basis_before_it_and_after_it_nobody_is_screened_and_the_sentence_says_what_to_do(
    basis: Basis | None, today: date, says: str
) -> None:
    # SEC-34
    with pytest.raises(NoBasisError) as refused:
        check_basis(basis, TRIAL, today, naming=False)

    assert says in refused.value.message
    assert "`fhir-trial site basis record nct06789107 KIND`" in refused.value.message
    assert refused.value.issue_type == "forbidden"
    assert not isinstance(refused.value, CountsOnlyError)


def test_a_preparatory_basis_allows_counts_and_no_name() -> None:
    # SEC-35
    assert check_basis(COUNTS, TRIAL, FIRST, naming=False) is COUNTS
    with pytest.raises(CountsOnlyError, match="counts, and names no patient"):
        check_basis(COUNTS, TRIAL, FIRST)


@pytest.mark.parametrize("kind", BasisKind)
def test_only_a_preparatory_basis_names_no_patient(kind: BasisKind) -> None:
    # SEC-35
    basis = Basis(TRIAL, kind, "R", FIRST, LAST)

    assert basis.names_patients is (kind is not BasisKind.PREPARATORY)


@pytest.mark.parametrize(
    ("reference", "last_day", "says"),
    [(None, LAST, "--reference"), ("  ", LAST, "--reference"), ("IRB-12", None, "--until")],
)
def test_a_waiver_is_recorded_with_the_number_of_its_board_and_its_expiry(
    reference: str | None, last_day: date | None, says: str
) -> None:
    # SEC-34
    with pytest.raises(UsageError, match=says):
        check_recordable(Basis(TRIAL, BasisKind.PARTIAL_WAIVER, reference, FIRST, last_day))


def test_a_basis_does_not_end_before_it_begins() -> None:
    check_recordable(Basis(TRIAL, BasisKind.TREATMENT, None, FIRST, FIRST))
    with pytest.raises(UsageError, match="before it begins"):
        check_recordable(Basis(TRIAL, BasisKind.TREATMENT, None, FIRST, FIRST - DAY))


@given(st.sampled_from(BasisKind), st.dates(), st.none() | st.dates(), st.dates(), st.booleans())
def test_whatever_is_recorded_nothing_is_allowed_outside_its_days(
    kind: BasisKind, first: date, last: date | None, today: date, naming: bool
) -> None:
    # SEC-34, SEC-35
    basis = Basis(TRIAL, kind, "R", first, last)
    is_allowed = first <= today and (last is None or today <= last) and (basis.names_patients or not naming)

    try:
        check_basis(basis, TRIAL, today, naming=naming)
    except NoBasisError:
        assert not is_allowed
    else:
        assert is_allowed


def test_a_basis_is_told_in_a_line() -> None:
    assert WAIVER.in_words() == "partial-waiver IRB-12, 2026-03-01 to 2026-12-31"
    assert COUNTS.in_words() == "preparatory, 2026-03-01 on"
