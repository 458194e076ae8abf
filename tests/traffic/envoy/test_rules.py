"""Which declared route a request belongs to."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.envoy.rules import RouteRuleDoc, match_route, template_regex


def rule(method: str, path: str, split: str = "s") -> RouteRuleDoc:
    return {
        "split": split,
        "route": f"{method} {path}",
        "method": method,
        "path": path,
        "safe_to_duplicate": True,
        "slow_us": None,
    }


RULES = [
    rule("GET", "/items/{id}"),
    rule("GET", "/items/new"),
    rule("POST", "/infer"),
    rule("GET", "/a.b/{x}/c"),
]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/infer", "POST /infer"),
        ("POST", "/infer?top_k=5", "POST /infer"),
        ("GET", "/infer", "other"),
        ("POST", "/infer/", "other"),
        ("GET", "/items/7", "GET /items/{id}"),
        ("GET", "/items/7?x=/y", "GET /items/{id}"),
        ("GET", "/items/new", "GET /items/new"),
        ("GET", "/items/", "other"),
        ("GET", "/items/7/parts", "other"),
        ("GET", "/a.b/1/c", "GET /a.b/{x}/c"),
        ("GET", "/aXb/1/c", "other"),
    ],
)
def test_a_request_matches_its_rule(method: str, path: str, route: str) -> None:
    assert match_route(RULES, method, path) == route


def test_only_the_rules_of_the_named_split_count() -> None:
    rules = [rule("GET", "/x", "one"), {**rule("GET", "/x", "two"), "route": "mine"}]
    assert match_route(rules, "GET", "/x", split="two") == "mine"
    assert match_route(rules, "GET", "/x", split="three") == "other"


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=20))
def test_any_literal_path_matches_itself_only(path: str) -> None:
    literal = "/" + re.sub(r"[{}?]", "", path)
    assert re.fullmatch(template_regex(literal), literal)
    assert not re.fullmatch(template_regex(literal), literal + "x")
