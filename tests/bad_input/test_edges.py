"""Rows 49, 60 and 61: what a hostile or broken proxy sends; and what is believed of it."""

import copy
import json

import pytest

from rollout import gates
from tests.bad_input.conftest import assert_refused, nothing_changes, row
from tests.rollout.builders import NOW, fresh, ready_for_canary
from traffic import services as traffic
from traffic.models import Acknowledgement, Proxy, ProxyGroup, Snapshot

pytestmark = pytest.mark.django_db(transaction=True)
REPORT, SNAPSHOT = "/edge/v1/report", "/edge/v1/snapshot"
START = int(NOW.timestamp()) - 10


def document(**changes):
    """A report in which every part has something."""
    group = ProxyGroup.objects.get(name="default")
    values = {
        "proxy": "edge-1",
        "boot": "b1",
        "seq": 7,
        "lineage": group.lineage,
        "generation": group.generation,
        "state": "accepted",
        "reason": None,
        "hold": None,
        "envoy": {"version": "1.40.0"},
        "capabilities": ["pair_tap"],
        "blocks": [
            {
                "split": "embeddings",
                "route": "POST /infer",
                "arm": "candidate",
                "start": START,
                "seconds": 2,
                "requests": 240,
                "status": {"2xx": 240},
                "latency": {"table": "us-1pct-v1", "all": {"17": 240}},
            }
        ],
        "routing": [
            {
                "split": "embeddings",
                "start": START,
                "seconds": 2,
                "epoch": "0",
                "arms": {"candidate": 3, "legacy": 5},
                "new_keys": {"candidate": ["9f" * 8], "legacy": ["03" * 8]},
                "flips": [{"key": "k", "first": "legacy", "now": "candidate"}],
                "flip_count": 1,
            }
        ],
        "taps": [
            {
                "split": "embeddings",
                "route": "POST /infer",
                "start": START,
                "seconds": 2,
                "sampled": 9,
                "pairs": 9,
            }
        ],
    }
    return {**values, **changes}


@pytest.fixture
def report(client):
    def send(sent, *, token="secret", raw=None):
        headers = {"authorization": f"Bearer {token}"}
        data = raw if raw is not None else json.dumps(sent)
        return client.generic(
            "POST", REPORT, data, content_type="application/json", headers=headers
        )

    return send


def test_a_good_report_is_taken(report):
    ready_for_canary()
    assert report(document()).json()["ack_seq"] == 7


TOKENS = [
    row(60, "missing", ""),
    row(60, "empty", "Bearer "),
    row(60, "unknown", "Bearer other"),
    row(60, "basic", "Basic c2VjcmV0"),
    row(60, "not-ascii", "Bearer sécret"),
    row(60, "huge", "Bearer " + "x" * 10_000),
    row(60, "its-hash", f"Bearer {traffic.hash_token('secret')}"),
]


@pytest.mark.parametrize("header", TOKENS)
@pytest.mark.parametrize(("method", "path"), [("POST", REPORT), ("GET", SNAPSHOT)])
def test_an_unknown_proxy_gets_401_and_learns_nothing(client, header, method, path):
    ready_for_canary()
    with nothing_changes():
        answer = client.generic(
            method, path, json.dumps(document()), headers={"authorization": header}
        )
        assert_refused(answer, 401, "unauthenticated")


def test_a_token_of_another_proxy_speaks_for_nobody_else(report):
    """Row 60."""
    ready_for_canary()
    group = ProxyGroup.objects.get()
    traffic.register_proxy(group=group, name="edge-2", token="other", now=NOW)
    with nothing_changes():
        assert_refused(report(document(), token="other"), 403, "foreign_proxy")
        assert_refused(report(document(proxy="nobody")), 403, "foreign_proxy")


NUMBERS = [-1, 1.5, "5", True, 2**53 + 1, [], {}, 1e308]
COUNTS = [
    *(("blocks", name) for name in ("start", "seconds", "requests", "errors", "warming", "shed")),
    *(("routing", name) for name in ("start", "intended", "failed_over", "diverted", "flip_count")),
    *(("taps", name) for name in ("start", "sampled", "waiting", "pairs", "unpaired", "truncated")),
]


@pytest.mark.parametrize(("part", "name"), COUNTS, ids=[f"49-{p}-{n}" for p, n in COUNTS])
def test_a_count_that_is_none_refuses_the_report_by_name(report, part, name):
    ready_for_canary()
    with nothing_changes():
        for number in NUMBERS:
            sent = document()
            sent[part][0][name] = number
            assert_refused(report(sent), 400, "invalid_report", name)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(("part", "name"), COUNTS[:3], ids=[f"49-{n}" for _, n in COUNTS[:3]])
