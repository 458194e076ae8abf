"""Two documents: what breaks clients is named, and what means the same is not."""

import json

import pytest

from shadow.checks.openapi.document import (
    MAX_DOCUMENT_BYTES,
    DocumentError,
    read_document,
)
from shadow.checks.schema.operations import compare_documents
from tests.shadow.checks.documents import differences, document, fields, read, whole

INT = {"type": "integer"}
NUMBER = {"type": "number"}
TEXT = {"type": "string"}
LIST = {"type": "array", "items": NUMBER}

# What a request field is for legacy, for the candidate, and the finding.
REQUESTS = [
    (TEXT, INT, "request_type", "breaking"),
    (NUMBER, INT, "request_type", "breaking"),
    (INT, NUMBER, "accepts_more", "warning"),
    ({"type": ["string", "null"]}, TEXT, "request_null", "breaking"),
    ({**INT, "minimum": 1}, {**INT, "minimum": 2}, "request_minimum", "breaking"),
    (INT, {**INT, "maximum": 9}, "request_maximum", "breaking"),
    ({**NUMBER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 1}, "request_minimum", "breaking"),
    ({**TEXT, "maxLength": 64}, {**TEXT, "maxLength": 63}, "request_max_length", "breaking"),
    (TEXT, {**TEXT, "minLength": 1}, "request_min_length", "breaking"),
    (TEXT, {**TEXT, "pattern": "^a"}, "request_pattern", "breaking"),
    (TEXT, {**TEXT, "format": "uuid"}, "request_format", "breaking"),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, "request_enum", "breaking"),
    (TEXT, {"enum": ["a"]}, "request_enum", "breaking"),
    ({**LIST, "maxItems": 9}, {**LIST, "maxItems": 8}, "request_items_count", "breaking"),
    (LIST, {"type": "array", "items": INT}, "request_type", "breaking"),
    (INT, {**INT, "multipleOf": 2}, "request_rule", "breaking"),
    ({**INT, "default": 5}, {**INT, "default": 10}, "default_changed", "breaking"),
    ({**INT, "default": 5}, INT, "default_unstated", "warning"),
    (INT, {**INT, "default": 5}, "default_changed", "breaking"),
    ({**INT, "maximum": 9}, {**INT, "maximum": 10}, "accepts_more", "warning"),
    ({"anyOf": [LIST, {"type": "array", "items": TEXT}]}, LIST, "request_variant", "breaking"),
]


@pytest.mark.parametrize(("legacy", "candidate", "code", "severity"), REQUESTS)
def test_a_request_field_that_changed_is_named(legacy, candidate, code, severity):
    found = differences(document(fields(a=legacy)), document(fields(a=candidate)))
    assert found == [(code, severity)]


ANSWERS = [
    (INT, TEXT, "response_type", "breaking"),
    (INT, NUMBER, "response_type", "breaking"),
    (NUMBER, INT, None, None),
    (TEXT, {"type": ["string", "null"]}, "response_null", "breaking"),
    ({"type": ["string", "null"]}, TEXT, None, None),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, "response_enum", "breaking"),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, None, None),
    ({**INT, "maximum": 9}, INT, "response_maximum", "warning"),
    ({**TEXT, "format": "date-time"}, TEXT, "response_format", "warning"),
    ({**INT, "default": 5}, {**INT, "default": 6}, None, None),
]


@pytest.mark.parametrize(("legacy", "candidate", "code", "severity"), ANSWERS)
def test_an_answer_that_readers_would_trip_over_is_named(legacy, candidate, code, severity):
    found = differences(
        document(response=fields(["a"], a=legacy)), document(response=fields(["a"], a=candidate))
    )
    assert found == ([(code, severity)] if code else [])


OPEN = {"type": "object", "properties": {"a": INT}}
OBJECTS = [
    ("request", fields(a=INT), fields(["a"], a=INT), {"field_required": "breaking"}),
    ("request", fields(a=INT), fields(["b"], a=INT, b=INT), {"field_required": "breaking"}),
    ("request", OPEN, {**OPEN, "properties": {"a": INT, "b": INT}}, {"field_added": "note"}),
    ("request", fields(a=INT), fields(a=INT, b=INT), {"accepts_more": "warning"}),
    ("request", fields(a=INT), fields(), {"field_refused": "breaking"}),
    (
        "request",
        fields(a=INT),
        {"type": "object"},
        {"field_ignored": "breaking", "extra_accepted": "breaking"},
    ),
    ("request", fields(a=INT), OPEN, {"extra_accepted": "breaking"}),
    ("request", OPEN, fields(a=INT), {"extra_refused": "breaking"}),
    ("response", fields(["a"], a=INT), fields(a=INT), {"field_optional": "breaking"}),
    ("response", fields(["a"], a=INT), fields(), {"field_removed": "breaking"}),
    ("response", fields(a=INT), fields(), {"field_removed": "warning"}),
    ("response", OPEN, {**OPEN, "properties": {"a": INT, "b": INT}}, {"field_added": "note"}),
    ("response", fields(a=INT), fields(a=INT, b=INT), {"field_unexpected": "breaking"}),
    ("response", fields(a=INT), OPEN, {"extra_sent": "warning"}),
]


