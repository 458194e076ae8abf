"""Policies: presets survive JSON, required gates by place, and what cannot be is named."""

import copy
import dataclasses
import json
import math

import pytest

from rollout.lifecycle import Phase, Place
from rollout.policy import (
    CHECKLIST,
    DEMO,
    DEMO_LABEL,
    GUIDE,
    GateRule,
    LatencyPolicy,
    PercentileRule,
    Policy,
    PolicyError,
    RegressionPolicy,
    SlowRule,
    Step,
)
from rollout.policy_reading import changes, loosened

DUAL_RUN = Place(Phase.DUAL_RUN)
CANARY = [Place(Phase.CANARY, i, w) for i, w in enumerate((5, 25, 50, 100))]
FULL = Place(Phase.FULL, None, 100)


@pytest.mark.parametrize("preset", [GUIDE, DEMO], ids=lambda p: p.name)
def test_a_preset_survives_json(preset):
    assert Policy.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_the_demo_policy_says_that_it_is_one():
    assert DEMO.label.startswith("demo policy")


def test_each_place_asks_for_the_gates_of_the_design():
    first = {*CHECKLIST} - {"load"} | {"split", "proxies", "bake"}
    live = {"errors", "latency_regression"}
    assert GUIDE.required(DUAL_RUN) == frozenset()
    assert [GUIDE.required(place) for place in CANARY] == [
        first,
        first | live,
        first | live,
        first | live | {"load"},
    ]
    assert GUIDE.required(FULL) == first | live | {"load"}


def test_the_highest_percentile_is_asked_from_25_percent():
    assert GUIDE.percentiles(CANARY[0]) == (0.5, 0.9, 0.95, 0.99)
    assert GUIDE.percentiles(CANARY[1]) == (0.5, 0.9, 0.95, 0.99, 0.999)
    assert DEMO.percentiles(FULL) == (0.5, 0.9, 0.95)


def test_a_threshold_is_named_as_in_traffic_blocks():
    assert [rule.name for rule in GUIDE.regression.slow] == ["p50", "p95", "p99"]


def steps(*weights):
    return tuple(Step(w, bake_seconds=1, min_requests=1) for w in weights)


STEP_RULES = tuple(GateRule(key) for key in ("split", "proxies", "bake"))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"gates": ()}, "gates"),
        ({"gates": STEP_RULES[:2]}, "gates"),
        ({"gates": (*STEP_RULES, GateRule("split"))}, "gates"),
        ({"gates": (*STEP_RULES[1:], GateRule("split", from_weight=50))}, "gates"),
        ({"gates": (*STEP_RULES, GateRule("luck"))}, "gates.3.gate"),
        ({"gates": (*STEP_RULES, GateRule("load", from_weight=101))}, "gates.3.from_weight"),
        ({"steps": ()}, "steps"),
        ({"steps": steps(25, 5, 100)}, "steps"),
        ({"steps": steps(5, 5, 100)}, "steps"),
        ({"steps": steps(5, 50)}, "steps"),
        ({"steps": steps(0, 100)}, "steps.0.weight"),
        ({"steps": (Step(5, 1, 1, 1.5), Step(100, 1, 1, 2.0))}, "steps"),
        ({"steps": (Step(5, 1, 1, math.nan), Step(100, 1, 1))}, "steps.0.rho_open"),
        ({"steps": (Step(5, -1, 1), Step(100, 1, 1))}, "steps.0.bake_seconds"),
        ({"noise_tth": 2000, "shadow_tth": 1000}, "noise_tth"),
        ({"shadow_tth": 20_000}, "shadow_tth"),
        ({"block_seconds": 60}, "block_seconds"),
        ({"max_uncomparable": math.nan}, "max_uncomparable"),
        ({"evidence_max_age_s": 0}, "evidence_max_age_s"),
        ({"approvals_required": 2}, "approvals_required"),
        ({"errors": dataclasses.replace(GUIDE.errors, delta=math.nan)}, "errors.delta"),
        ({"errors": dataclasses.replace(GUIDE.errors, rho_fail=0.5)}, "errors.rho_fail"),
        ({"errors": dataclasses.replace(GUIDE.errors, alpha_step=0.9)}, "errors.alpha_step"),
        (
            {"errors": dataclasses.replace(GUIDE.errors, min_fail_events=0)},
            "errors.min_fail_events",
        ),
        ({"latency": LatencyPolicy(percentiles=())}, "latency.percentiles"),
        (
            {"latency": LatencyPolicy((PercentileRule(0.9), PercentileRule(0.5)))},
            "latency.percentiles",
        ),
        (
            {"latency": dataclasses.replace(GUIDE.latency, alpha_pass=0.0)},
            "latency.alpha_pass",
        ),
        ({"regression": RegressionPolicy((SlowRule(1.5, 1.1),))}, "regression.slow.0.quantile"),
        (
            {"regression": RegressionPolicy((SlowRule(0.9, 1.1), SlowRule(0.5, 1.1)))},
            "regression.slow",
        ),
        ({"discrepancy": DEMO.discrepancy}, "label"),
    ],
)
def test_a_policy_that_could_open_a_gate_by_accident_is_refused_by_field(changed, field):
    with pytest.raises(PolicyError) as refused:
        dataclasses.replace(GUIDE, **changed)
    assert refused.value.field == field


