"""Policies: presets are usable, broken ones name the field."""

import dataclasses
import json

import pytest

from rollout.policy import DEMO, GUIDE, Policy, PolicyError, Step


@pytest.mark.parametrize("preset", [GUIDE, DEMO], ids=lambda p: p.name)
def test_a_preset_survives_json(preset):
    assert Policy.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_the_demo_policy_says_that_it_is_one():
    assert DEMO.label.startswith("demo policy")


def steps(*weights):
    return tuple(Step(w, bake_seconds=1, min_requests=1) for w in weights)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gates": ()}, "gates"),
        ({"steps": ()}, "steps"),
        ({"steps": steps(25, 5, 100)}, "steps"),
        ({"steps": steps(5, 50)}, "steps"),
        ({"steps": steps(0, 100)}, "steps"),
        ({"noise_tth": 2000, "shadow_tth": 1000}, "noise_tth"),
        ({"block_seconds": 60}, "block_seconds"),
    ],
)
def test_a_policy_that_could_open_a_gate_by_accident_is_refused_by_field(changes, field):
    with pytest.raises(PolicyError) as refused:
        dataclasses.replace(GUIDE, **changes)
    assert refused.value.field == field
