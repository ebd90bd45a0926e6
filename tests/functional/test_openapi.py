"""The OpenAPI document: valid, whole, and enough to write a client from (VER-20, VER-21)."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import responses
from flask import Flask

from fhir_trial.web.rules import RULES
from tests.functional.described_app import KEYS, described_app, logs_as_before, signed_in
from tests.unit.web.identities import jwks

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http, logs_as_before():
        http.get(KEYS, json=jwks())
        yield described_app()


@pytest.fixture(scope="module")
def document(app: Flask) -> Json:
    answer = app.test_client().get("/openapi.json", headers=signed_in())
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    found: Json = answer.get_json()
    return found


def operations(document: Json) -> list[tuple[str, Json]]:
    """("get /api/trials", operation), those of the path's own parameters included."""
    found = []
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method != "parameters":
                found.append((f"{method} {path}", {**operation, "parameters": [*shared, *operation.get("parameters", [])]}))
    return found


def every(value: Any, key: str) -> Iterator[Any]:
    """Whatever stands under this key, at any depth; examples left out."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        for name, inner in value.items():
            if name != "example":
                yield from every(inner, key)
    if isinstance(value, list):
        for inner in value:
            yield from every(inner, key)


def checker(document: Json, schema: Json) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def test_the_document_is_valid_openapi_3_1(document: Json) -> None:
    """By the schema that the OpenAPI Initiative publishes."""
    from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_every_schema_is_valid_json_schema(document: Json) -> None:
    schemas = [*document["components"]["schemas"].values(), *every(document["paths"], "schema")]

    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: Json) -> None:
    for reference in every(document, "$ref"):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_every_pattern_means_the_same_to_other_languages(document: Json) -> None:
    r"""JSON Schema's patterns are ECMA-262, where ``\Z`` is the letter Z, and match anywhere unless anchored."""
    patterns = set(every(document, "pattern"))

    assert {pattern for pattern in patterns if re.search(r"\\[AZz]|\(\?P|\(\?[aimsux]", pattern)} == set()
    assert {pattern for pattern in patterns if not pattern.startswith("^")} == set()


def test_every_route_is_described(app: Flask, document: Json) -> None:
    described = {operation["operationId"] for _, operation in operations(document)}

    assert described == {endpoint.rpartition(".")[2] for endpoint in RULES} - {"openapi_json"}
    assert len(described) == len(operations(document)), "operationId is unique"


def test_every_operation_says_what_it_does(document: Json) -> None:
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}

    for name, operation in operations(document):
        assert "\n" not in operation["summary"], name
        assert len(operation["summary"]) <= 100, name
        assert len(operation["description"]) > 40, name
        assert [tag for tag in operation["tags"] if not tags[tag]] == [], name
        assert all(parameter["description"] and parameter["schema"] for parameter in operation["parameters"]), name


def test_every_operation_says_who_may_use_it(document: Json) -> None:
    """SEC-12."""
    rules = {endpoint.rpartition(".")[2]: rule for endpoint, rule in RULES.items()}

    for name, operation in operations(document):
        security = operation.get("security", document["security"])
        assert (security == []) is rules[operation["operationId"]].public, name


def test_every_error_is_an_operation_outcome_with_an_example(document: Json) -> None:
    check = checker(document, {"$ref": "#/components/schemas/OperationOutcome"})

    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                (content,) = response["content"].items()
                assert content[0] == FHIR_JSON, name
                assert content[1]["schema"] == {"$ref": "#/components/schemas/OperationOutcome"}, name
                check.validate(content[1]["example"])


def test_the_errors_that_the_door_gives_are_told_of_every_operation(document: Json) -> None:
    for name, operation in operations(document):
        expected = {400, 403, 500}
        expected |= {401, 429, 503} if operation.get("security") != [] else set()
        expected |= {413, 415, 422} if "requestBody" in operation else set()
        expected |= {422} if any(parameter["in"] == "query" for parameter in operation["parameters"]) else set()
        expected |= {404} if any(parameter["in"] == "path" for parameter in operation["parameters"]) else set()
        assert {str(status) for status in expected} - set(operation["responses"]) == set(), name


def test_every_answer_tells_its_headers_and_its_content(document: Json) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["headers"]["X-Request-Id"], (name, status)
            assert ("WWW-Authenticate" in response["headers"]) is (status == "401"), (name, status)
            assert ("Retry-After" in response["headers"]) is (status == "429"), (name, status)
            assert response["content"], (name, status)


def test_what_is_asked_is_closed_and_what_is_answered_may_grow(document: Json) -> None:
    """A client that is generated today reads the answers of tomorrow."""
    schemas = document["components"]["schemas"]
    asked = {name for name in schemas if name.endswith("Request")}

    for name in sorted(asked):
        assert schemas[name]["additionalProperties"] is False, name
    answered = {name for name in schemas if name not in asked and not name.startswith("Verdict")}
    closed = {name for name in answered if schemas[name].get("additionalProperties") is False}
    assert closed <= {"AuditHead"}, "this one is sent back as it was given"


def test_every_member_of_a_body_is_described_by_words_or_by_its_choices(document: Json) -> None:
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            for member, described in schema["properties"].items():
                assert {"description", "enum", "$ref", "anyOf"} & set(described), f"{name}.{member}"


def test_every_example_is_what_its_schema_asks_for(document: Json) -> None:
    """Members' own examples, and those of parameters."""
    for schema in document["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            if "example" in member:
                checker(document, member).validate(member["example"])
    for _, operation in operations(document):
        for parameter in operation["parameters"]:
            if "example" in parameter:
                checker(document, parameter["schema"]).validate(parameter["example"])


def test_the_verdict_is_described_as_its_contract_says(document: Json) -> None:
    """VER-10: the same schema, in components instead of its own definitions."""
    from fhir_trial.contract.schema import verdict_schema
    from fhir_trial.contract.verdicts import verdict_json
    from tests.functional.described_app import contract_verdict

    schemas = document["components"]["schemas"]
    verdict = verdict_json(contract_verdict())
    check = checker(document, {"$ref": "#/components/schemas/Verdict"})

    assert set(schemas["Verdict"]["properties"]) == set(verdict_schema()["properties"])
    assert {f"Verdict{name.title().replace('_', '')}" for name in verdict_schema()["$defs"]} <= set(schemas)
    assert "$defs" not in json.dumps(schemas)
    check.validate(verdict)
    assert not check.is_valid({**verdict, "overall": "eligible"})
    for name in ("ScreeningResponse", "ScreeningShown"):
        assert schemas[name]["properties"]["verdict"]["allOf"] == [{"$ref": "#/components/schemas/Verdict"}]


def test_the_document_says_how_to_sign_in_and_what_to_do_about_errors(document: Json) -> None:
    about = document["info"]["description"]

    for told in ("Authorization: Bearer", "OperationOutcome", "Retry-After", "X-Request-Id", "pt-...", "UTF-8"):
        assert told in about
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["servers"][0]["url"] == "/"


def test_the_document_speaks_to_people_who_know_nothing_of_this_repository(document: Json) -> None:
    """No requirement ids, no marks of another markup."""
    text = json.dumps({**document, "components": {**document["components"], "schemas": {}}})
    described = " ".join(str(one) for one in every(document, "description"))

    for words in (text, described):
        assert re.findall(r"\b(?:SEC|WB|VER|DATA|SMART)-\d+|:[a-z]+:`", words) == []
