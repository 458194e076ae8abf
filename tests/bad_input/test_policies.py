"""Row 52: policies that could open a gate by accident, refused with the field named."""

import copy
import json

import pytest

from rollout.policy import DEMO
from tests.bad_input.conftest import assert_refused, nothing_changes, row
from tests.rollout.builders import fresh
from tests.rollout.life import at_weight, open_gates, started

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "open_gates")]
PATH = "/api/v1/migrations/embeddings/policy/"


def changed(path: str, value):
    """The demo policy with one value at a dotted path; a step or gate by its index."""
    document = json.loads(json.dumps({**DEMO.to_dict(), "name": "ours"}))
    *way, last = path.split(".")
    place = document
    for name in way:
        place = place[int(name)] if name.isdigit() else place[name]
    if last.isdigit():
        place[int(last)] = value
    else:
        place[last] = value
    return document


def weights(*found):
    return [{"weight": w, "bake_seconds": 20, "min_requests": 200, "rho_open": 1.5} for w in found]


def without(gate):
    return [
        rule for rule in json.loads(json.dumps(DEMO.to_dict()))["gates"] if rule["gate"] != gate
    ]


WRONG = [
    row(52, "no-gates", "gates", [], "gates"),
    row(52, "gates-null", "gates", None, "gates"),
    row(52, "gate-unknown", "gates.0.gate", "luck", "gates.0.gate"),
    row(52, "gate-twice", "gates.1.gate", "discrepancy", "gates"),
    row(52, "without-split", "gates", without("split"), "gates"),
    row(52, "without-proxies", "gates", without("proxies"), "gates"),
    row(52, "without-bake", "gates", without("bake"), "gates"),
    row(52, "gate-from-0", "gates.0.from_weight", 0, "gates.0.from_weight"),
    row(52, "gate-from-101", "gates.0.from_weight", 101, "gates.0.from_weight"),
    row(52, "limit-0", "discrepancy.limit", 0, "discrepancy.limit"),
    row(52, "limit-minus", "discrepancy.limit", -0.001, "discrepancy.limit"),
    row(52, "limit-1", "discrepancy.limit", 1, "discrepancy.limit"),
    row(52, "limit-1e308", "discrepancy.limit", 1e308, "discrepancy.limit"),
    row(52, "limit-text", "discrepancy.limit", "nan", "discrepancy.limit"),
    row(52, "limit-true", "discrepancy.limit", True, "discrepancy.limit"),
    row(52, "limit-null", "discrepancy.limit", None, "discrepancy.limit"),
    row(52, "alpha-0", "discrepancy.alpha_pass", 0, "discrepancy.alpha_pass"),
    row(52, "alpha-1", "discrepancy.alpha_pass", 1, "discrepancy.alpha_pass"),
    row(52, "alpha-minus", "latency.alpha_fail", -0.01, "latency.alpha_fail"),
    row(52, "delta-minus", "errors.delta", -1, "errors.delta"),
    row(52, "rho-below-1", "errors.rho_fail", 0.5, "errors.rho_fail"),
    row(52, "no-quantiles", "latency.percentiles", [], "latency.percentiles"),
    row(52, "quantile-1", "latency.percentiles.0.quantile", 1, "latency.percentiles.0.quantile"),
    row(52, "quantiles-fall", "latency.percentiles.0.quantile", 0.99, "latency.percentiles"),
    row(52, "no-slow-rules", "regression.slow", [], "regression.slow"),
    row(52, "no-steps", "steps", [], "steps"),
    row(52, "steps-fall", "steps", weights(50, 25, 100), "steps"),
    row(52, "steps-equal", "steps", weights(5, 5, 100), "steps"),
    row(52, "last-step-99", "steps", weights(5, 99), "steps"),
    row(52, "last-step-101", "steps", weights(5, 101), "steps.1.weight"),
    row(52, "step-0", "steps", weights(0, 100), "steps.0.weight"),
    row(52, "step-fraction", "steps.0.weight", 5.5, "steps.0.weight"),
    row(52, "step-text", "steps.0.weight", "5", "steps.0.weight"),
    row(52, "bake-minus", "steps.0.bake_seconds", -1, "steps.0.bake_seconds"),
    row(52, "requests-minus", "steps.0.min_requests", -1, "steps.0.min_requests"),
    row(52, "rho-grows", "steps.1.rho_open", 4, "steps"),
    row(52, "unknown", "yolo", True, "yolo"),
    row(52, "unknown-inside", "errors.yolo", 1, "errors.yolo"),
    row(52, "noise-above-shadow", "noise_tth", 10_000, None),
    row(52, "shadow-above-all", "shadow_tth", 10_001, "shadow_tth"),
    row(52, "approvals-2", "approvals_required", 2, "approvals_required"),
    row(52, "approvals-true", "approvals_required", True, "approvals_required"),
    row(52, "age-0", "evidence_max_age_s", 0, "evidence_max_age_s"),
    row(52, "stale-minus", "stale_after_s", -60, "stale_after_s"),
    row(52, "override-a-year", "override_max_s", 31_536_000, "override_max_s"),
    row(52, "uncomparable-all", "max_uncomparable", 1, "max_uncomparable"),
    row(52, "fails-with-nothing", "discrepancy.min_fail_events", 0, "discrepancy.min_fail_events"),
    row(52, "on-fail-nothing", "on_fail", "shrug", "on_fail"),
    row(52, "label-hides-the-demo", "label", "guide policy", "label"),
    row(52, "name-empty", "name", "", "name"),
    row(52, "name-long", "name", "n" * 41, "name"),
    row(52, "other-blocks", "block_seconds", 4, "block_seconds"),
]


@pytest.mark.parametrize(("path", "value", "field"), WRONG)
def test_a_policy_that_cannot_be_is_400_by_field_and_changes_nothing(send, path, value, field):
    made = started()
    if path == "noise_tth":  # equal to all of them is as much as there can be
        document = changed("shadow_tth", 500)
        document["noise_tth"], field = 501, "noise_tth"
    else:
        document = changed(path, value)
    sent = {"version": made.version, "reason": "x", "policy": document}
    with nothing_changes():
        problem = assert_refused(send("PUT", PATH, sent, role="lead"), 400, field=field)
        assert problem["code"] in ("bad_policy", "invalid")


@pytest.mark.parametrize("lacking", ["gates", "steps", "discrepancy", "evidence_max_age_s"])
def test_a_policy_that_lacks_a_part_is_400_by_field(send, lacking):
    made = started()
    document = changed("name", "ours")
    del document[lacking]
    sent = {"version": made.version, "reason": "x", "policy": document}
    with nothing_changes():
        assert_refused(send("PUT", PATH, sent, role="lead"), 400, "bad_policy", lacking)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_limit_that_is_no_number_is_400(send, word):
    """Row 52: nothing compares with it, so it never gets near a gate."""
    made = started()
    sent = {"version": made.version, "reason": "x", "policy": changed("errors.delta", "HERE")}
    with nothing_changes():
        raw = json.dumps(sent).replace('"HERE"', word)
        assert_refused(send("PUT", PATH, raw=raw, role="lead"), 400, "not_finite")


def test_a_step_that_was_taken_keeps_its_weight(send):
    made = at_weight(25)
    document = copy.deepcopy(fresh(made).policy) | {"name": "ours", "steps": weights(10, 25, 100)}
    sent = {"version": made.version, "reason": "x", "policy": document}
    with nothing_changes():
        assert_refused(send("PUT", PATH, sent, role="lead"), 400, "invalid", "steps")
