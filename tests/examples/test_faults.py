"""Each fault does what it says, while it is switched on, under the same build id."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples.services import Answer, Service, build_candidate, running
from tests.examples.test_equal_answers import same

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

ASKED = {"input": [float(x) for x in range(20)]}
RIGHT = {"output": [x * 2 + 0.1 for x in range(20)]}
FAULTS = (
    *("drift", "f32", "errors", "slow", "schema", "default_changed", "unknown_field_accepted"),
    *("wrong_status", "wrong_message", "readyz_draining", "log_field_missing"),
    *("log_level_renamed", "collapses", "leaks"),
)


def answers(service: Service, count: int = 1000) -> list[Answer]:
    return [service.post("/infer", ASKED) for _ in range(count)]


def asked_apart(service: Service) -> int:
    """Ask over a connection of its own, and return the status."""
    apart = Service(service.name, service.port, service.admin_port, service.log)
    try:
        return apart.post("/infer", ASKED).status
    finally:
        apart.close()


def defaults(service: Service) -> list[int]:
    """Every default of a `top_k` in the document."""
    document = json.dumps(service.send("GET", "/openapi.json").json())
    found: list[int] = []

    def note(node: dict[str, object]) -> dict[str, object]:
        top_k = node.get("top_k")
        if isinstance(top_k, dict):
            found.append(top_k["default"])
        return node

    json.loads(document, object_hook=note)
    return found


def resident(service: Service) -> float:
    lines = service.send("GET", "/metrics").body.decode().splitlines()
    return float(next(x for x in lines if x.startswith("process_resident")).split()[1])


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


def test_slow_takes_as_long_as_it_is_told(healthy: Service):
    healthy.switch("slow", slow_ms=5)
    started = time.perf_counter()
    answers(healthy, 200)
    healthy.switch("slow", slow_ms=200)
    middle = time.perf_counter()
    answers(healthy, 200)
    assert time.perf_counter() - middle > middle - started + 0.2


def test_f32_leaves_the_tolerance_beyond_a_thousand(healthy: Service):
    healthy.switch("f32")
    assert same(healthy.post("/infer", ASKED).json(), RIGHT)
    wide = [90_000.1 + x / 7 for x in range(50)]
    answer = healthy.post("/infer", {"input": wide}).json()["output"]
    apart = [abs(number - (x * 2 + 0.1)) for number, x in zip(answer, wide, strict=True)]
    assert 1e-3 < max(apart) < 0.1


def test_schema_renames_the_fields_in_answers_and_document(healthy: Service):
    healthy.switch("schema")
    assert same(healthy.post("/infer", ASKED).json(), {"result": RIGHT["output"]})
    answer = healthy.post("/v1/infer", {"model": "m", "inputs": [1, 2]})
    assert set(answer.json()) == {"model", "predictions", "latency_ms", "version"}
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert b'"predictions"' in healthy.send("GET", "/openapi.json").body
    assert healthy.post("/infer", {}).json()["error"]["code"] == "missing_field"


def test_a_default_changes_in_answers_and_document(healthy: Service):
    healthy.switch("default_changed")
    asked = {"model": "m", "inputs": [float(x) for x in range(20)]}
    assert len(healthy.post("/v1/infer", asked).json()["outputs"]) == 10
    assert len(healthy.post("/v1/infer", {**asked, "top_k": 5}).json()["outputs"]) == 5
    assert healthy.post("/v1/infer", {**asked, "top_k": None}).status == 422
    assert defaults(healthy) == [10]
    healthy.switch("default_changed", silent=True)
    assert len(healthy.post("/v1/infer", asked).json()["outputs"]) == 10
    assert defaults(healthy) == [5]


def test_unknown_fields_are_accepted_in_answers_and_document(healthy: Service):
    healthy.switch("unknown_field_accepted")
    assert same(healthy.post("/infer", {**ASKED, "more": 1}).json(), RIGHT)
    assert healthy.post("/v1/infer", {"model": "m", "inputs": [1], "topk": 3}).status == 200
    assert healthy.post("/infer", {"inputs": [1]}).json()["error"]["code"] == "missing_field"
    document = healthy.send("GET", "/openapi.json").body.replace(b" ", b"")
    assert b'"additionalProperties":false' not in document
    assert document.count(b'"additionalProperties":true') == 2


def test_a_refusal_gets_another_status(healthy: Service):
    right = healthy.post("/infer", {})
    healthy.switch("wrong_status")
    wrong = healthy.post("/infer", {})
    assert (right.status, wrong.status) == (422, 400)
    assert right.json() == wrong.json()
    assert healthy.send("POST", "/infer", b"{}", "text/plain").status == 415


def test_a_missing_field_is_refused_in_other_words(healthy: Service):
    healthy.switch("wrong_message")
    wrong = healthy.post("/infer", {})
    assert wrong.status == 422
    assert wrong.json()["error"]["message"] == "input is missing"
    assert healthy.post("/infer", {"input": 1}).json()["error"]["message"].endswith("an array")


def test_readyz_says_ready_while_draining(healthy: Service):
    healthy.switch("readyz_draining")
    try:
        healthy.tell("draining")
        assert healthy.send("GET", "/readyz").status == 200
        healthy.tell("dependency_down")
        assert healthy.send("GET", "/readyz").status == 503
    finally:
        healthy.tell(None)


def test_log_lines_lose_a_field_or_rename_a_level(healthy: Service):
    def line(name: str) -> dict[str, object]:
        headers = {"content-type": "application/json", "x-request-id": name}
        healthy.send("POST", "/infer", b"{}", headers=headers)
        return healthy.log_line(name)

    right = line(f"right-{healthy.name}")
    healthy.switch("log_field_missing")
    missing = line(f"missing-{healthy.name}")
    healthy.switch("log_level_renamed")
    renamed = line(f"renamed-{healthy.name}")
    assert right.keys() - missing.keys() == {"duration_ms"}
    assert (right["level"], missing["level"], renamed["level"]) == ("warning", "warning", "warn")
    assert right.keys() == renamed.keys()


def test_it_collapses_beyond_its_rate_and_not_below(healthy: Service):
    healthy.switch("collapses", collapse_rps=20)
    times, statuses = [], []
    for _ in range(30):  # 20 are borne at once, the others wait ever longer
        started = time.perf_counter()
        statuses.append(healthy.post("/infer", ASKED).status)
        times.append(time.perf_counter() - started)
    assert set(statuses) == {200}
    assert max(times[:15]) < 0.045
    assert min(times[25:]) > 0.03
    with ThreadPoolExecutor(60) as crowd:
        found = list(crowd.map(lambda _: asked_apart(healthy), range(60)))
    assert 10 <= found.count(503) <= 50
    assert set(found) == {200, 503}
    healthy.switch("collapses", collapse_rps=100_000)
    assert {answer.status for answer in answers(healthy, 200)} == {200}


def test_memory_grows_with_each_request_and_is_given_back(healthy: Service):
    healthy.switch("leaks")
    before = resident(healthy)
    answers(healthy, 2000)
    grown = resident(healthy) - before
    # 16 KiB each; what other faults freed before is used again first.
    assert grown > 16_000_000
    healthy.switch(None)
    answers(healthy, 2000)
    assert resident(healthy) - before < grown * 1.2


def test_the_build_stays_the_same_and_the_switch_goes_back(healthy: Service):
    before = healthy.post("/infer", ASKED)
    for name in FAULTS:
        healthy.switch(name)
        during = healthy.post("/infer", ASKED)
        assert during.headers["x-build-id"] == before.headers["x-build-id"]
    assert healthy.switch(None).json() == {"fault": None}
    assert all(same(answer.json(), RIGHT) for answer in answers(healthy, 200))


def test_an_unknown_fault_is_refused_and_changes_nothing(healthy: Service):
    healthy.switch("schema")
    answer = healthy.switch("gremlins")
    assert answer.status == 422
    assert ", ".join(FAULTS) in answer.json()["error"]["message"]
    assert "result" in healthy.post("/infer", ASKED).json()


@pytest.mark.parametrize("name", ["candidate", "standin"])
def test_a_fault_can_be_there_from_the_start(tmp_path: Path, name: str):
    if name == "candidate" and build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    with running(name, tmp_path, FAULT="schema", BUILD_ID="build-7") as (service, _):
        answer = service.post("/infer", ASKED)
    assert "result" in answer.json()
    assert answer.headers["x-build-id"] == "build-7"
