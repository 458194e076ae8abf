"""Requests that are made up: allowed ones are allowed, and one seed makes the same ones."""

import json

import jsonschema
import pytest

from shadow.checks.base import Route
from shadow.checks.errors.provocations import HARMLESS, provoke
from shadow.checks.openapi.requests import Requests
from shadow.checks.schema.check import questions_of
from tests.shadow.checks.documents import document, fields, read

INFER = fields(
    ["model", "inputs"],
    model={"type": "string", "minLength": 1, "maxLength": 64},
    inputs={
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "items": {"type": "number", "minimum": -10, "maximum": 10},
    },
    top_k={"type": "integer", "minimum": 1, "maximum": 1000, "default": 5},
    mode={"enum": ["fast", "exact"], "default": "fast"},
    when={"type": "string", "format": "date-time"},
    code={"type": "string", "pattern": "^[a-z]{2}$"},
    nested={"anyOf": [fields(["x"], x={"type": "boolean"}), {"type": "null"}]},
)


def made(schema=INFER, seed=1):
    found = read(document(schema))
    operation = found.operations()["POST", "/infer"]
    return list(Requests(found, operation, seed).all())


def named(requests):
    return {request.name: request for request in requests}


@pytest.mark.parametrize("seed", range(5))
def test_what_is_made_to_be_valid_is(seed):
    for name, request in named(made(seed=seed)).items():
        if name in ("all fields", "required fields only") or name.endswith("left out"):
            jsonschema.validate(json.loads(request.body), INFER)


def test_the_same_seed_makes_the_same_requests():
    assert made(seed=7) == made(seed=7)
    assert made(seed=7) != made(seed=8)


def test_each_limit_is_tried_at_it_and_just_beyond():
    found = named(made())
    allowed = {name: is_valid(request.body) for name, request in found.items()}
    assert allowed["top_k: the least, 1"]
    assert not allowed["top_k: just beyond 1"]
    assert allowed["top_k: the most, 1000"]
    assert not allowed["top_k: just beyond 1000"]
    assert not allowed["top_k: not whole"]
    assert allowed["model: 64 characters"]
    assert not allowed["model: 65 characters"]
    assert not allowed["model: 0 characters"]
    assert allowed["inputs: 100 elements"]
    assert not allowed["inputs: 101 elements"]
    assert not allowed["inputs: an element of just beyond 10"]
    assert not allowed["mode: a value that is not listed"]
    assert not allowed["a field that is not known"]
    assert allowed["nested: null"]
    assert not allowed["model: null"]


def is_valid(body):
    return jsonschema.Draft202012Validator(INFER).is_valid(json.loads(body))


def test_what_has_a_default_is_sent_without_it_and_with_it():
    found = named(made())
    assert found["top_k left out"].same_as == "top_k given as its default"
    assert json.loads(found["top_k given as its default"].body)["top_k"] == 5
    assert "top_k" not in json.loads(found["top_k left out"].body)
    assert found["when left out"].same_as == ""


ODD = [
    {"type": "array", "items": {"type": "array", "minItems": 10**9, "items": {"type": "number"}}},
    {"type": "string", "minLength": 10**9},
    {"type": "integer", "minimum": 10**30},
    {"type": "integer", "minimum": 5, "maximum": 1},
    {"type": "string", "pattern": "("},
    {"enum": []},
    {"type": "no-such-type"},
    True,
    False,
]


@pytest.mark.parametrize("schema", ODD)
def test_odd_schemas_make_bounded_requests(schema):
    assert all(len(request.body) < 4_000_000 for request in made(fields(a=schema)))


def test_a_recursive_schema_makes_finite_requests():
    ref = {"$ref": "#/components/schemas/Tree"}
    tree = fields(["kids"], kids={"type": "array", "minItems": 2, "items": ref})
    found = read({**document(ref), "components": {"schemas": {"Tree": tree}}})
    operation = found.operations()["POST", "/infer"]
    assert all(len(r.body) < 100_000 for r in Requests(found, operation, 1).all())


def test_only_routes_declared_safe_are_asked():
    found = read(document(INFER))
    assert questions_of(found, [Route("POST", "/infer", safe_to_duplicate=True)], 1)
    assert not questions_of(found, [Route("POST", "/infer", safe_to_duplicate=False)], 1)
    assert not questions_of(found, [], 1)


def test_parameters_are_filled_in_and_tried_at_their_limits():
    limit = {"type": "integer", "minimum": 1, "maximum": 9}
    found = read(
        document(
            parameters=[
                {"in": "query", "name": "limit", "schema": limit, "required": True},
                {"in": "header", "name": "x-team", "schema": {"enum": ["a"]}, "required": True},
            ]
        )
    )
    requests = list(Requests(found, found.operations()["POST", "/infer"], 1).all())
    paths = {request.path for request in requests}
    assert {"/infer?limit=1", "/infer?limit=9", "/infer?limit=0", "/infer?limit=10"} <= paths
    assert ("x-team", "a") in requests[0].headers


def wrong(schema=INFER, **options):
    found = read(document(schema))
    operation = found.operations()["POST", "/infer"]
    return list(provoke(found, operation, seed=1, large_bytes=0, **options))


def test_every_kind_of_error_is_provoked():
    names = {request.name for _, request in wrong()}
    assert names >= {
        "unknown path",
        "method GET",
        "empty body",
        "cut in the middle",
        "broken UTF-8",
        "nested too deep",
        "an array",
        "no content type",
        "model missing",
        "unknown field",
        "model is a number",
        "top_k is a text",
        "top_k is NaN",
        "inputs holds 1e400",
        "top_k: just beyond 1000",
        "model: 65 characters",
        "top_k twice",
    }


def test_wrong_requests_change_nothing_where_a_method_is_not_described():
    methods = {method for method, _ in wrong()}
    assert methods <= {"POST", *HARMLESS}


def test_wrong_requests_are_the_same_each_time():
    assert wrong() == wrong()
