"""JSON as Banyan accepts it, whatever is thrown at it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.parsers import MAX_DEPTH, JSONRefusedError, strict_loads

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_what_json_can_say_once_is_read_as_it_is(value):
    assert strict_loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_never_crash(raw):
    with contextlib.suppress(JSONRefusedError):
        strict_loads(raw)


def test_brackets_in_strings_are_no_depth():
    assert strict_loads(json.dumps({"a": "[" * 100 + '\\"{'}).encode())


def test_the_deepest_allowed_is_allowed_and_one_more_is_not():
    def nested(depth):
        return ("[" * depth + "]" * depth).encode()

    strict_loads(nested(MAX_DEPTH))
    with pytest.raises(JSONRefusedError) as refused:
        strict_loads(nested(MAX_DEPTH + 1))
    assert refused.value.get_codes() == "too_deep"


def test_a_duplicate_key_is_found_at_any_depth():
    with pytest.raises(JSONRefusedError) as refused:
        strict_loads(b'{"a": [{"b": 1, "b": 2}]}')
    assert refused.value.field == "b"
