"""From a medication's code or words to its ingredients (DATA-37, R18, R38, R41, R42)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_trial.terminology import Concept, Strength, Terminology, coding
from fhir_trial.terminology.drugs import strength_in

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
SYSTEMS = {"RX": RXNORM, "ATC": ATC, "SCT": SNOMED}

# code                | ingredient         | how        | route      | counts by its own route (?: route needed)
CODES = """
RX 197577             | dexamethasone      | product    | oral       | yes
RX 1743726            | methylprednisolone | product    | parenteral | no
RX 284521             | tacrolimus         | product    | topical    | no
RX 8640               | prednisone         | ingredient | -          | ?
RX 153972             | hydroxychloroquine | ingredient | -          | yes
RX 42316              | tacrolimus         | ingredient | -          | ?
RX 121191             | rituximab          | ingredient | -          | yes
RX 2565286            | anifrolumab        | product    | parenteral | yes
ATC H02AB07           | prednisone         | atc        | -          | ?
ATC L04AD02           | tacrolimus         | atc        | -          | ?
ATC P01BA02           | hydroxychloroquine | atc        | oral       | yes
SCT 373540008         | hydroxychloroquine | snomed     | -          | yes
SCT 83490000          | hydroxychloroquine | snomed     | -          | yes
"""


@pytest.mark.parametrize("line", CODES.strip().splitlines())
def test_a_code_leads_to_its_ingredient(terminology: Terminology, line: str) -> None:
    cell, ingredient, how, route, counts = (part.strip() for part in line.split("|"))
    system, code = cell.split()

    match = terminology.drug(Concept((coding(SYSTEMS[system], code),)))

    assert match is not None
    assert [found.name for found in match.ingredients] == [ingredient]
    assert (match.how, match.route or "-") == (how, route)
    assert {True: "yes", False: "no", None: "?"}[match.counts_by(None)] == counts


# words                                   | ingredient              | route      | counts
WORDS = """
prednisone 5 MG Oral Tablet               | prednisone              | oral       | yes
醋酸泼尼松片 5mg*100片                    | prednisone              | oral       | yes
醋酸泼尼松龙片                            | prednisolone            | oral       | yes
甲泼尼龙片                                | methylprednisolone      | oral       | yes
注射用甲泼尼龙琥珀酸钠                    | methylprednisolone      | parenteral | no
Solu-Medrol 1000 mg                       | methylprednisolone      | parenteral | no
Medrol                                    | methylprednisolone      | oral       | yes
methylprednisolone                        | methylprednisolone      | -          | ?
prednisolone acetate eye drops            | prednisolone            | ophthalmic | no
hydrocortisone 1 % cream                  | hydrocortisone          | topical    | no
hydroxychloroquine sulfate                | hydroxychloroquine      | -          | yes
chloroquine                               | chloroquine             | -          | yes
硫酸羟氯喹片                              | hydroxychloroquine      | oral       | yes
mycophenolate mofetil                     | mycophenolate mofetil   | -          | yes
Myfortic                                  | mycophenolic acid       | -          | yes
ciclosporin                               | cyclosporine            | -          | ?
Restasis                                  | cyclosporine            | ophthalmic | no
cyclosporine soft gel capsule             | cyclosporine            | oral       | yes
Protopic                                  | tacrolimus              | topical    | no
temsirolimus                              | -                       | -          | -
rituximab-abbs                            | rituximab               | -          | yes
anifrolumab-fnia                          | anifrolumab             | -          | yes
泰它西普                                  | telitacicept            | -          | yes
budesonide inhaler                        | budesonide              | inhaled    | no
Plaquenil                                 | hydroxychloroquine      | -          | yes
Plaquenilium                              | -                       | -          | -
peg-filgrastim                            | filgrastim              | -          | yes
pegfilgrastim-jmdb                        | pegfilgrastim           | -          | yes
aspirin 100 mg                            | -                       | -          | -
"""


@pytest.mark.parametrize("line", WORDS.strip().splitlines())
def test_words_lead_to_the_ingredient_and_the_form_to_the_route(terminology: Terminology, line: str) -> None:
    text, ingredient, route, counts = (part.strip() for part in line.split("|"))

    match = terminology.drug(Concept((), text))

    if ingredient == "-":
        assert match is None
        return
    assert match is not None
    assert [found.name for found in match.ingredients] == [ingredient]
    assert match.route == (None if route == "-" else route)
    assert {True: "yes", False: "no", None: "?"}[match.counts_by(None)] == counts


def test_an_unmatched_drug_is_unknown_not_absent_data_33(terminology: Terminology) -> None:
    assert terminology.drug(Concept((coding(RXNORM, "OMOP12345"),))) is None


def test_the_product_code_goes_before_the_words(terminology: Terminology) -> None:
    match = terminology.drug(Concept((coding(RXNORM, "197577"),), "prednisone"))

    assert match is not None
    assert match.how == "product"
    assert match.ingredients[0].name == "dexamethasone"


def test_a_topical_group_of_atc_says_the_route_when_the_words_say_the_drug(terminology: Terminology) -> None:
    match = terminology.drug(Concept((coding(ATC, "D07AA02", "hydrocortisone"),)))

    assert match is not None
    assert (match.route, match.counts) == ("topical", "no")


def test_a_combination_holds_each_ingredient_data_37(terminology: Terminology) -> None:
    match = terminology.drug(Concept((), "betamethasone / dexamethasone oral tablet"))

    assert match is not None
    assert {found.name for found in match.ingredients} == {"betamethasone", "dexamethasone"}


@pytest.mark.parametrize("route", ["oral", "nasogastric", "gastrostomy"])
@pytest.mark.parametrize("steroid", ["prednisone", "methylprednisolone", "dexamethasone", "hydrocortisone", "deflazacort"])
def test_a_tube_counts_as_oral_for_every_oral_steroid_r41(terminology: Terminology, steroid: str, route: str) -> None:
    match = terminology.drug(Concept((), steroid))

    assert match is not None
    assert match.counts_by(route) is True
    assert match.counts_by("intravenous") is False
    assert match.counts_by("topical") is False


# ingredient           mg equal to prednisone 5 mg (R42)
EQUIVALENTS = """
   prednisone          5     5
   prednisolone        5     5
   methylprednisolone  4     4
   triamcinolone       4     4
   hydrocortisone      20    20
   cortisone           25    25
   dexamethasone       0.75  0.75
   betamethasone       0.6   0.75
   deflazacort         6     6