@pytest.mark.parametrize(("way", "legacy", "candidate", "expected"), OBJECTS)
def test_fields_that_come_and_go_are_named(way, legacy, candidate, expected):
    found = differences(document(**{way: legacy}), document(**{way: candidate}))
    assert dict(found) == expected


def test_a_renamed_field_is_recognised():
    legacy = document(response=fields(["output"], output=LIST))
    candidate = document(response=fields(["result"], result=LIST))
    found = compare_documents(read(legacy), read(candidate))
    assert found[0].where == "POST /infer response 200 $.output"
    assert "'result'" in found[0].sentence


BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
QUERY = {"in": "query", "name": "limit", "schema": INT}
OPERATIONS = [
    ({"requestBody": {**BODY, "required": False}}, {"requestBody": BODY}, "body_required"),
    (
        {"requestBody": {"required": True, "content": {"application/x-protobuf": {}}}},
        {"requestBody": BODY},
        "media_type",
    ),
    ({"parameters": [QUERY]}, {}, "parameter_missing"),
    ({}, {"parameters": [{**QUERY, "required": True}]}, "parameter_required"),
    ({}, {"parameters": [QUERY]}, "parameter_added"),
    ({"parameters": [QUERY]}, {"parameters": [{**QUERY, "schema": TEXT}]}, "request_type"),
    ({"responses": {"200": {}}}, {"responses": {"201": {}}}, "status_missing"),
    ({"responses": {"200": {}}}, {"responses": {"200": {}, "422": {}}}, "status_added"),
    (
        {"responses": {"200": {"content": {"application/json": {}}}}},
        {"responses": {"200": {"content": {"text/plain": {}}}}},
        "media_type",
    ),
]


@pytest.mark.parametrize(("legacy", "candidate", "code"), OPERATIONS)
def test_a_changed_operation_is_named(legacy, candidate, code):
    assert differences(document(**legacy), document(**candidate))[0][0] == code


def test_operations_that_come_and_go_are_named():
    one, two = {"/a": {"get": {}}}, {"/b": {"get": {}}}
    assert differences(whole(one), whole(two)) == [
        ("operation_missing", "breaking"),
        ("operation_added", "note"),
    ]


SAME = [
    ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ({"anyOf": [TEXT, {"type": "null"}]}, {"type": ["null", "string"]}),
    ({"oneOf": [INT, TEXT]}, {"type": ["integer", "string"]}),
    ({"anyOf": [TEXT]}, TEXT),
    ({"allOf": [TEXT], "description": "d"}, {**TEXT, "title": "T", "examples": ["x"]}),
    ({"allOf": [{**INT, "minimum": 1}, {"maximum": 9}]}, {**INT, "minimum": 1, "maximum": 9}),
    ({"const": "a"}, {"enum": ["a"]}),
    ({"enum": ["a", "b"]}, {"oneOf": [{"const": "b"}, {"const": "a"}]}),
    ({"type": "string", "enum": ["a"]}, {"enum": ["a"]}),
    ({**INT, "exclusiveMinimum": 0}, {**INT, "minimum": 1}),
    ({**NUMBER, "minimum": 0, "exclusiveMinimum": True}, {**NUMBER, "exclusiveMinimum": 0}),
    ({**INT, "maximum": 1000.0}, {**INT, "maximum": 1000}),
    ({**TEXT, "minLength": 0}, TEXT),
    ({**INT, "default": 1.0}, {**INT, "default": 1}),
    ({"type": ["integer", "null"], "default": None}, {"type": ["integer", "null"]}),
    ({"items": INT}, {"type": "array", "items": INT}),
    ({"properties": {"a": INT}}, {"type": "object", "properties": {"a": INT}}),
    ({"type": "object", "additionalProperties": {}}, {"type": "object"}),
]


@pytest.mark.parametrize(("legacy", "candidate"), SAME)
def test_what_means_the_same_is_not_reported(legacy, candidate):
    for a, b in ((legacy, candidate), (candidate, legacy)):
        assert differences(document(fields(x=a)), document(fields(x=b))) == []
        assert differences(document(response=fields(x=a)), document(response=fields(x=b))) == []