def test_a_number_that_is_none_is_no_json(report, part, name, word):
    ready_for_canary()
    sent = document()
    sent[part][0][name] = "HERE"
    with nothing_changes():
        raw = json.dumps(sent).replace('"HERE"', word)
        assert_refused(report(None, raw=raw), 400, "malformed_json")


MAPS = [
    row(49, "status-list", "blocks", "status", [1], "status"),
    row(49, "status-negative", "blocks", "status", {"2xx": -1}, "2xx"),
    row(49, "status-text", "blocks", "status", {"2xx": "240"}, "2xx"),
    row(49, "latency-text", "blocks", "latency", "fast", "latency"),
    row(49, "latency-list", "blocks", "latency", {"all": [1]}, "latency.all"),
    row(49, "latency-negative", "blocks", "latency", {"all": {"17": -5}}, "17"),
    row(49, "latency-fraction", "blocks", "latency", {"even": {"17": 0.5}}, "17"),
    row(49, "slow-true", "blocks", "slow", {"p95": True}, "p95"),
    row(49, "arms-text", "routing", "arms", "both", "arms"),
    row(49, "keys-text", "routing", "new_keys", "k", "new_keys"),
    row(49, "keys-number", "routing", "new_keys", {"candidate": 5}, "new_keys"),
    row(49, "keys-no-hex", "routing", "new_keys", {"candidate": ["zz"]}, "new_keys"),
    row(49, "keys-too-long", "routing", "new_keys", {"candidate": ["0" * 18]}, "new_keys"),
    row(49, "keys-numbers", "routing", "new_keys", {"candidate": [7]}, "new_keys"),
    row(49, "flips-number", "routing", "flips", 5, "flips"),
    row(49, "flips-texts", "routing", "flips", ["k"], "flips"),
    row(49, "seconds-of-a-year", "blocks", "seconds", 31_536_000, "seconds"),
    row(49, "split-missing", "blocks", "split", None, "split"),
    row(49, "split-empty", "taps", "split", "", "split"),
    row(49, "split-nul", "blocks", "split", "a\0b", "split"),
    row(49, "split-long", "routing", "split", "s" * 51, "split"),
    row(49, "route-number", "blocks", "route", 5, "route"),
    row(49, "route-newline", "blocks", "route", "POST /infer\n", "route"),
    row(49, "route-long", "taps", "route", "r" * 201, "route"),
    row(49, "arm-long", "blocks", "arm", "a" * 25, "arm"),
]


@pytest.mark.parametrize(("part", "name", "value", "field"), MAPS)
def test_a_part_that_is_wrong_refuses_the_report_by_name(report, part, name, value, field):
    ready_for_canary()
    sent = document()
    sent[part][0][name] = value
    with nothing_changes():
        assert_refused(report(sent), 400, "invalid_report", field)


HEADS = [
    row(61, "state", "state", "fine", "state"),
    row(61, "state-missing", "state", None, "state"),
    row(61, "seq-text", "seq", "7", "seq"),
    row(61, "generation-minus", "generation", -1, "generation"),
    row(61, "boot-number", "boot", 5, "boot"),
    row(61, "boot-long", "boot", "b" * 65, "boot"),
    row(61, "envoy-text", "envoy", "1.40.0", "envoy"),
    row(61, "capabilities-number", "capabilities", 5, "capabilities"),
    row(61, "capabilities-text", "capabilities", "pair_tap", "capabilities"),
    row(61, "blocks-object", "blocks", {"a": 1}, "blocks"),
    row(61, "blocks-numbers", "blocks", [1], "blocks"),
    row(61, "hold-id", "hold", {"id": "../7"}, "hold"),
]


@pytest.mark.parametrize(("name", "value", "field"), HEADS)
def test_a_head_that_is_wrong_refuses_the_report_by_name(report, name, value, field):
    ready_for_canary()
    with nothing_changes():
        assert_refused(report(document(**{name: value})), 400, "invalid_report", field)


RAWS = [
    row(61, "empty", b"", "malformed_json"),
    row(61, "cut", b'{"proxy": "edge-1"', "malformed_json"),
    row(61, "deep", b"[" * 50_000, "malformed_json"),
    row(61, "bad-utf8", b"\xff", "malformed_json"),
    row(61, "5000-digits", b'{"seq": ' + b"9" * 5000 + b"}", "malformed_json"),
    row(61, "list", b"[]", "invalid_report"),
    row(61, "null", b"null", "invalid_report"),
]