"""


@pytest.mark.parametrize("line", EQUIVALENTS.strip().splitlines())
def test_prednisone_equivalents_are_exact_and_a_range_stays_a_range_r42(terminology: Terminology, line: str) -> None:
    name, low, high = line.split()

    assert terminology.drugs.ingredient(name).prednisone_mg == (Fraction(low), Fraction(high))


def test_an_unsourced_equivalent_is_not_invented(terminology: Terminology) -> None:
    assert terminology.drugs.ingredient("meprednisone").prednisone_mg is None


def test_one_moiety_counts_once(terminology: Terminology) -> None:
    drugs = terminology.drugs

    assert drugs.ingredient("mycophenolate mofetil").moiety == drugs.ingredient("mycophenolic acid").moiety
    assert drugs.ingredient("prednisone").moiety == "prednisone"


def test_level_guided_drugs_are_tacrolimus_and_ciclosporin_r14(terminology: Terminology) -> None:
    guided = {name for name, ingredient in terminology.drugs.ingredients.items() if ingredient.level_guided}

    assert guided == {"tacrolimus", "cyclosporine"}


@pytest.mark.parametrize(
    ("name", "counts"), [("voclosporin", "yes"), ("everolimus", "review"), ("blinatumomab", "review"), ("tofacitinib", "no")]
)
def test_what_counts_for_a_class_and_what_a_clinician_decides(terminology: Terminology, name: str, counts: str) -> None:
    assert terminology.drugs.ingredient(name).counts_as_class == counts


# words                        milligrams  per
STRENGTHS = """
   prednisone_5_MG             5           unit
   methotrexate_2.5mg          5/2         unit
   sirolimus_1_MG/ML           1           mL
   prednisolone_15_mg/5_mL     3           mL
   dexamethasone_750_mcg       3/4         unit
   cyclophosphamide_1_g        1000        unit
"""


@pytest.mark.parametrize("line", STRENGTHS.strip().splitlines())
def test_a_strength_in_words_is_exact(line: str) -> None:
    words, milligrams, per = line.split()

    assert strength_in(words.replace("_", " ")) == Strength(Fraction(milligrams), per)


@pytest.mark.parametrize(
    "text", ["cyclophosphamide 500 mg/m2", "prednisone 1 mg/kg", "prednisone 5 mg or 10 mg", "prednisone", "5 mgs"]
)
def test_a_dose_or_two_strengths_are_no_strength(text: str) -> None:
    assert strength_in(text) is None
