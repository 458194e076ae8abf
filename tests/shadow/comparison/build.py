"""Answers for the tests of the comparison."""

import json

from shadow.comparison import Answer, Rules, compare

JSON = (("content-type", "application/json"),)


def answer(body=b"{}", status=200, headers=JSON, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, raw, **more)


def outcome(legacy, candidate, rules=Rules(), **more):  # noqa: B008 - frozen
    return compare(answer(legacy, **more), answer(candidate, **more), rules)


def kinds(found):
    return [difference.kind for difference in found.differences]
