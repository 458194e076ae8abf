"""The health check: finds what differs in each state, and puts every state back."""

import pytest

from judge.verdict import Verdict
from shadow.checks.base import SettingsError, Stopped, Subject
from shadow.checks.health import asking
from shadow.checks.health.check import HEALTH
from shadow.checks.health.settings import STATES, read_settings
from tests.shadow.checks.probed import Probed, serving

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def legacy():
    with serving("legacy-1") as service:
        yield service


@pytest.fixture
def candidate():
    with serving("candidate-1") as service:
        yield service


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(asking, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(asking, "RESTORE_SECONDS", 0.3)
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 0.01)


def switch(service: Probed, states=STATES):
    bodies = {state: {"state": state} for state in states}
    return {"url": f"{service.url}/state", "states": bodies, "restore": {"state": None}}


def both(legacy: Probed, candidate: Probed):
    switches = {"legacy": switch(legacy), "candidate": switch(candidate)}
    return {"switches": switches, "provoke_legacy": True}


def check(legacy: Probed, candidate: Probed, settings=None, progress=lambda share, words: None):
    subject = Subject(
        name="embeddings",
        legacy_url=legacy.url,
        candidate_url=candidate.url,
        settings=settings or {},
    )
    return HEALTH.run(subject, progress)


def codes(result):
    return [(f.code, f.where) for f in result.findings]


def test_two_alike_services_pass_in_every_state(legacy, candidate):
    result = check(legacy, candidate, both(legacy, candidate))
    assert result.verdict is Verdict.PASS, result.sentence
    assert (result.findings, result.n, result.failed) == ((), 8, 0)
    assert result.details["covered"] == ["up", *STATES]
    assert result.details["measured_by"] == dict.fromkeys(STATES, "legacy")
    assert result.details["answers"]["draining"]["candidate"]["/readyz"].startswith("503")


def test_who_says_ready_while_draining_is_found(legacy, candidate):
    candidate.answers["/readyz", "draining"] = (200, {"status": "ready", "build": "candidate-1"})
    result = check(legacy, candidate, both(legacy, candidate))
    assert result.verdict is Verdict.FAIL
    assert codes(result) == [("status_differs", "GET /readyz while draining")]
    assert "answers 200, so it goes on to be sent requests, legacy 503" in result.sentence
    assert (legacy.state, candidate.state) == (None, None)


@pytest.mark.parametrize(
    ("answer", "code", "place"),
    [
        ((200, {"status": "ok"}), "field_missing", " $.build"),
        ((200, {"status": "ok", "build": "b", "up_s": 1}), "field_unknown", " $.up_s"),
        ((200, {"status": "ok", "build": 7}), "type_differs", " $.build"),
        ((200, {"status": "fine", "build": "b"}), "value_differs", " $.status"),
        ((202, {}), "status_differs", ""),
        ((200, b"ok"), "not_json", ""),
    ],
)
def test_each_difference_of_a_body_has_its_name(legacy, candidate, answer, code, place):
    candidate.answers["/healthz"] = answer
    result = check(legacy, candidate)
    assert result.verdict is Verdict.FAIL
    assert codes(result)[0] == (code, f"GET /healthz{place}")


def test_another_content_type_is_a_difference(legacy, candidate):
    candidate.content_type = "text/plain"
    result = check(legacy, candidate)
    assert {f.code for f in result.findings} == {"content_type_differs"}


def test_fields_that_may_differ_are_named(legacy, candidate):
    candidate.answers["/healthz"] = (200, {"status": "fine"})
    settings = {"ignore": ["$.build"], "values": []}
    assert check(legacy, candidate, settings).verdict is Verdict.PASS


def test_legacy_is_not_touched_unless_the_settings_say_so(legacy, candidate):
    settings = both(legacy, candidate) | {"provoke_legacy": False}
    result = check(legacy, candidate, settings)
    assert result.verdict is Verdict.PASS
    assert legacy.told == []
    assert result.details["measured_by"] == dict.fromkeys(STATES, "rule")
    assert any("expected.draining" in advice for advice in result.advice)


def test_without_legacys_answer_a_draining_service_must_not_say_ready(legacy, candidate):
    candidate.answers["/readyz", "draining"] = (200, {"status": "ready", "build": "candidate-1"})
    result = check(legacy, candidate, {"switches": {"candidate": switch(candidate)}})
    assert result.verdict is Verdict.FAIL
    assert "answers 200, and 503 is expected of a service that is draining" in result.sentence


def test_a_declared_answer_is_held_against_the_candidate(legacy, candidate):
    body = {"status": "draining", "build": "x", "reason": "y"}
    settings = {
        "switches": {"candidate": switch(candidate)},
        "expected": {"draining": {"body": body}, "starting": {"status": 503}},
    }
    result = check(legacy, candidate, settings)
    assert result.verdict is Verdict.PASS, result.sentence
    assert result.details["measured_by"]["draining"] == "declared"
    candidate.answers["/readyz", "draining"] = (503, {"status": "stopping", "build": "x"})
    result = check(legacy, candidate, settings)
    assert {f.code for f in result.findings} == {"value_differs", "field_missing"}


