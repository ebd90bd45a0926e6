"""From a medication's code or words to its ingredients.

Attempts, in order: product code, ingredient code, ATC code, SNOMED CT substance, name. No match means unknown, never "not taken".

Source: mappings/sources/medications.csv, mappings/sources/rxnorm_products.csv, mappings/facts/medications.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final

from fhir_trial.terminology.concepts import Coding, Concept
from fhir_trial.terminology.systems import ATC

INJECTED: Final = frozenset({"intravenous", "subcutaneous", "intramuscular"})
TUBES: Final = frozenset({"nasogastric", "gastrostomy", "jejunostomy", "enteral"})

# "5 MG", "1 MG/ML", "5 mg/5 mL"; not "1 mg/kg" or "500 mg/m2", which are doses.
_STRENGTH: Final = re.compile(
    r"(?<![\d.,])(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>mg|mcg|ug|µg|μg|g|毫克|微克|克)(?![a-z])"
    r"(?!\s*/\s*(?:kg|m2|m\^2|m²|d\b|day|h\b|hr|hour|week|日|天|次|周))"
    r"(?:\s*/\s*(?P<volume>\d+(?:\.\d+)?)?\s*(?P<per>ml|毫升|mg|g)\b)?",
    re.IGNORECASE,
)
_MILLIGRAMS: Final = {
    "mg": Fraction(1),
    "毫克": Fraction(1),
    "mcg": Fraction(1, 1000),
    "ug": Fraction(1, 1000),
    "µg": Fraction(1, 1000),
    "μg": Fraction(1, 1000),
    "微克": Fraction(1, 1000),
    "g": Fraction(1000),
    "克": Fraction(1000),
}


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A substance and what it means for the classes of a trial.

    Attributes:
        drug_class: oral_corticosteroid, antimalarial, conventional_immunosuppressant, biologic, gcsf, ..., other.
        counts_as_class: yes, no, or review (a clinician decides).
        moiety: What counts once: mycophenolate for mofetil and acid alike.
        routes_that_count: Route classes; oral includes the tubes (R41). Empty: none counts.
        needs_route: Without a route or form nothing can be said (R38).
        prednisone_mg: Milligrams equal to 5 mg of prednisone, lowest and highest (R42); None where not sourced.
        level_guided: Its dose follows blood levels (R14).
    """

    name: str
    drug_class: str
    counts_as_class: str = "yes"
    moiety: str = ""
    routes_that_count: frozenset[str] = frozenset()
    needs_route: bool = False
    prednisone_mg: tuple[Fraction, Fraction] | None = None
    level_guided: bool = False

    def counts_by(self, route: str | None) -> bool | None:
        """Whether a dose by this route counts for the class; None when the route is needed and not known."""
        if route is None:
            return None if self.needs_route else bool(self.routes_that_count)
        if route == "parenteral":
            return bool(self.routes_that_count & INJECTED)
        return route in self.routes_that_count


@dataclass(frozen=True, slots=True)
class Strength:
    """Milligrams in one unit of a product: per "unit" (tablet, capsule, vial), "mL" or "mg"."""

    mg: Fraction
    per: str = "unit"


@dataclass(frozen=True, slots=True)
class DrugMatch:
    """What a medication was recognised as.

    Attributes:
        ingredients: More than one for a combination product.
        strength: Of the product, when the code or the words say it.
        form: The dose form's words as found.
        route: The route class that the form or the ATC group implies; "parenteral" when an injection says no more.
        how: product, ingredient, atc, snomed, or name.
        counts: yes, no (by its form or by itself), or review.
    """

    ingredients: tuple[Ingredient, ...]
    strength: Strength | None = None
    form: str | None = None
    route: str | None = None
    how: str = "name"
    counts: str = "yes"

    def counts_by(self, route: str | None) -> bool | None:
        """Whether any ingredient counts when given by `route`, else by the route its form implies."""
        answers = [ingredient.counts_by(route or self.route) for ingredient in self.ingredients]
        return True if True in answers else (None if None in answers else False)


