"""A metric's gate stands on the pages and in REST like any other."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.pages import world
from tests.pages.test_views import operator, people, quick_passwords, text
from tests.rollout.test_metric_gates import Replies, provider, said, with_metric

__all__ = ["operator", "people", "provider", "quick_passwords"]
pytestmark = pytest.mark.django_db


def test_value_legacy_limit_and_query_are_shown(operator, monkeypatch):
    made = with_metric(
        world.ready(timezone.now()),
        query="p99_candidate",
        legacy="p99_legacy",
        compare="max_ratio",
        threshold=1.5,
    )
    replies = Replies(monkeypatch)
    replies.body = lambda query, now: said("12" if "candidate" in query else "10", at=now)
    for ago in (30, 20, 10):
        replies.measure(timezone.now() - timedelta(seconds=ago))
    card = text(operator.get(f"/m/{made.slug}/"))
    assert "Metric p99" in card
    assert "limit 15, legacy 10" in card
    page = operator.get(f"/m/{made.slug}/gates/metric-p99/")
    assert page.status_code == 200
    assert "p99_legacy" in text(page)
    answer = operator.get(f"/api/v1/migrations/{made.slug}/gates/").json()
    gate = next(g for g in answer["gates"] if g["gate"] == "metric-p99")
    assert (gate["group"], gate["verdict"], gate["value"], gate["limit"]) == (
        "step",
        "PASS",
        12,
        15,
    )
    assert operator.get("/fleet/").status_code == 200
    assert operator.get(f"/m/{made.slug}/settings/").status_code == 200