@pytest.mark.parametrize(("raw", "code"), RAWS)
def test_a_report_that_is_no_report_is_400(report, raw, code):
    ready_for_canary()
    with nothing_changes():
        assert_refused(report(None, raw=raw), 400, code)


def test_a_report_over_the_cap_is_413(report):
    """Row 61: the edge splits it then."""
    ready_for_canary()
    with nothing_changes():
        assert_refused(report(None, raw=b" " * 4_194_305), 413, "report_too_large")


@pytest.mark.parametrize(("method", "path"), [("GET", REPORT), ("POST", SNAPSHOT)])
def test_another_method_is_405(client, method, path):
    ready_for_canary()
    headers = {"authorization": "Bearer secret"}
    assert_refused(client.generic(method, path, headers=headers), 405, "method_not_allowed")


POSITIONS = [
    row(61, "generation-text", "generation=x"),
    row(61, "generation-minus", "generation=-1"),
    row(61, "generation-huge", f"generation={2**64}"),
    row(61, "generation-5000-zeros", f"generation={'0' * 5000}"),
    row(61, "generation-full-width", "generation=%EF%BC%91"),
    row(61, "wait-long", "wait=26"),
    row(61, "wait-nan", "wait=nan"),
]


@pytest.mark.parametrize("query", POSITIONS)
def test_a_position_that_is_none_is_400(client, query):
    ready_for_canary()
    headers = {"authorization": "Bearer secret"}
    assert_refused(client.get(f"{SNAPSHOT}?{query}", headers=headers), 400, "invalid")


def test_a_position_of_another_control_plane_is_409(client):
    ready_for_canary()
    headers = {"authorization": "Bearer secret"}
    answer = client.get(f"{SNAPSHOT}?lineage={'f' * 32}", headers=headers)
    assert_refused(answer, 409, "unknown_lineage")


def never_sent():
    return {"generation": ProxyGroup.objects.get().generation + 1}


def of_another_lineage():
    return {"lineage": "f" * 32}


def of_no_lineage():
    return {"lineage": None}


def with_an_error():
    return {"reason": "error adding listener: bad address"}


UNBELIEVABLE = [
    row(61, "never-sent", never_sent, "stale"),
    row(61, "other-lineage", of_another_lineage, "stale"),
    row(61, "no-lineage", of_no_lineage, "stale"),
    row(61, "accepted-with-an-error", with_an_error, "rejected"),
]


@pytest.mark.parametrize(("change", "state"), UNBELIEVABLE)
def test_an_acceptance_that_cannot_be_never_counts_as_in_effect(report, change, state):
    made = ready_for_canary()
    Acknowledgement.objects.all().delete()
    assert report(document(**change())).status_code == 200
    proxy = Proxy.objects.get()
    assert proxy.state == state
    assert not Acknowledgement.objects.filter(state="accepted").exists()
    found = {r.key: r.evidence.verdict for r in gates.evaluate(fresh(made), now=NOW)}
    assert found["proxies"] != "PASS"


def test_an_error_text_of_1_mb_is_cut(report):
    """Row 61."""
    ready_for_canary()
    sent = document(state="rejected", reason="\0é" * 150_000)
    assert report(sent).status_code == 200
    proxy = Proxy.objects.get()
    assert len(proxy.reason) == 2000
    assert "\0" not in proxy.reason


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "<script>", "\x1b[31m", 7, ["x"]])
def test_free_texts_are_kept_as_texts_whatever_they_hold(report, text):
    """Row 61."""
    ready_for_canary()
    sent = document(capabilities=[text], envoy={"version": text}, state="silent", reason=text)
    sent["routing"][0] |= {"epoch": text, "flips": [{"key": text}]}
    sent["blocks"][0]["status"] = {str(text): 1}
    assert report(sent).status_code == 200


def test_a_report_that_comes_twice_changes_nothing_more(report):
    """Row 61."""
    ready_for_canary()
    sent = document()
    report(sent)
    with nothing_changes():
        assert report(copy.deepcopy(sent)).json()["ack_seq"] == 7


def test_a_proxy_that_was_sent_nothing_has_accepted_nothing(report):
    ready_for_canary()
    before = Snapshot.objects.count()
    assert report(document(generation=0, state="silent")).status_code == 200
    assert Snapshot.objects.count() == before
    assert Proxy.objects.get().generation == 0
