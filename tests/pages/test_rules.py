"""The page of a route's rules: tried out before they are saved, and saved by a decision."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from shadow.models import RouteRule
from tests.pages import world
from tests.pages.test_two_people import plain, text

__all__ = ["plain"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain")]


@pytest.fixture
def rule():
    made = world.drifting(timezone.now())
    return RouteRule.objects.get(pair=made.pair, path="/v1/infer")


def signed_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def posted(rule, **changes):
    version = rule.pair.migration.version
    kept = {"atol": "0.0001", "ignore": "", "rules": "", "redact": "", "version": version}
    return {**kept, **changes}


def address(rule):
    return f"/m/{rule.pair.migration.slug}/settings/routes/{rule.pk}/"


def test_a_rule_is_tried_on_the_kept_examples_and_nothing_is_saved(rule):
    said = signed_in("operator").post(address(rule), posted(rule, atol="0.01", do="preview"))
    assert said.status_code == 200
    assert "would have changed" in text(said)
    rule.refresh_from_db()
    assert rule.atol == 1e-4


def test_a_saved_rule_is_a_decision_and_needs_a_reason(rule):
    lead = signed_in("lead")
    without = lead.post(address(rule), posted(rule, ignore="$.took_ms", do="save"))
    assert without.status_code == 422
    saved = lead.post(address(rule), posted(rule, ignore="$.took_ms", do="save", reason="a clock"))
    assert saved.status_code == 302
    rule.refresh_from_db()
    assert rule.ignore == ["$.took_ms"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("atol", "wide", "Expected a number."),
        ("atol", "nan", "atol"),
        ("ignore", "latency", "ignore"),
        ("rules", "{", "Line 1 is not JSON"),
        ("rules", '{"rule": "magic", "path": "$.x"}', "rules[0]"),
    ],
)
def test_what_cannot_be_used_is_named(rule, field, value, said):
    wrong = signed_in("operator").post(address(rule), posted(rule, **{field: value}))
    assert wrong.status_code == 422
    assert said in text(wrong)
