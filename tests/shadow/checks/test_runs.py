"""Runs of checks: due work is a row, one worker writes it, and none is lost."""

from datetime import timedelta

import pytest

from judge.verdict import Verdict
from shadow import readings, services
from shadow.checks.base import Result
from shadow.checks.schedule import CLAIM_SECONDS, MAX_ATTEMPTS, RETRY_SECONDS, SETTLE_SECONDS
from shadow.checks.storable import MAX_FINDINGS, storable
from shadow.models import CheckRun, ServicePair
from tests.rollout.builders import NOW
from tests.shadow.checks.fakes import PASSING, FakeCheck, finding, install

pytestmark = pytest.mark.django_db


def later(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def pair():
    return ServicePair.objects.create(
        name="embeddings",
        stream="embeddings",
        legacy_url="http://a",
        candidate_url="http://b",
        legacy_build="legacy-1",
        candidate_build="candidate-1",
        probing=True,
    )


@pytest.fixture
def fake(monkeypatch):
    made = FakeCheck()
    install(monkeypatch, schema=made)
    return made


def ask(pair, *, by="olga", now=NOW):
    return services.request_run(pair=pair, item="schema", requested_by=by, now=now)


def claim(now=NOW, name="worker-1"):
    return services.claim_next(now=now, claim=name)


def state(pair):
    return readings.check_state(pair=ServicePair.objects.get(pk=pair.pk), item="schema")


def test_asking_twice_returns_the_run_that_is_open(pair, fake):
    assert ask(pair) == ask(pair, by="otto")
    assert CheckRun.objects.get().requested_by == "olga"


def test_a_run_is_carried_out_and_its_result_expires(pair, fake):
    ask(pair)
    assert services.carry_out(claim(), clock=lambda: later(5))
    run = CheckRun.objects.get()
    assert (run.state, run.verdict, run.sentence) == ("done", "PASS", PASSING.sentence)
    assert (run.result["n"], run.builds) == (3, "legacy-1|candidate-1")
    assert run.expires_at == later(5 + 3600)
    assert state(pair).counts(later(6))
    assert not state(pair).counts(later(5 + 3600))
    assert fake.subjects[0].candidate_url == "http://b"


def test_a_result_about_another_build_does_not_count(pair, fake):
    ask(pair)
    services.carry_out(claim(), clock=lambda: NOW)
    ServicePair.objects.update(candidate_build="candidate-2")
    assert not state(pair).counts(NOW)


def test_a_worker_that_lost_its_claim_writes_nothing(pair, fake):
    ask(pair)
    lost = claim(name="worker-1")
    taken = claim(now=later(CLAIM_SECONDS + 1), name="worker-2")
    assert taken.pk == lost.pk
    assert not services.renew(run=lost, progress=0.5, doing="on", now=later(40))
    assert not services.finish(run=lost, result=PASSING, now=later(40))
    assert services.finish(run=taken, result=PASSING, now=later(41))
    assert CheckRun.objects.get().claim == "worker-2"


def test_a_run_that_is_alive_is_not_taken_over(pair, fake):
    ask(pair)
    run = claim()
    assert services.renew(run=run, progress=0.5, doing="half", now=later(CLAIM_SECONDS))
    assert claim(now=later(CLAIM_SECONDS + 5)) is None
    assert (CheckRun.objects.get().progress, CheckRun.objects.get().doing) == (0.5, "half")


def test_a_run_that_kills_its_workers_ends_with_an_error(pair, fake):
    ask(pair)
    for attempt in range(MAX_ATTEMPTS):
        assert claim(now=later(attempt * 40), name=f"w{attempt}") is not None
    assert claim(now=later(MAX_ATTEMPTS * 40), name="last") is None
    run = CheckRun.objects.get()
    assert (run.state, run.verdict, run.attempts) == ("done", "ERROR", MAX_ATTEMPTS)


def test_one_check_runs_at_a_time_and_people_come_first(pair, monkeypatch):
    install(monkeypatch, schema=FakeCheck(), health=FakeCheck())
    services.request_run(pair=pair, item="schema", requested_by="", now=NOW)
    services.request_run(pair=pair, item="health", requested_by="olga", now=later(1))
    first = claim(now=later(2), name="worker-1")
    assert first.item == "health"
    assert claim(now=later(2), name="worker-2") is None
    services.finish(run=first, result=PASSING, now=later(3))
    assert claim(now=later(3), name="worker-2").item == "schema"


def test_a_stopped_run_ends_at_its_next_word_and_leaves_no_result(pair, monkeypatch):
    def act(subject, progress):
        services.stop_run(pair=pair, item="schema", now=later(1))
        monkeypatch.setattr("shadow.services.running.RENEW_SECONDS", 0)
        progress(0.5, "goes on")
        raise AssertionError("unreachable")

    install(monkeypatch, schema=FakeCheck(act))
    ask(pair)
    assert not services.carry_out(claim(), clock=lambda: later(2))
    run = CheckRun.objects.get()
    assert (run.state, run.verdict) == ("stopped", "")


def test_a_run_without_end_is_given_up(pair, monkeypatch):
    monkeypatch.setattr("shadow.services.running.RUN_SECONDS", -1)
    install(monkeypatch, schema=FakeCheck())
    ask(pair)
    services.carry_out(claim(), clock=lambda: NOW)
    assert CheckRun.objects.get().verdict == "ERROR"
    assert "longer than" in CheckRun.objects.get().sentence


def test_a_check_with_a_defect_is_an_error_not_a_pass(pair, monkeypatch):
    def act(subject, progress):
        raise KeyError("paths")

    install(monkeypatch, schema=FakeCheck(act))
    ask(pair)
    services.carry_out(claim(), clock=lambda: NOW)
    assert CheckRun.objects.get().verdict == "ERROR"
    assert "KeyError" in CheckRun.objects.get().sentence


def test_settings_that_cannot_be_used_are_an_error_that_names_the_field(pair, fake):
    ServicePair.objects.update(checks={"schema": {"dept": 3}})
    ask(pair)
    services.carry_out(claim(), clock=lambda: NOW)
    assert CheckRun.objects.get().verdict == "ERROR"
    assert "dept" in CheckRun.objects.get().sentence
    assert not fake.subjects


def run_once(pair, result=PASSING, now=NOW):
    ask(pair, by="", now=now)
    services.finish(run=claim(now=now), result=result, now=now)


def test_the_schedule_queues_a_check_that_never_ran_and_then_every_so_often(pair, fake):
    assert services.queue_due(now=NOW) == 1
    assert services.queue_due(now=NOW) == 0
    services.finish(run=claim(), result=PASSING, now=NOW)
    assert services.queue_due(now=later(599)) == 0
    assert services.queue_due(now=later(600)) == 1


def test_a_new_build_is_due_as_soon_as_it_has_settled(pair, fake):
    run_once(pair)
    ServicePair.objects.update(candidate_build="candidate-2")
    assert services.queue_due(now=later(SETTLE_SECONDS - 1)) == 0
    assert services.queue_due(now=later(SETTLE_SECONDS)) == 1


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_what_could_not_be_judged_is_tried_again_soon(pair, fake, verdict):
    run_once(pair, Result(verdict=verdict, sentence="Nobody answered."))
    assert services.queue_due(now=later(RETRY_SECONDS - 1)) == 0
    assert services.queue_due(now=later(RETRY_SECONDS)) == 1


def test_a_pair_that_is_not_live_is_left_alone(pair, fake):
    ServicePair.objects.update(probing=False)
    assert services.queue_due(now=NOW) == 0


def test_other_settings_end_what_was_found_and_what_is_running(pair, fake):
    run_once(pair)
    open_run = ask(pair, now=later(1))
    services.set_check_settings(pair=pair, item="schema", settings={"depth": 2}, now=later(2))
    assert not state(pair).counts(later(2))
    assert CheckRun.objects.get(pk=open_run.pk).state == "stopped"
    assert state(pair).settings == {"depth": 2}


def test_a_result_is_stored_whatever_characters_and_numbers_it_holds(pair, fake):
    result = Result(
        verdict=Verdict.FAIL,
        sentence="NUL \x00 and half a pair \ud800",
        findings=tuple(finding(legacy="\x00\udfff" * 9) for _ in range(MAX_FINDINGS + 7)),
        details={"rate": float("nan"), "deep": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]},
    )
    run_once(pair, result)
    kept = CheckRun.objects.get().result
    assert len(kept["findings"]) == MAX_FINDINGS
    assert kept["details"]["findings_dropped"] == 7
    assert kept["details"]["rate"] == "nan"
    assert "\x00" not in kept["findings"][0]["legacy"]


def test_storable_leaves_a_plain_result_as_it_is():
    assert storable(PASSING) == PASSING.to_dict()
