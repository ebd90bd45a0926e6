"""The funnel: counts by hand, and sums that must agree whatever the rows."""

from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.population.funnel import UNKNOWN_BAND, band_of, bands, funnels
from fhir_trial.population.rows import Row
from fhir_trial.verdict.model import Overall
from tests.unit.population.funnels import ANSWERS, funnel_of, little_trial, row, rows

TRIAL = little_trial("I1", "N2", "I3", "E4", "L5")


def test_a_funnel_counted_by_hand() -> None:
    funnel = funnel_of(
        TRIAL,
        rows(
            TRIAL,
            "TTTFT",  # potentially eligible
            "TTTF?",  # potentially eligible: what is asked at enrolment keeps nobody off
            "FTTFT",  # I1 alone is against
            "FTFTT",  # three are against; the funnel has it at the first
            "TFTTT",  # E4 alone; N2 does not count
            "TTFsT",  # I3 is against, E4 open: not alone
            "TTsFT",  # waits for I3 alone
            "Tjs?T",  # waits for I3 and E4
            "jT?FT",  # waits for I3, and for somebody to judge I1
            "TTTFF",  # the enrolment question is against
            "FTFTF+",  # has died
        ),
    )

    assert funnel.looked_at == 11
    assert funnel.deceased == 1
    assert dict(funnel.overall) == {
        Overall.POTENTIALLY_ELIGIBLE: 2,
        Overall.NOT_ELIGIBLE: 6,
        Overall.INDETERMINATE: 3,
    }
    assert [(at.criterion.id, at.reached, at.fallen) for at in funnel.at] == [
        ("I1", 10, 2),
        ("I3", 8, 1),
        ("E4", 7, 1),
        ("L5", 6, 1),
    ]
    assert funnel.left == 5
    assert [at.against for at in funnel.at] == [2, 2, 2, 1]
    assert [dict(at.open) for at in funnel.at] == [
        {"judgement": 1},
        {"stale": 2, "not-recorded": 1},
        {"stale": 1, "not-recorded": 1},
        {},
    ]
    assert [at.only_blocker for at in funnel.at] == [1, 0, 1, 1]
    assert [at.only_open for at in funnel.at] == [0, 1, 0, 0]
    assert [at.only_datum for at in funnel.at] == [0, 2, 0, 0]


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    letters = st.text(alphabet="".join(ANSWERS), min_size=5, max_size=5)
    people = draw(st.lists(st.tuples(letters, st.sampled_from(["", "+"])), max_size=40))
    ages = st.integers(0, 99)
    return [
        row(TRIAL, answers + died, f"Patient/p{nth}", youngest=draw(ages), sex=draw(st.sampled_from(["female", "male", None])))
        for nth, (answers, died) in enumerate(people)
    ]


@given(some_rows())
def test_whatever_the_rows_their_sums_agree(found: list[Row]) -> None:
    funnel = funnel_of(TRIAL, found)

    after = [*[at.reached for at in funnel.at[1:]], funnel.left]
    assert [at.reached - at.fallen for at in funnel.at] == after
    assert funnel.at[0].reached == funnel.looked_at - funnel.deceased
    assert funnel.overall.total() == funnel.looked_at == len(found)
    assert funnel.left == funnel.overall[Overall.POTENTIALLY_ELIGIBLE] + funnel.overall[Overall.INDETERMINATE]
    assert sum((counts for counts in funnel.bands.values()), start=type(funnel.overall)()) == funnel.overall
    assert sum(at.only_blocker for at in funnel.at) <= funnel.overall[Overall.NOT_ELIGIBLE]
    assert sum(at.only_open for at in funnel.at) <= funnel.overall[Overall.INDETERMINATE]
    assert sum(at.only_datum for at in funnel.at) <= funnel.overall[Overall.INDETERMINATE]
    for at in funnel.at:
        assert at.fallen <= at.against <= funnel.looked_at
        assert at.only_blocker <= at.against
        assert at.only_open <= at.open.total() <= funnel.looked_at - at.against


def test_rows_of_another_trial_or_version_are_left_out() -> None:
    other = row(TRIAL, "TTTFT", version="v2")
    stranger = row(little_trial("I1", name="other"), "T")

    (funnel,) = funnels([other, stranger, row(TRIAL, "TTTFT")], [TRIAL])

    assert funnel.looked_at == 1


def test_two_versions_of_a_trial_have_a_funnel_each() -> None:
    newer = little_trial("I1")
    older = little_trial("I1")
    object.__setattr__(older.trial, "version", "v0")

    found = funnels([row(newer, "T"), row(older, "F", version="v0"), row(older, "F", version="v0")], [newer, older])

    assert [(one.trial.trial.version, one.looked_at) for one in found] == [("v0", 2), ("v1", 1)]


def test_ages_are_pooled_in_bands_and_none_says_more_than_65_and_over() -> None:
    # DATA-46
    def band(youngest: int | None, oldest: int | None) -> str:
        return band_of(row(TRIAL, "TTTFT", youngest=youngest, oldest=oldest))

    assert [band(age, age) for age in (0, 4, 5, 11, 12, 17, 18, 39, 40, 64, 65, 89, 90, 110)] == [
        *["0-4"] * 2,
        *["5-11"] * 2,
        *["12-17"] * 2,
        *["18-39"] * 2,
        *["40-64"] * 2,
        *["65 and over"] * 4,
    ]
    assert band(11, 12) == UNKNOWN_BAND
    assert band(None, None) == UNKNOWN_BAND
    assert list(bands())[-1] == UNKNOWN_BAND