def test_states_without_a_switch_are_listed_and_required_ones_do_not_pass(legacy, candidate):
    settings = {"switches": {"candidate": switch(candidate, states=("draining",))}}
    result = check(legacy, candidate, settings)
    assert result.verdict is Verdict.PASS
    assert set(result.details["not_covered"]) == {"starting", "dependency_down"}
    assert any(advice.startswith("Not covered: starting") for advice in result.advice)
    result = check(legacy, candidate, settings | {"required": ["starting"]})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.sentence == "Required but not seen: starting."


def test_a_switch_that_refuses_leaves_its_states_uncovered(legacy, candidate):
    candidate.refuses_from = 0
    result = check(legacy, candidate, {"switches": {"candidate": switch(candidate)}})
    assert set(result.details["not_covered"]) == set(STATES)
    assert (result.verdict, result.findings) == (Verdict.PASS, ())


def test_a_service_that_cannot_be_put_back_is_a_loud_finding(legacy, candidate):
    candidate.refuses_from = 2  # the first restore and one state
    result = check(legacy, candidate, {"switches": {"candidate": switch(candidate)}})
    assert result.verdict is Verdict.FAIL
    left = [f for f in result.findings if f.code == "not_restored"]
    assert left
    assert '{"state":null}' in left[0].sentence
    assert candidate.url in left[0].sentence


def test_a_stopped_run_puts_back_what_it_provoked(legacy, candidate):
    real = candidate.answer

    def watched(path):
        if candidate.state == "starting":
            stop[0] = True
        return real(path)

    stop = [False]
    candidate.answer = watched

    def progress(share, words):
        if stop[0]:
            raise Stopped

    with pytest.raises(Stopped):
        check(legacy, candidate, both(legacy, candidate), progress)
    assert (legacy.state, candidate.state) == (None, None)


def test_a_defect_while_provoked_puts_back(legacy, candidate, monkeypatch):
    def broken(asker, side):
        raise RuntimeError("defect")

    monkeypatch.setattr(asking.Asker, "ask_settled", broken)
    with pytest.raises(RuntimeError):
        check(legacy, candidate, {"switches": {"candidate": switch(candidate)}})
    assert candidate.state is None


def test_a_run_begins_by_ending_what_a_dead_worker_left(legacy, candidate):
    candidate.state = legacy.state = "draining"
    assert check(legacy, candidate, both(legacy, candidate)).verdict is Verdict.PASS


def test_a_legacy_that_is_not_ready_is_no_measure(legacy, candidate):
    legacy.answers["/readyz"] = (503, {})
    result = check(legacy, candidate)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.advice


def test_a_candidate_that_does_not_answer_fails(legacy, candidate):
    result = check(legacy, Probed("gone"), {})
    assert result.verdict is not Verdict.PASS
    candidate.answers["/readyz"] = (503, {"status": "ready", "build": "x"})
    result = check(legacy, candidate, both(legacy, candidate))
    assert result.verdict is Verdict.FAIL
    assert candidate.told == [None]


GOOD = {"url": "http://127.0.0.1:9/state", "states": {"draining": {}}, "restore": {}}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"depth": 1}, "depth"),
        ({"provoke_legacy": 1}, "provoke_legacy"),
        ({"provoke_legacy": True}, "provoke_legacy"),
        ({"values": "status"}, "values"),
        ({"switches": []}, "switches"),
        ({"switches": {"shadow": GOOD}}, "switches.shadow"),
        ({"switches": {"candidate": {**GOOD, "states": {}}}}, "switches.candidate.states"),
        (
            {"switches": {"candidate": {**GOOD, "states": {"up": 1}}}},
            "switches.candidate.states.up",
        ),
        ({"switches": {"candidate": {**GOOD, "method": "GET"}}}, "switches.candidate.method"),
        ({"switches": {"candidate": {**GOOD, "url": "http://169.254.169.254/latest"}}}, "url"),
        ({"switches": {"candidate": {**GOOD, "url": "http://u:p@h/"}}}, "switches.candidate.url"),
        ({"switches": {"candidate": {**GOOD, "url": "file:///etc/passwd"}}}, "url"),
        ({"switches": {"candidate": {**GOOD, "restore": "x" * 3000}}}, "restore"),
        ({"expected": {"draining": {"status": 99}}}, "expected.draining.status"),
        ({"expected": {"draining": {"code": 99}}}, "expected.draining.code"),
        ({"required": [3]}, "required[0]"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(given, field):
    with pytest.raises(SettingsError) as refused:
        read_settings(given)
    assert refused.value.field.endswith(field)
