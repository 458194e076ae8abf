"""What is stored of a message holds none of its secrets."""

import gzip

import orjson
import pytest

from shadow.privacy import RedactError, read_redaction, redacted, redacted_path

JSON = (("content-type", "application/json"),)
SECRET = "s3cret-value"
CARD = "4111 1111 1111 1111"


def kept(body, *entries, headers=JSON):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return redacted(headers, raw, read_redaction(entries))


@pytest.mark.parametrize(
    "name",
    ["authorization", "Cookie", "set-cookie", "proxy-authorization", "x-api-key", "X-Auth-Token",
     "x-amz-security-token", "x-csrf-token", "x-session-id"],
)  # fmt: skip
def test_secret_headers_keep_their_name_alone(name):
    found = redacted(((name, SECRET), ("accept", "*/*")), b"")
    assert found.headers == [[name, "[redacted]"], ["accept", "*/*"]]
    assert found.count == 1


def test_a_route_names_further_headers():
    found = kept({}, "header:X-Tenant", headers=(*JSON, ("x-tenant", SECRET)))
    assert found.headers[-1] == ["x-tenant", "[redacted]"]


def test_values_at_a_path_and_below_are_replaced_and_the_rest_stays():
    body = {"user": {"name": SECRET, "age": 3}, "rows": [{"k": SECRET, "v": 1}], "x": 0.1}
    found = kept(body, "$.user", "$.rows[*].k")
    assert orjson.loads(found.body) == {
        "user": "[redacted]",
        "rows": [{"k": "[redacted]", "v": 1}],
        "x": 0.1,
    }
    assert found.count == 2


def test_a_body_without_secrets_is_kept_byte_for_byte():
    body = b'{ "a": 1.10, "a": 2, "b": 12345678901234567890123 }'
    assert kept(body).body == body
    assert kept(b'{"a": 1.10}', "$.b").body == b'{"a": 1.10}'


def test_a_repeated_key_hides_nothing():
    found = kept(b'{"user":{"pw":"s3cret-value"},"user":{}}', "$.user.pw")
    assert SECRET.encode() not in found.body


@pytest.mark.parametrize("body", [b'{"pw": "s3cret-value"', b"pw=s3cret-value", b"[" * 2000])
def test_what_cannot_be_searched_is_withheld(body):
    found = kept(body, "$.pw")
    assert SECRET.encode() not in found.body
    assert found.body.startswith(b"[withheld: ")
    assert kept(body).body == body


def test_compressed_bodies_are_searched_and_kept_in_plain():
    headers = (*JSON, ("content-encoding", "gzip"))
    body = gzip.compress(orjson.dumps({"pw": SECRET}))
    assert kept(body, "$.pw", headers=headers).body == b'{"pw":"[redacted]"}'
    broken = kept(body[:-4], "$.pw", headers=headers)
    assert broken.body.startswith(b"[withheld: ")


def test_events_are_searched_one_by_one():
    body = b'event: a\ndata: {"pw": "s3cret-value"}\n\ndata: {"x": 1}\n\n'
    found = kept(body, "$.pw", headers=(("content-type", "text/event-stream"),))
    assert found.body == b'event: a\ndata: {"pw":"[redacted]"}\n\ndata: {"x": 1}\n\n'


@pytest.mark.parametrize("card", [CARD, "5500-0000-0000-0004", "378282246310005"])
def test_card_numbers_are_replaced_in_texts_of_any_body(card):
    assert card.encode() not in kept({"note": f"paid with {card}."}).body
    assert card.encode() not in kept(f"card: {card}\n".encode(), headers=()).body


def test_a_card_as_a_number_is_replaced():
    assert kept({"card": 4111111111111111}).body == b'{"card":"[redacted]"}'


@pytest.mark.parametrize(
    "value",
    [0.4111111111111111, 1700000000000000, "4111111111111112", "14111111111111111",
     "1.4111111111111111"],
)  # fmt: skip
def test_other_numbers_are_no_cards(value):
    body = orjson.dumps({"x": value, "xs": [0.4111111111111111]})
    assert kept(body).body == body


def test_secrets_in_a_query_are_replaced():
    assert redacted_path("/a?q=1&api_key=abc&Token=x#f") == (
        "/a?q=1&api_key=[redacted]&Token=[redacted]#f"
    )
    assert redacted_path("/plain") == "/plain"


@pytest.mark.parametrize("entry", ["user", "$.", "header:", "$..a", "header: "])
def test_an_entry_that_is_neither_is_refused(entry):
    with pytest.raises(RedactError, match="JSON path or header"):
        read_redaction([entry])


def test_headers_are_capped():
    found = redacted([(f"h{i}", "v" * 9000) for i in range(10_000)], b"")
    assert len(found.headers) == 100
    assert len(found.headers[0][1]) == 4000
