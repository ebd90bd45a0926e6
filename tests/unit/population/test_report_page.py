"""The report as a page: one file, no script, text that cannot become markup, a table beside each picture."""

from html.parser import HTMLParser

import pytest

from fhir_trial.population.markup import Html, element
from fhir_trial.population.report import Report
from fhir_trial.population.report_page import report_page
from tests.unit.population.funnels import little_trial, report, rows, with_title

TRIAL = little_trial("I1", "I2", "E3")
ROWS = rows(TRIAL, *["TTF"] * 3, *["FTF"] * 12, *["TsF"] * 30, *["T?F"] * 2, "jsF", "TTF+")
VOID = {"meta"}


class Page(HTMLParser):
    """Its elements, with their attributes, and whether each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(params=[True, False], ids=["exact", "rounded"])
def a_report(request: pytest.FixtureRequest) -> Report:
    return report(TRIAL, ROWS, exact=request.param, left_out={"line-unreadable": 2}, lost_types=("Condition",))


def test_a_page_is_one_file_without_script_and_needs_no_other(a_report: Report) -> None:
    text = report_page(a_report)
    page = Page(text)

    assert page.all("html") == [{"lang": "en"}]
    assert page.all("script") == page.all("link") == page.all("img") == page.all("iframe") == []
    assert "url(" not in text
    assert "@import" not in text
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
        assert (attributes.get("href") or "#").startswith("#")


def test_each_picture_says_what_it_shows_and_has_a_table_beside_it(a_report: Report) -> None:
    page = Page(report_page(a_report))

    pictures = [one for one in page.all("svg") if one.get("role") == "img"]
    assert len(pictures) == 2
    assert all("table beside" in (one["aria-label"] or "") for one in pictures)
    assert len(page.all("caption")) == len(page.all("table")) >= len(pictures)
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))


def test_what_scrolls_is_reached_by_keyboard_and_has_a_name(a_report: Report) -> None:
    regions = [one for one in Page(report_page(a_report)).all("div") if one.get("class") == "scroll"]

    assert regions
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in regions)


def test_links_within_the_page_lead_somewhere() -> None:
    page = Page(report_page(report(TRIAL, ROWS)))

    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    assert {(one["href"] or "").removeprefix("#") for one in page.all("a")} <= ids


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "</title><img src=x onerror=alert(1)>", "\" onclick='x' & <b>"])
def test_text_of_a_trial_cannot_become_markup(text: str) -> None:
    # SEC-20
    hostile = with_title(TRIAL, text)
    page = Page(report_page(report(hostile, rows(hostile, *["TsF"] * 20, *["FTF"] * 20), exact=True)))

    assert page.all("script") == page.all("img") == page.all("b") == []
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]
    assert text in page.text


def test_only_markup_made_here_is_not_escaped() -> None:
    # SEC-20
    assert element("p", "<b>", Html("<br>"), title='"') == '<p title="&quot;">&lt;b&gt;<br></p>'


def test_who_waits_for_one_thing_is_told_in_words() -> None:
    exact = Page(report_page(report(TRIAL, ROWS, exact=True))).text
    rounded = Page(report_page(report(TRIAL, ROWS))).text

    assert "32 people  wait for one thing alone: Title of I2 (I2)." in exact
    assert "33 people  wait for one datum, Title of I2 (I2); all else that is open is for a person to judge." in exact
    assert "30 people  wait for one thing alone: Title of I2 (I2)." in rounded


def test_who_shows_no_sign_is_never_called_not_eligible() -> None:
    signed = report(TRIAL, ROWS, exact=True, candidates=len(ROWS), signs={"little": len(ROWS)}, everyone=False)
    page = Page(report_page(signed)).text

    assert "No sign: not looked at" in page
    assert page.count("Not eligible") == 2  # the answer of those who were looked at, above and by age


def test_a_rounded_page_says_so_and_an_exact_one_says_for_whom_it_is() -> None:
    assert "rounded to tens" in report_page(report(TRIAL, ROWS))
    assert "for people who may see the patients" in report_page(report(TRIAL, ROWS, exact=True))


def test_of_several_trials_each_has_a_link() -> None:
    from fhir_trial.population.report import report_of
    from tests.unit.population.funnels import funnel_of, kept_run

    other = little_trial("I1", name="other", title="Another trial")
    both = report_of(kept_run([TRIAL, other]), [funnel_of(TRIAL, ROWS), funnel_of(other, rows(other, "T"))], exact=True)

    links = [one["href"] for one in Page(report_page(both)).all("a")]

    assert links == ["#trials", "#little-v1", "#other-v1"]
