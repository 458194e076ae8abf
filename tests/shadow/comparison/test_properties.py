"""What holds for all documents and all bytes."""

import json
import math
from typing import get_args

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.comparison import Answer, Difference, Rules, compare, rules_of, signature
from shadow.comparison.columns import count_members
from shadow.comparison.equality import Equality
from shadow.comparison.report import Report
from tests.shadow.comparison.build import JSON, outcome

RULES = Rules(ignore=("$.a", "$.b[*].a", "$.c[1]", "$[*].b"))
RULED = rules_of(
    atol=1e-4,
    ignore=["$.c.a"],
    rules=[
        {"path": "$", "rule": "close", "rtol": 0.001},
        {"path": "$", "rule": "text"},
        {"path": "$.a", "rule": "unordered"},
        {"path": "$.a[*]", "rule": "seed_abs", "atol": 0.5},
        {"path": "$.b", "rule": "key_by", "field": "a"},
        {"path": "$.b[*].c", "rule": "topk", "k": 2},
        {"path": "$.c", "rule": "cosine"},
        {"path": "$[*]", "rule": "unordered"},
        {"path": "$[*][0].b", "rule": "dist"},
        {"path": "$[*][*].a", "rule": "ignore"},
    ],
)
SHUFFLED = rules_of(atol=1e-4, ignore=[], rules=[{"path": "$", "rule": "unordered"}])
EVERY = [Rules(), RULES, Rules(atol=0), Rules(atol=2.0), RULED, SHUFFLED]
names = st.sampled_from(["a", "b", "c", "x:y", "é", '"'])
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 0.00005, 1.0, 1.00005, 2.0**53, 2**53 + 1, 2**64 + 1, 1e300]),
    st.floats(allow_nan=False, allow_infinity=False),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=3))
lists_of_numbers = st.lists(numbers, min_size=10, max_size=20)
rows = st.builds(
    lambda size, keys, values: [dict(zip(keys, values[i:], strict=False)) for i in range(size)],
    st.integers(12, 16),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True),
    st.lists(st.one_of(leaves, st.lists(numbers, max_size=2)), min_size=20, max_size=20),
)
documents = st.recursive(
    st.one_of(leaves, lists_of_numbers, rows),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(names, below, max_size=4)),
    max_leaves=12,
)


@st.composite
def near_pairs(draw):
    """Two documents that are often almost the same."""
    a = draw(documents)
    return a, draw(st.one_of(st.just(a), documents, st.just(a).map(nudged)))


def nudged(value, by=0.00004):
    match value:
        case float() if abs(value) < 1e6:
            return value + by
        case list():
            return [nudged(x, -by) for x in (value if by > 0 else reversed(value))]
        case dict():
            return {name: nudged(x, by * 3) for name, x in reversed(value.items())}
        case _:
            return value


@given(documents, st.sampled_from(EVERY))
def test_a_document_does_not_differ_from_itself(document, rules):
    report = Report()
    report.walk(document, document, rules.tree)
    assert report.differences == []
    assert Equality().same(document, document, rules.tree)
    spaced = json.dumps(document, indent=1, ensure_ascii=False).encode()
    assert outcome(document, spaced, rules).kind == "match"


@given(near_pairs(), st.sampled_from(EVERY))
@settings(max_examples=300)
def test_the_fast_answer_and_the_report_agree(pair, rules):
    report = Report()
    report.walk(*pair, rules.tree)
    equality = Equality()
    assert equality.same(*pair, rules.tree) == (report.total == 0)
    if report.total == 0:
        assert equality.distance == report.distance
        members = [count_members(document) for document in pair]
        assert members == [equality.members + ignored for ignored in equality.ignored]


@given(near_pairs(), st.sampled_from([Rules(), RULES]))
def test_the_verdict_does_not_depend_on_the_side(pair, rules):
    a, b = pair
    there, back = outcome(a, b, rules), outcome(b, a, rules)
    assert (there.kind, there.total, there.max_distance) == (
        back.kind,
        back.total,
        back.max_distance,
    )


@given(near_pairs())
def test_a_mismatch_has_differences_and_nothing_else_has(pair):
    found = outcome(*pair)
    assert (found.kind == "mismatch") == bool(found.differences)
    assert len(found.differences) <= found.total or found.kind != "mismatch"
    for difference in found.differences:
        assert isinstance(difference, get_args(Difference))
        assert difference.describe()
        assert signature(difference)[1] == difference.kind
    assert found.max_distance is None or math.isfinite(found.max_distance)


fragments = st.lists(
    st.sampled_from(
        [
            b'{"a":',
            b"[",
            b"]",
            b"}",
            b",",
            b"NaN",
            b"-Infinity",
            b'"',
            b"\\",
            b"1e999",
            b"1",
            b":",
            b"\x00",
            b"\xff",
            b"true",
            b"9" * 400,
            b"9" * 5000,
        ]
    ),
    max_size=12,
).map(b"".join)
anything = st.one_of(st.binary(max_size=60), fragments, documents.map(json.dumps).map(str.encode))
headers = st.sampled_from(
    [(), JSON, (("content-type", "text/plain"),), (("content-encoding", "gzip"),)]
)
answers = st.builds(Answer, st.sampled_from([0, 200, 404, 500]), headers, anything, st.booleans())


@given(answers, answers, st.sampled_from([Rules(), RULES]))
@settings(max_examples=200)
def test_no_bytes_make_it_raise(legacy, candidate, rules):
    found = compare(legacy, candidate, rules)
    assert found.kind in {"match", "mismatch", "uncomparable", "excluded"}
    assert bool(found.cause) == (found.kind != "match")


@given(st.one_of(anything, anything.map(lambda body: b'{"a":' + body + b"}")), answers)
@settings(max_examples=150)
def test_no_bytes_make_it_raise_between_two_living_sides(body, candidate):
    for head in ((), JSON):
        compare(Answer(200, head, body), Answer(200, head, candidate.body), Rules())


@given(st.dictionaries(names, leaves, min_size=1, max_size=4), st.data())
def test_a_repeated_key_is_found_wherever_it_stands(document, data):
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2) if fits(document) else b'{"a":1}'
    name = data.draw(st.sampled_from(sorted(orjson.loads(text))))
    member = orjson.dumps(name) + b":null,"
    repeated = text.replace(b"{", b"{" + member, 1)
    assert outcome(text, repeated).cause == "duplicate_key"
    assert outcome(repeated, text).cause == "duplicate_key"


def fits(document):
    """Tell whether orjson can write a document: its integers end at 64 bits."""
    return all(not isinstance(x, int) or abs(x) < 2**63 for x in document.values())
