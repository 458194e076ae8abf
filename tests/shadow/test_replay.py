"""Replay: each request in its turn, on safe routes alone, compared apart from live pairs."""

from datetime import timedelta

import pytest
import pytest_socket

from shadow import queries, readings, services
from shadow.checks.base import SettingsError
from shadow.models import CorpusRequest, MismatchGroup, PairBlock, RouteRule, ServicePair
from tests.rollout.builders import NOW
from tests.upstream import misbehaving

pytestmark = [pytest.mark.django_db, pytest.mark.enable_socket]
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def upstream():
    pytest_socket.enable_socket()
    with misbehaving() as address:
        yield address


@pytest.fixture
def pair(upstream):
    made = ServicePair.objects.create(
        name="embeddings",
        stream="embeddings",
        legacy_url=upstream,
        candidate_url=upstream,
        legacy_build="legacy-1",
        candidate_build="candidate-1",
        probing=True,
    )
    RouteRule.objects.create(pair=made, method="GET", path="/ok", safe_to_duplicate=True)
    RouteRule.objects.create(pair=made, method="POST", path="/ok", safe_to_duplicate=False)
    return made


def add(pair, count=1, *, method="GET", path="/ok", route=None, **changes):
    for n in range(count):
        CorpusRequest.objects.create(
            pair=pair,
            source="written",
            route=route or f"{method} {path}",
            method=method,
            path=f"{path}?n={n}",
            sha256=f"{method}{path}{n}",
            added_at=NOW,
            **changes,
        )


def replay(pair, *, seconds=0):
    return services.replay_next(pair=pair, now=NOW + timedelta(seconds=seconds))


def block():
    return PairBlock.objects.get(kind="replay")


def test_requests_are_sent_to_both_sides_and_counted_apart_from_live_pairs(pair):
    add(pair, 3)
    assert replay(pair) == 3
    assert (block().compared, block().mismatched, block().builds) == (3, 0, pair.builds)
    live = queries.pair_evidence(pair=pair, since=NOW - timedelta(hours=1))
    assert int(live.overall.compared.sum()) == 0
    found = readings.replayed(pair=pair)[0]
    assert (found.route, found.compared, found.requests) == ("GET /ok", 3, {"written": 3})


def test_each_request_has_its_turn_at_the_rate_that_is_set(pair):
    ServicePair.objects.update(checks={"replay": {"per_second": 1}})
    pair.refresh_from_db()
    add(pair, 5)
    turns = []
    for second in range(5):
        replay(pair, seconds=second)
        sent = CorpusRequest.objects.filter(sent_at=NOW + timedelta(seconds=second))
        turns.append("".join(sorted(row.path[-1] for row in sent)))
    assert turns == ["01", "23", "04", "12", "03"]


def test_a_slow_rate_waits_between_requests(pair):
    ServicePair.objects.update(checks={"replay": {"per_second": 0.1}})
    pair.refresh_from_db()
    add(pair, 5)
    assert [replay(pair, seconds=s) for s in (0, 5, 9, 10, 15, 20)] == [1, 0, 0, 1, 0, 1]


def test_a_route_that_is_not_declared_safe_is_never_sent(pair):
    add(pair, method="POST")
    add(pair, path="/nowhere", route="other")
    assert replay(pair) == 0
    assert not CorpusRequest.objects.filter(sent_at__isnull=False).exists()
    RouteRule.objects.update(safe_to_duplicate=False)
    add(pair, 2)
    assert replay(pair) == 0


def test_an_expired_request_is_not_sent(pair):
    add(pair, expires_at=NOW)
    assert replay(pair) == 0


def test_a_candidate_that_does_not_answer_is_a_mismatch_with_its_cause(pair):
    ServicePair.objects.update(candidate_url=NOWHERE)
    pair.refresh_from_db()
    add(pair, 2)
    replay(pair)
    assert (block().compared, block().mismatched) == (2, 2)
    group = MismatchGroup.objects.get()
    assert (group.pair_kind, group.kind, group.count) == ("replay", "no_answer", 2)


def test_a_legacy_that_does_not_answer_is_excluded(pair):
    ServicePair.objects.update(legacy_url=NOWHERE)
    pair.refresh_from_db()
    add(pair)
    replay(pair)
    assert (block().compared, block().excluded) == (0, 1)


def test_replay_can_be_switched_off_and_bad_settings_send_nothing(pair):
    add(pair)
    for settings in ({"enabled": False}, {"per_second": "fast"}):
        ServicePair.objects.update(checks={"replay": settings})
        pair.refresh_from_db()
        assert replay(pair) == 0


@pytest.mark.parametrize(
    "settings", [{"per_second": 0}, {"per_second": 1000}, {"enabled": 1}, {"rate": 5}]
)
def test_settings_of_replay_are_read_strictly(settings):
    with pytest.raises(SettingsError):
        services.read_replay_settings(settings)


def test_requests_are_made_up_when_legacy_has_a_document(pair):
    assert services.generate_due(pair=pair, now=NOW) == 0