def test_names_of_components_and_of_path_parameters_mean_nothing():
    def made(name, parameter):
        path = f"/items/{{{parameter}}}"
        ref = {"$ref": f"#/components/schemas/{name}"}
        operation = {
            "parameters": [{"in": "path", "name": parameter, "required": True, "schema": TEXT}],
            "responses": {"200": {"content": {"application/json": {"schema": ref}}}},
        }
        return whole(
            {path: {"get": operation}}, components={"schemas": {name: fields(["a"], a=INT)}}
        )

    assert differences(made("Item", "id"), made("TheItem", "item_id")) == []


def test_recursive_schemas_are_walked_once():
    def made(name, leaf):
        ref = {"$ref": f"#/components/schemas/{name}"}
        tree = fields(["value"], value=leaf, children={"type": "array", "items": ref})
        return {**document(response=ref), "components": {"schemas": {name: tree}}}

    assert differences(made("Tree", INT), made("Node", INT)) == []
    assert differences(made("Tree", INT), made("Node", TEXT)) == [("response_type", "breaking")]


def test_a_schema_made_of_itself_ends():
    loop = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}
    twice = {"A": {"anyOf": [{"$ref": "#/components/schemas/A"}] * 3}}
    for schemas in (loop, twice, {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}):
        made = {
            **document({"$ref": "#/components/schemas/A"}),
            "components": {"schemas": schemas},
        }
        found = differences(made, made)
        assert all(severity == "warning" for _, severity in found)


BROKEN = [
    {"$ref": "#/components/schemas/Nothing"},
    {"$ref": "https://example.com/schema.json"},
    {"$ref": 3},
    {"properties": {"a": {"$ref": "#/x"}}},
]


@pytest.mark.parametrize("schema", BROKEN)
def test_a_broken_reference_is_a_warning_that_names_it(schema):
    found = compare_documents(read(document(schema)), read(document(schema)))
    assert {finding.severity.value for finding in found} == {"warning"}
    assert {finding.code for finding in found} <= {"broken_ref", "remote_ref"}


NONSENSE = [
    {"paths": {"/a": 3}},
    {"paths": {"/a": {"get": {"parameters": {"x": 1}, "responses": []}}}},
    {"paths": {"/a": {"post": {"requestBody": [], "responses": {"200": None}}}}},
    {"paths": {"/a": {"post": {"requestBody": {"content": {"application/json": 5}}}}}},
]


@pytest.mark.parametrize("made", NONSENSE)
def test_nonsense_in_a_document_never_crashes(made):
    nonsense = {"openapi": "3.0.0", **made}
    for pair in ((nonsense, document()), (document(), nonsense), (nonsense, nonsense)):
        differences(*pair)


@pytest.mark.parametrize("value", [None, 3, "x", [], {"type": 7}, {"enum": 3}, {"required": 1}])
def test_nonsense_in_a_schema_never_crashes(value):
    differences(document(fields(a=value)), document(fields(a=INT)))
    differences(document(response=value), document(response=fields(a=INT)))


REFUSED = [
    (b"", "document_broken"),
    (b"<html>", "document_broken"),
    (b'{"openapi":', "document_broken"),
    (b"[" * 100_000, "document_broken"),
    (b"[]", "document_broken"),
    (b'{"swagger":"2.0","paths":{}}', "swagger_2"),
    (b'{"openapi":"4.0","paths":{"/a":{}}}', "not_openapi"),
    (b'{"paths":{"/a":{}}}', "not_openapi"),
    (b'{"openapi":"3.1.0","paths":{}}', "no_paths"),
    (b" " * (MAX_DOCUMENT_BYTES + 1), "document_too_large"),
]


@pytest.mark.parametrize(("raw", "code"), REFUSED)
def test_a_document_that_cannot_be_used_has_a_name(raw, code):
    with pytest.raises(DocumentError) as refused:
        read_document(raw)
    assert refused.value.code == code


def test_numbers_beyond_64_bits_are_limits_like_others():
    made = document(fields(a={**INT, "maximum": 10**30}))
    assert differences(made, json.loads(json.dumps(made))) == []


def test_a_document_of_five_megabytes_is_compared_in_time():
    operation = {**document()["paths"]["/infer"]["post"], "description": "x" * 4000}
    paths = {f"/route-{n}": {"post": operation} for n in range(1_100)}
    made = whole(paths)
    assert 3_000_000 < len(json.dumps(made)) < MAX_DOCUMENT_BYTES
    assert differences(made, made) == []
