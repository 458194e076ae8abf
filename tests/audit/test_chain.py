import hashlib
import subprocess
import sys
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import Actor, canonical, columns_of, entry_body, entry_hash
from audit.errors import NotCanonicalError
from tests.audit.builders import ADA, NOW


class Colour(StrEnum):
    RED = "red"


def test_the_hash_is_the_documented_formula():
    by_hand = hashlib.sha256(
        b"\x00banyan-ledger-v1\n" + bytes([0, 0, 0, 0, 0, 0, 1, 2]) + b"\x07" * 32 + b'{"a":1}'
    )
    assert entry_hash(258, b"\x07" * 32, b'{"a":1}') == by_hand.digest()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, None, "é"]}, b'{"a":[true,null,"\\u00e9"],"b":1}'),
        (OrderedDict(z=(1, 2), a=Colour.RED), b'{"a":"red","z":[1,2]}'),
        (Decimal("0.10"), b'"0.10"'),
        (Decimal("1E+3"), b'"1000"'),
        (0.1, b"0.1"),
        (2**70, b"1180591620717411303424"),
        (
            datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            b'"2026-01-01T00:00:00.000000Z"',
        ),
        ("a\ud800b", b'"a\\ufffdb"'),
    ],
)
def test_a_value_has_one_written_form(value, written):
    assert canonical(value) == written


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), datetime(2026, 1, 1),  # noqa: DTZ001
        {1: "a"}, b"bytes", object(), {"deep": [{"er": {float("nan")}}]},
    ],
)  # fmt: skip
def test_what_has_no_single_written_form_is_refused(value):
    with pytest.raises(NotCanonicalError):
        canonical(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_the_written_form_reads_back_to_itself(value):
    import json

    assert canonical(json.loads(canonical(value))) == canonical(value)
    assert canonical(value).isascii()


def test_an_actor_has_a_known_kind_and_a_name():
    for kind, name in (("robot", "x"), ("user", "")):
        with pytest.raises(NotCanonicalError):
            Actor(kind, name, "operator")


def test_a_body_cannot_claim_another_actor_action_or_time():
    for key in ("actor", "action", "at"):
        with pytest.raises(NotCanonicalError):
            entry_body(actor=ADA, action="note:x", body={key: "forged"}, now=NOW)


def test_columns_come_from_the_body_and_fit_their_place():
    text = {"migration": "m" * 300, "reason": "x"}
    columns = columns_of(
        entry_body(actor=Actor("token", "c\x00i", "r"), action="a:b", body=text, now=NOW)
    )
    assert columns == (NOW, "a:b", "token:c\ufffdi", "m" * 200)
    assert columns.at.tzinfo == UTC


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"actor":1}', b'{"actor":{"kind":1}}', b"[" * 99999]
)
def test_bytes_that_are_no_body_have_no_columns(body):
    with pytest.raises(ValueError, match=r"."):
        columns_of(body)


def test_the_pure_core_loads_no_framework():
    code = "import audit.chain, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
