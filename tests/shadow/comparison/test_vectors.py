"""The fast path over numbers says "match" only where the general way does, to the same distance."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.comparison import Rules, rules_of, vectors
from shadow.comparison.engine import compare_parsed
from tests.shadow.comparison.build import outcome

RULES = [
    Rules(),
    Rules(ignore=("$.t", "$.b[*]", "$.c[1]")),
    Rules(atol=0),
    Rules(atol=2.0),
    rules_of(atol=1e-4, ignore=[], rules=[{"path": "$", "rule": "close", "dtype": "fp16"}]),
    rules_of(
        atol=1e-4,
        ignore=[],
        rules=[
            {"path": "$.a", "rule": "cosine"},
            {"path": "$.b[*]", "rule": "close", "atol": 0.5},
            {"path": "$.c", "rule": "unordered"},
            {"path": "$[*]", "rule": "seed_abs", "atol": 1.0},
            {"path": "$.t", "rule": "text"},
        ],
    ),
]
ODD = [
    "0", "-0", "-0.0", "1", "1.0", "1e2", "1.00005", "9007199254740993", "9007199254740992.0",
    "4503599627370497", "18446744073709551616", "18446744073709551617", "1e400", "-1e400",
    "1e-400", "NaN", "Infinity", "-Infinity", "true", "null", '"1"', "01", "1.", ".5", "+1", "[1]",
    "[]", "{}", '{"a":1}', '"["', '"a:b"', '"\\u0041"', '"\\""', "1 ", " 1", "9" * 400,
]  # fmt: skip
number = st.one_of(
    st.floats(-1e3, 1e3).map(repr),
    st.integers(-5, 5).map(str),
    st.sampled_from(["0.5", "0.50004", "0.5002", "1", "1.0"]),
    st.sampled_from(ODD),
)
plain = st.sampled_from(["0.5", "0.50004", "1", "1.00003", "-0.0", "0", "3e0"])
array = st.lists(st.one_of(plain, plain, plain, number), max_size=6).map(
    lambda found: f"[{','.join(found)}]"
)
rows = st.lists(array, max_size=4).map(lambda found: f"[{', '.join(found)}]")
scalar = st.one_of(number, st.sampled_from(['"x"', '"é "', "null", "false"]))
value = st.one_of(array, array, rows, scalar)
member = st.tuples(st.sampled_from(["a", "b", "c", "t", "é", "x[", "q:"]), value).map(
    lambda found: f"{json.dumps(found[0], ensure_ascii=False)}:{found[1]}"
)
document = st.one_of(
    array, rows, st.lists(member, max_size=4).map(lambda found: "{" + ",".join(found) + "}")
)


@st.composite
def pairs(draw):
    """Two texts, mostly nearly the same: single places replaced, cut, doubled or disordered."""
    a = draw(document)
    b = a
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(b)))
        size = draw(st.sampled_from([0, 0, 1, 1, 3]))
        new = draw(
            st.one_of(
                st.sampled_from(["", "0", "1", " ", ",", "]", "[", "}", ":", '"', "\ufeff", "\\"]),
                number,
                member,
            )
        )
        b = b[:at] + new + b[at + size :]
    a, b = a.encode(errors="surrogatepass"), b.encode(errors="surrogatepass")
    return draw(st.sampled_from([(a, b), (b, a), (b, b)]))


@pytest.fixture(autouse=True)
def every_body_is_large_enough(monkeypatch):
    monkeypatch.setattr(vectors, "MIN_BYTES", 0)


@given(pairs(), st.sampled_from(RULES))
@settings(max_examples=800)
def test_it_never_says_match_where_the_general_way_does_not(pair, rules):
    vectors_minimum, vectors.MIN_BYTES = vectors.MIN_BYTES, 0
    try:
        fast = vectors.matching(*pair, rules.tree)
    finally:
        vectors.MIN_BYTES = vectors_minimum
    if fast is not None:
        slow = compare_parsed(*pair, rules)
        assert (slow.kind, slow.cause) == ("match", ""), slow
        assert fast.distance == slow.max_distance


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "shape", ['{"a":[%s],"t":1}', "[%s]", "[[1,%s],[2,3]]", '{"t":%s,"a":[1]}']
)
def test_odd_values_are_judged_alike(shape, odd):
    a = (shape % f"{odd},0.5").encode() if "[%s" in shape else (shape % odd).encode()
    for b in (a, a.replace(b"0.5", b"0.50001"), a.replace(b"0.5", b"0.6"), a + b" "):
        for rules in RULES:
            fast = vectors.matching(a, b, rules.tree)
            slow = compare_parsed(a, b, rules)
            assert fast is None or (slow.kind, slow.max_distance) == ("match", fast.distance)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (b"[[1,2],[3]]", b"[[1,2,3],[]]"),
        (b"[[1,2],[3]]", b"[1,2,3]"),
        (b"[1,[2],3]", b"[1,2,3]"),
        (b'{"a":[1,2],"a":[1,2]}', b'{"a":[1,2],"a":[1,2]}'),
        (b'{"a":[1],"b":[2]}', b'{"b":[1],"a":[2]}'),
        (b"\xef\xbb\xbf[1,2]", b"\xef\xbb\xbf[1,2]"),
        (b"[1,2] ", b"[1,2]]"),
        (b"[9007199254740993]", b"[9007199254740992]"),
        (b'{"a":["1"]}', b'{"a":["1"]}'),
        (b"[" * 300 + b"1" + b"]" * 300, b"[" * 300 + b"1" + b"]" * 300),
    ],
)
def test_what_a_buffer_would_hide_is_left_to_the_general_way(a, b):
    assert vectors.matching(a, b, Rules().tree) is None


@pytest.mark.parametrize(
    "body",
    [b'{"a":[1.5,2.5],"b":[1],"t":"x","n":null}', b"[1,2.5,-0.0]", b"[[1,2],[3,4]]", b"[[],[]]"],
)
def test_plain_numbers_take_it(body):
    assert vectors.matching(body, body.replace(b"5,", b"50001,", 1), Rules().tree) is not None


def test_a_parser_is_free_again_after_each_body():
    body = b'{"a":[1.5,2.5]}'
    for other in (b'{"a":[1.5,true]}', b'{"a":[1.5', b'{"a":[1.5,{"b":1}]}', body):
        vectors.matching(body, other, Rules().tree)
    assert vectors.matching(body, body, Rules().tree) is not None


def test_small_bodies_do_not_take_it(monkeypatch):
    monkeypatch.undo()
    assert vectors.matching(b"[1]", b"[1.0]", Rules().tree) is None
    long = json.dumps([0.1 * x for x in range(400)]).encode()
    assert outcome(long, long.replace(b"0.1", b"0.10001", 1)).kind == "match"
