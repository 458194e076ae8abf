"""Each fault does what it says, while it is switched on, under the same build id."""

import time
from pathlib import Path

import pytest

from tests.examples.services import Answer, Service, build_candidate, running
from tests.examples.test_equal_answers import same

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

ASKED = {"input": [float(x) for x in range(20)]}
RIGHT = {"output": [x * 2 + 0.1 for x in range(20)]}


def answers(service: Service, count: int = 1000) -> list[Answer]:
    return [service.post("/infer", ASKED) for _ in range(count)]


def test_drift_moves_some_numbers_of_about_one_answer_in_fifty(healthy: Service):
    assert healthy.switch("drift").json() == {"fault": "drift"}
    drifted = [a.json() for a in answers(healthy) if not same(a.json(), RIGHT)]
    assert 5 <= len(drifted) <= 45
    assert all(same(body, RIGHT, tolerance=4e-4) for body in drifted)


def test_errors_are_one_answer_in_twenty(healthy: Service):
    healthy.switch("errors")
    failed = [answer for answer in answers(healthy) if answer.status == 500]
    assert 25 <= len(failed) <= 80
    assert failed[0].json()["error"]["code"] == "internal"
    assert healthy.send("GET", "/readyz").status == 200


def test_slow_lengthens_the_tail_only(healthy: Service):
    healthy.switch("slow")
    times = []
    for _ in range(300):
        started = time.perf_counter()
        assert same(healthy.post("/infer", ASKED).json(), RIGHT)
        times.append(time.perf_counter() - started)
    times.sort()
    assert times[150] < 0.05
    assert times[297] >= 0.06


def test_schema_renames_the_fields_in_answers_and_document(healthy: Service):
    healthy.switch("schema")
    assert same(healthy.post("/infer", ASKED).json(), {"result": RIGHT["output"]})
    answer = healthy.post("/v1/infer", {"model": "m", "inputs": [1, 2]})
    assert set(answer.json()) == {"model", "predictions", "latency_ms", "version"}
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert b'"predictions"' in healthy.send("GET", "/openapi.json").body
    assert healthy.post("/infer", {}).json()["error"]["code"] == "missing_field"


def test_the_build_stays_the_same_and_the_switch_goes_back(healthy: Service):
    before = healthy.post("/infer", ASKED)
    for name in ("drift", "errors", "slow", "schema"):
        healthy.switch(name)
        during = healthy.post("/infer", ASKED)
        assert during.headers["x-build-id"] == before.headers["x-build-id"]
    assert healthy.switch(None).json() == {"fault": None}
    assert all(same(answer.json(), RIGHT) for answer in answers(healthy, 200))


def test_an_unknown_fault_is_refused_and_changes_nothing(healthy: Service):
    healthy.switch("schema")
    answer = healthy.switch("gremlins")
    assert answer.status == 422
    assert "drift, errors, slow, schema" in answer.json()["error"]["message"]
    assert "result" in healthy.post("/infer", ASKED).json()


@pytest.mark.parametrize("name", ["candidate", "standin"])
def test_a_fault_can_be_there_from_the_start(tmp_path: Path, name: str):
    if name == "candidate" and build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    with running(name, tmp_path, FAULT="schema", BUILD_ID="build-7") as (service, _):
        answer = service.post("/infer", ASKED)
    assert "result" in answer.json()
    assert answer.headers["x-build-id"] == "build-7"
