"""The checks on the example pair: the healthy candidate passes, a broken contract is named."""

from pathlib import Path

import pytest
import pytest_socket

from judge.verdict import Verdict
from shadow.checks import CHECKS
from shadow.checks.base import Route, Subject
from shadow.comparison import Rules
from tests.examples.services import build_candidate, running

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
ROUTES = (
    Route("POST", "/infer", safe_to_duplicate=True),
    Route("POST", "/v1/infer", safe_to_duplicate=True,
          rules=Rules(ignore=("$.latency_ms", "$.version"))),
)  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    if build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    pytest_socket.enable_socket()
    logs: Path = tmp_path_factory.mktemp("pair")
    with running("legacy", logs) as (legacy, _), running("candidate", logs) as (candidate, _):
        yield legacy, candidate


@pytest.fixture
def check(services):
    legacy, candidate = services

    def run(item, **changes):
        values = {
            "name": "embeddings",
            "legacy_url": f"http://127.0.0.1:{legacy.port}",
            "candidate_url": f"http://127.0.0.1:{candidate.port}",
            "routes": ROUTES,
            **changes,
        }
        values["settings"] = {"per_second": 500, **values.get("settings", {})}
        return CHECKS[item].run(Subject(**values), lambda share, words: None)

    run.switch = candidate.switch
    yield run
    candidate.switch(None)


@pytest.mark.parametrize("item", ["schema", "error_codes"])
def test_the_healthy_candidate_passes(check, item):
    result = check(item)
    assert (result.verdict, result.findings) == (Verdict.PASS, ())
    assert result.n > 40


def test_a_renamed_field_fails_by_document_and_by_answer(check):
    check.switch("schema")
    result = check("schema")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].where == "POST /infer response 200 $.output"
    assert {"field_removed", "answer_missing"} <= {finding.code for finding in result.findings}
    assert check("error_codes").verdict is Verdict.PASS


FOUND = [
    ("default_changed", "schema", "default_changed", "POST /v1/infer request $.top_k"),
    ("unknown_field_accepted", "schema", "extra_accepted", "POST /infer request $"),
    ("unknown_field_accepted", "error_codes", "acceptance", "POST /infer: unknown field"),
    ("wrong_status", "error_codes", "status", "POST /infer: empty body"),
    ("wrong_message", "error_codes", "message", "POST /infer: an empty object"),
]


@pytest.mark.parametrize(("fault", "item", "code", "where"), FOUND)
def test_a_fault_is_found_by_its_check_with_a_finding_that_names_it(
    check, fault, item, code, where
):
    check.switch(fault)
    result = check(item)
    assert result.verdict is Verdict.FAIL
    assert (result.findings[0].code, result.findings[0].where) == (code, where)


CALM = [
    *((fault, item) for fault in ("drift", "errors", "slow") for item in ("schema", "error_codes")),
    ("default_changed", "error_codes"),
    ("wrong_status", "schema"),
    ("wrong_message", "schema"),
]


@pytest.mark.parametrize(("fault", "item"), CALM)
def test_what_is_another_checks_matter_is_not_cried_at(check, fault, item):
    check.switch(fault)
    assert check(item).verdict is Verdict.PASS


def test_the_cause_of_a_wrong_address_is_an_error_by_name(check):
    result = check("schema", candidate_url="http://127.0.0.1:1")
    assert result.verdict is Verdict.ERROR
    assert "connection refused" in result.sentence


def test_without_a_document_schema_waits_and_errors_go_on(check):
    settings = {"legacy_document": "/none.json", "candidate_document": "/none.json"}
    schema = check("schema", settings=settings)
    assert schema.verdict is Verdict.INCONCLUSIVE
    assert schema.findings[0].code == "document_missing"
    errors = check("error_codes", settings={"document": "/none.json"})
    assert errors.verdict is Verdict.PASS
    assert errors.details["described"] is False


def test_no_safe_route_is_no_pass(check):
    assert check("error_codes", routes=()).verdict is Verdict.INCONCLUSIVE
