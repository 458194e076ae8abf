"""OpenAPI documents of one route, for tables of differences."""

import json

from shadow.checks.openapi.document import read_document
from shadow.checks.schema.operations import compare_documents

OBJECT = {"type": "object"}


def document(request=None, response=None, **more):
    """One POST /infer with these schemas; `more` replaces parts of the operation."""
    operation = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": OBJECT if request is None else request}},
        },
        "responses": {
            "200": {
                "description": "",
                "content": {
                    "application/json": {"schema": OBJECT if response is None else response}
                },
            }
        },
        **more,
    }
    return whole({"/infer": {"post": operation}})


def whole(paths, **more):
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def fields(required=(), **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def read(made):
    return read_document(json.dumps(made).encode())


def differences(legacy, candidate):
    """Return (code, severity) of each difference of two documents."""
    found = compare_documents(read(legacy), read(candidate))
    return [(finding.code, finding.severity.value) for finding in found]