def document(**changed):
    found = copy.deepcopy(GUIDE.to_dict())
    for path, value in changed.items():
        *parents, last = path.split("__")
        target = found
        for name in parents:
            target = target[int(name)] if name.isdigit() else target[name]
        target[last] = value
    return json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"discrepancy__limit": math.nan}, "discrepancy.limit"),
        ({"discrepancy__limit": -0.001}, "discrepancy.limit"),
        ({"discrepancy__limit": 1}, "discrepancy.limit"),
        ({"discrepancy__limit": "0.001"}, "discrepancy.limit"),
        ({"discrepancy__alpha_pass": 0.6}, "discrepancy.alpha_pass"),
        ({"discrepancy__alpha_fail": 0}, "discrepancy.alpha_fail"),
        ({"discrepancy__use_blocks": 1}, "discrepancy.use_blocks"),
        ({"discrepancy__luck": 1}, "discrepancy.luck"),
        ({"discrepancy": None}, "discrepancy"),
        ({"gates": {}}, "gates"),
        ({"gates": "all"}, "gates"),
        ({"gates": []}, "gates"),
        ({"gates__0__gate": 7}, "gates.0.gate"),
        ({"gates__0__gate": "g" * 201}, "gates.0.gate"),
        ({"steps__1__weight": 25.0}, "steps.1.weight"),
        ({"steps__1__weight": True}, "steps.1.weight"),
        ({"on_fail": "pray"}, "on_fail"),
        ({"on_fail": []}, "on_fail"),
        ({"version": None}, "version"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_policy_document_is_read_strictly(changed, field):
    with pytest.raises(PolicyError) as refused:
        Policy.from_dict(document(**changed))
    assert refused.value.field == field


def test_a_document_that_lacks_a_field_or_is_none_is_refused():
    lacking = document()
    del lacking["errors"]
    with pytest.raises(PolicyError) as refused:
        Policy.from_dict(lacking)
    assert refused.value.field == "errors"
    with pytest.raises(PolicyError) as refused:
        Policy.from_dict([])
    assert refused.value.field == "policy"


def test_a_field_with_a_default_may_be_left_out():
    lacking = document()
    del lacking["stale_after_s"]
    assert Policy.from_dict(lacking) == GUIDE


@pytest.mark.parametrize(
    ("changed", "loose"),
    [
        ({"steps__0__bake_seconds": 7200}, ()),
        ({"steps__0__bake_seconds": 60}, ("steps.0.bake_seconds",)),
        ({"discrepancy__limit": 0.0005}, ()),
        ({"discrepancy__limit": 0.002}, ("discrepancy.limit",)),
        ({"discrepancy__alpha_fail": 0.02}, ()),
        ({"discrepancy__alpha_fail": 0.001}, ("discrepancy.alpha_fail",)),
        ({"approvals_required": 0}, ("approvals_required",)),
        ({"shadow_tth": 5000}, ("shadow_tth",)),
        ({"on_fail": "hold"}, ("on_fail",)),
        ({"on_fail_to": "step_before"}, ("on_fail_to",)),
        ({"name": "ours", "label": "our policy", "version": 9}, ()),
        ({"gates__0__from_weight": 50}, ("gates.schema.from_weight",)),
        ({"latency__percentiles__4__from_weight": 1}, ()),
    ],
)
def test_a_change_is_loose_unless_it_is_known_to_be_stricter(changed, loose):
    assert loosened(changes(GUIDE.to_dict(), document(**changed))) == loose


def test_dropping_a_gate_or_a_step_is_loose_and_adding_a_gate_is_not():
    fewer = dataclasses.replace(GUIDE, gates=GUIDE.gates[1:])
    assert loosened(changes(GUIDE.to_dict(), fewer.to_dict())) == ("gates.schema.from_weight",)
    assert loosened(changes(fewer.to_dict(), GUIDE.to_dict())) == ()
    short = dataclasses.replace(GUIDE, steps=GUIDE.steps[1:])
    assert loosened(changes(GUIDE.to_dict(), short.to_dict()))


def test_hold_to_roll_back_and_less_to_zero_are_stricter():
    mild = dataclasses.replace(GUIDE, on_fail="hold", on_fail_to="step_before")
    assert loosened(changes(mild.to_dict(), GUIDE.to_dict())) == ()


def test_without_the_block_test_a_policy_carries_the_demo_label():
    made = dataclasses.replace(GUIDE, discrepancy=DEMO.discrepancy, label=DEMO_LABEL)
    assert Policy.from_dict(made.to_dict()) == made
