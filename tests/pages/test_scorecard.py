"""The scorecard's page: a factor only where both sides were measured alike."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from shadow.services.measuring import record_measurement
from tests.pages.test_two_people import plain, text
from tests.rollout.life import open_gates, started

__all__ = ["open_gates", "plain"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates", "plain")]


@pytest.fixture
def made():
    return started(now=timezone.now())


def page(made, query=""):
    client = Client()
    client.force_login(User.objects.get(username="viewer"))
    return client.get(f"/m/{made.slug}/scorecard/{query}")


def measured(made, side, value, *, how="wrk, one core, 10 s"):
    record_measurement(
        pair=made.pair,
        side=side,
        metric="rps",
        value=value,
        how=how,
        by="operator",
        at=timezone.now(),
        build="1",
    )


def test_before_anything_was_measured_it_says_how(made):
    said = text(page(made))
    assert "Nothing is measured yet." in said
    assert "measure_scorecard" in said


def test_both_sides_measured_alike_have_a_factor(made):
    measured(made, "legacy", 310)
    measured(made, "candidate", 2480)
    assert "8.0×" in text(page(made))
    assert page(made, "?format=csv").content.decode().count("2480") == 1


def test_figures_of_two_methods_are_not_divided(made):
    measured(made, "legacy", 310)
    measured(made, "candidate", 2480, how="another tool")
    assert "8.0×" not in text(page(made))
