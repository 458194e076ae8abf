"""The load test's page: what it says before, while and after, and who may start it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.pages.test_two_people import plain, text
from tests.rollout.test_load import Town
from traffic.models import LoadRun

__all__ = ["plain"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain")]


def signed_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def page(name, query=""):
    return signed_in(name).get(f"/m/embeddings/load/{query}")


def test_before_the_first_run_it_says_so_and_who_may_start_it():
    Town()
    assert "No test has run yet." in text(page("operator"))
    assert "Ask an operator to run it." in text(page("viewer"))


def test_a_run_is_started_and_stopped_from_the_page():
    Town()
    operator = signed_in("operator")
    assert operator.post("/m/embeddings/load/start/", {"peak_rps": "100"}).status_code == 302
    assert LoadRun.objects.get().state == "running"
    running = text(page("operator"))
    assert "measuring what users get without it" in running
    assert "A test is running." in running
    assert operator.post("/m/embeddings/load/stop/").status_code == 302
    assert LoadRun.objects.get().state == "stopped"


@pytest.mark.parametrize("peak", ["fast", "nan", "-3", "0"])
def test_a_peak_that_is_none_starts_nothing(peak):
    Town()
    answer = signed_in("operator").post("/m/embeddings/load/start/", {"peak_rps": peak})
    assert answer.status_code == 302
    assert not LoadRun.objects.exists()


@pytest.mark.parametrize(("town", "word"), [({}, "Pass"), ({"collapse_at": 140}, "Collapsed at")])
def test_a_finished_run_shows_its_stages_and_why(town, word):
    there = Town(**town)
    there.start()
    there.run()
    said = text(page("viewer"))
    assert word in said
    assert "1.5×" in said


def test_a_run_that_is_not_there_is_404():
    Town()
    assert page("operator", "?run=77").status_code == 404