@dataclass(frozen=True, slots=True)
class Product:
    """A product code: its ingredients, strength and form."""

    ingredients: tuple[str, ...]
    strength: Strength | None = None
    form: str | None = None
    route: str | None = None
    counts: str = "yes"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A regular expression, case ignored, that names an ingredient; a brand may also say the route."""

    pattern: str
    ingredient: str
    route: str | None = None


class DrugIndex:
    """The look-up tables of drugs. Built once, asked often."""

    def __init__(
        self,
        ingredients: Mapping[str, Ingredient],
        products: Mapping[Coding, Product],
        codes: Mapping[Coding, tuple[str, ...]],
        patterns: tuple[NamePattern, ...],
        atc_routes: Mapping[str, str],
        forms: tuple[tuple[str, str], ...],
    ) -> None:
        self.ingredients = ingredients
        self.products = products
        self.codes = codes
        self.patterns = patterns
        self.atc_routes = atc_routes
        self.forms = forms
        self.match = lru_cache(maxsize=8192)(self._match)

    def with_local(self, products: Mapping[Coding, Product]) -> DrugIndex:
        """The same tables with a site's own product codes in front."""
        return DrugIndex(self.ingredients, {**self.products, **products}, self.codes, self.patterns, self.atc_routes, self.forms)

    def ingredient(self, name: str) -> Ingredient:
        """The ingredient of that name.

        Raises:
            KeyError: medications.csv has none.
        """
        return self.ingredients[name]

    def route_of_form(self, text: str) -> str | None:
        """The route class that a dose form's words imply."""
        return next((route for pattern, route in self._form_patterns if pattern.search(text)), None)

    @cached_property
    def _name_patterns(self) -> tuple[tuple[re.Pattern[str], NamePattern], ...]:
        return tuple((re.compile(named.pattern, re.IGNORECASE), named) for named in self.patterns)

    @cached_property
    def _form_patterns(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(pattern, re.IGNORECASE), route) for pattern, route in self.forms)

    def _match(self, concept: Concept) -> DrugMatch | None:
        bare = [Coding(coding.system, coding.code) for coding in concept.codings]
        by_product = self._by_product(bare)
        if by_product is not None:
            return by_product
        route = self._route_of_atc(bare)
        names = self._by_code(bare)
        if names:
            return self._described(concept, names[1], names[0], route)
        found = list(self._by_name(concept.texts()))
        if not found:
            return None
        branded = next((pattern.route for pattern in found if pattern.route), None)
        return self._described(concept, tuple(pattern.ingredient for pattern in found), "name", route or branded)

    def _by_product(self, codings: Iterable[Coding]) -> DrugMatch | None:
        product = next((self.products[coding] for coding in codings if coding in self.products), None)
        if product is None:
            return None
        ingredients = tuple(self.ingredients[name] for name in product.ingredients)
        counts = product.counts if product.counts != "yes" else _counts(ingredients)
        return DrugMatch(ingredients, product.strength, product.form, product.route, "product", counts)

    def _by_code(self, codings: Iterable[Coding]) -> tuple[str, tuple[str, ...]] | None:
        known = [(coding, self.codes[coding]) for coding in codings if coding in self.codes]
        if not known:
            return None
        order = {"ingredient": 0, "atc": 1, "snomed": 2}
        ways = sorted(((_way(coding), names) for coding, names in known), key=lambda way: order[way[0]])
        best = ways[0][0]
        return best, tuple(name for way, names in ways if way == best for name in names)

    def _by_name(self, texts: Iterable[str]) -> Iterator[NamePattern]:
        for text in texts:
            found = [pattern for expression, pattern in self._name_patterns if expression.search(text)]
            if found:
                yield from found
                return

    def _route_of_atc(self, codings: Iterable[Coding]) -> str | None:
        for coding in codings:
            if coding.system == ATC:
                code = coding.code.upper()
                longest = max((prefix for prefix in self.atc_routes if code.startswith(prefix)), key=len, default=None)
                if longest is not None:
                    return self.atc_routes[longest]
        return None

    def _described(self, concept: Concept, names: Iterable[str], how: str, route: str | None) -> DrugMatch:
        ingredients = tuple(self.ingredients[name] for name in dict.fromkeys(names))
        texts = tuple(concept.texts())
        form = next((text for text in texts if self.route_of_form(text)), None)
        form_route = self.route_of_form(form) if form else None
        strengths = (strength_in(text) for text in texts)
        strength = next(filter(None, strengths), None) if len(ingredients) == 1 else None
        implied = route or form_route
        counts = _counts(ingredients)
        if counts == "yes" and implied and all(ingredient.counts_by(implied) is False for ingredient in ingredients):
            counts = "no"
        return DrugMatch(ingredients, strength, form, implied, how, counts)


def strength_in(text: str) -> Strength | None:
    """The one strength that a product's words state; None when they state none or several."""
    found = {_strength(match) for match in _STRENGTH.finditer(text)}
    return found.pop() if len(found) == 1 else None


def with_moiety(ingredient: Ingredient) -> Ingredient:
    """The ingredient itself is its own moiety unless something else was said."""
    return ingredient if ingredient.moiety else replace(ingredient, moiety=ingredient.name)


def _strength(match: re.Match[str]) -> Strength:
    milligrams = Fraction(match["number"]) * _MILLIGRAMS[match["unit"].lower()]
    return Strength(milligrams / Fraction(match["volume"] or 1), _per(match["per"]))


def _per(word: str | None) -> str:
    if not word:
        return "unit"
    return {"ml": "mL", "毫升": "mL", "mg": "mg", "g": "g"}[word.lower()]


def _way(coding: Coding) -> str:
    if coding.system == ATC:
        return "atc"
    return "snomed" if "snomed" in coding.system else "ingredient"


def _counts(ingredients: Iterable[Ingredient]) -> str:
    said = {ingredient.counts_as_class for ingredient in ingredients}
    return next((word for word in ("yes", "review") if word in said), "no")
