"""Hours of pairs say what their blocks say, and a late pair is in them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shadow import hours, queries
from shadow.models import CheckRun, PairBlock, PairHour, ServicePair
from tests.shadow.test_comparing import entry, pair, take_in  # noqa: F401

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 24, 8, 20, tzinfo=UTC)
SINCE = START + timedelta(minutes=7)
END = START + timedelta(minutes=200)


def filled(pair):  # noqa: F811
    PairBlock.objects.bulk_create(
        PairBlock(
            pair=pair,
            route=route,
            kind=kind,
            builds=pair.builds,
            start=int((START + timedelta(seconds=30 * number)).timestamp()),
            seconds=10,
            compared=10 + number % 3,
            mismatched=number % 2,
            excluded=number % 4,
            uncomparable={"too_deep": 1} if number % 5 == 0 else {},
            bad={"errors": [1, 8, 1, 0]} if kind == "reverse" else {},
        )
        for number in range(400)
        for route in ("POST /infer", "POST /v1/infer")
        for kind in ("forward", "reverse", "noise", "replay")
    )


def same(one, other):
    for name in ("overall", "noise"):
        for column in ("starts", "compared", "mismatched"):
            first, second = (getattr(getattr(found, name), column) for found in (one, other))
            assert np.array_equal(first, second), (name, column)
    assert one.routes.keys() == other.routes.keys() == one.replay.keys() == other.replay.keys()
    for name in ("excluded", "uncomparable", "first_start", "last_end"):
        assert getattr(one, name) == getattr(other, name), name


def test_hours_say_what_their_blocks_say(pair):  # noqa: F811
    filled(pair)
    before = queries.pair_evidence(pair=pair, since=SINCE)
    bad = hours.reverse_bad(pair=pair, since=SINCE)
    for minute in (40, 41, 130, 200):
        hours.settle(now=START + timedelta(minutes=minute))
    assert PairHour.objects.exclude(route="").count() == 4 * 2 * 4
    assert hours.settle(now=END) == 0
    same(queries.pair_evidence(pair=pair, since=SINCE), before)
    assert hours.reverse_bad(pair=pair, since=SINCE) == bad
    assert bad["POST /infer"]["errors"] == [386, 386 * 8, 386, 0]
    assert before.overall.compared[0] == 4 * (10 + 14 % 3)


def test_a_late_pair_reopens_its_hour(pair):  # noqa: F811
    filled(pair)
    hours.settle(now=END)
    before = queries.pair_evidence(pair=pair, since=SINCE)
    late = SINCE + timedelta(minutes=30)
    take_in(entry(at=str(late.timestamp())))
    after = queries.pair_evidence(pair=pair, since=SINCE)
    assert after.overall.compared.sum() == before.overall.compared.sum() + 1
    hours.settle(now=END)
    same(queries.pair_evidence(pair=pair, since=SINCE), after)


def test_evidence_of_other_builds_is_in_no_hour_of_these(pair):  # noqa: F811
    filled(pair)
    hours.settle(now=END)
    ServicePair.objects.update(candidate_build="candidate-2")
    pair.refresh_from_db()
    assert queries.pair_evidence(pair=pair, since=SINCE).overall.compared.size == 0


def test_a_reverse_pair_tells_which_side_was_bad(pair):  # noqa: F811
    for number, (slow, a, b) in enumerate(
        (("b", 200, 200), ("a", 200, 500), ("ab", 503, 500), ("", 503, 200))
    ):
        take_in(
            entry(
                id=f"r{number}",
                kind="reverse",
                slow=f'{{"p50":"{slow}"}}',
                a_status=a,
                b_status=b,
            ),
            last_id=f"{number + 1}-0",
        )
    bad = hours.reverse_bad(pair=pair, since=START)["POST /infer"]
    assert bad == {"p50": [1, 2, 1, 1], "errors": [1, 2, 1, 1]}


def test_the_latest_runs_are_the_newest_one_and_the_newest_that_is_done(pair):  # noqa: F811
    for state in ("done", "done", "stopped", "running"):
        CheckRun.objects.create(pair=pair, item="schema", state=state, requested_at=START)
    CheckRun.objects.create(pair=pair, item="health", state="queued", requested_at=START)
    runs = queries.latest_runs(pair=pair)
    pks = list(CheckRun.objects.filter(item="schema").order_by("pk").values_list("pk", flat=True))
    assert (runs["schema"].newest.pk, runs["schema"].done.pk) == (pks[3], pks[1])
    assert (runs["health"].newest.state, runs["health"].done) == ("queued", None)
