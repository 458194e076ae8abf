"""A policy is changed by a decision: tighter by anybody who operates, looser by a lead."""

import copy
import math

import pytest

from rollout import services
from rollout.exceptions import ForbiddenError, InvalidError, StaleVersionError
from rollout.lifecycle import Action
from rollout.policy import DEMO, GUIDE, Policy
from tests.rollout.builders import NOW, fresh, make_migration, split_of
from tests.rollout.life import (
    LENA,
    OLGA,
    assert_ledger_holds,
    at_weight,
    newest,
    open_gates,
    promoted,
    started,
)
from traffic.models import Snapshot

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


def change(made, document, **changes):
    values = {
        "slug": made.slug,
        "version": fresh(made).version,
        "document": document,
        "reason": "we learned",
        "actor": LENA,
        "now": NOW,
    }
    return services.change_policy(**{**values, **changes})


def policy_of(made, **changes):
    return {**copy.deepcopy(fresh(made).policy), "name": "ours", **changes}


def steps(*weights):
    return [
        {"weight": w, "bake_seconds": 20, "min_requests": 200, "rho_open": 1.5} for w in weights
    ]


def test_a_stricter_policy_is_anybodys_and_counts_its_versions():
    made = at_weight(5)
    decision = change(made, policy_of(made, evidence_max_age_s=30, version=77), actor=OLGA)
    after = fresh(made)
    assert (after.policy["version"], after.policy["evidence_max_age_s"]) == (2, 30)
    assert (after.weight, after.held) == (5, False)
    body = decision.entry.data
    assert body["changed"] == {"evidence_max_age_s": ["60", "30"]}
    assert body["loosened"] == []
    assert body["policy"]["steps"] == [5, 25, 50, 100]
    assert promoted(after).weight == 25
    assert_ledger_holds()


def test_a_looser_one_needs_a_lead():
    made = at_weight(5)
    looser = policy_of(made, decommission_hold_s=1)
    with pytest.raises(ForbiddenError) as refused:
        change(made, looser, actor=OLGA)
    assert refused.value.extra["loosened"] == ["decommission_hold_s"]
    assert change(made, looser).entry.data["loosened"] == ["decommission_hold_s"]


def test_later_steps_may_change_and_the_next_promotion_follows_them():
    made = at_weight(5)
    change(made, policy_of(made, steps=steps(5, 10, 100)))
    assert [s.weight for s in made.steps.all()] == [5, 10, 100]
    assert promoted(fresh(made)).weight == 10
    assert split_of(made).weight_tth == 1000
    assert_ledger_holds()


@pytest.mark.parametrize(("weight", "full"), [(25, False), (100, True)])
def test_steps_already_taken_keep_their_weights(weight, full):
    made = at_weight(weight, full=full)
    with pytest.raises(InvalidError) as refused:
        change(made, policy_of(made, steps=steps(5, 30, 100)))
    assert refused.value.field == "steps"


def test_in_full_no_step_is_added():
    made = at_weight(100, full=True)
    with pytest.raises(InvalidError) as refused:
        change(made, policy_of(made, steps=steps(5, 100)))
    assert refused.value.field == "steps"


def test_shares_of_copies_reach_the_proxies():
    made = started()
    before = Snapshot.objects.count()
    change(made, policy_of(made, shadow_tth=500, noise_tth=50))
    split = split_of(made)
    assert (split.shadow_tth, split.noise_tth, split.canary_shadow_tth) == (500, 50, 500)
    assert Snapshot.objects.count() == before + 1
    assert split.epoch == split_of(made).epoch


def test_the_length_of_blocks_changes_only_in_draft():
    draft = make_migration()
    change(draft, policy_of(draft, block_seconds=5))
    assert split_of(draft).block_seconds == 5
    services.decide(slug=draft.slug, action=Action.START, version=1, reason="", actor=OLGA, now=NOW)
    with pytest.raises(InvalidError) as refused:
        change(draft, policy_of(draft, block_seconds=4))
    assert refused.value.field == "block_seconds"


def test_a_production_policy_takes_the_demos_test_only_with_its_label_and_a_lead():
    made = make_migration(policy="guide")
    document = GUIDE.to_dict() | {"discrepancy": DEMO.to_dict()["discrepancy"]}
    with pytest.raises(InvalidError) as refused:
        change(made, document)
    assert refused.value.field == "label"
    document["label"] = DEMO.label
    with pytest.raises(ForbiddenError):
        change(made, document, actor=OLGA)
    change(made, document)
    assert newest()["policy"]["label"] == DEMO.label


BAD = [
    ({"gates": []}, "gates"),
    ({"steps": steps(25, 5, 100)}, "steps"),
    ({"steps": steps(5, 50)}, "steps"),
    ({"max_uncomparable": math.nan}, "max_uncomparable"),
    ({"luck": 1}, "luck"),
    ({"name": ""}, "name"),
    ({"name": "x" * 41}, "name"),
    ({"label": 7}, "label"),
    ({"on_fail": "pray"}, "on_fail"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_policy_that_cannot_be_is_refused_by_field_and_changes_nothing(changes, field):
    made = started()
    with pytest.raises(InvalidError) as refused:
        change(made, policy_of(made, **changes))
    assert refused.value.field == field
    assert fresh(made).version == made.version


def test_nothing_new_a_stale_version_and_no_reason_are_refused():
    made = started()
    with pytest.raises(InvalidError) as refused:
        change(made, policy_of(made))
    assert refused.value.field == "policy"
    with pytest.raises(StaleVersionError):
        change(made, policy_of(made, evidence_max_age_s=30), version=0)
    with pytest.raises(InvalidError):
        change(made, policy_of(made, evidence_max_age_s=30), reason="")


def test_a_held_migration_stays_held_by_whoever_held_it():
    made = at_weight(5)
    services.hold(slug=made.slug, reason="pager", actor=OLGA, now=NOW)
    change(made, policy_of(made, evidence_max_age_s=30))
    after = fresh(made)
    assert (after.held, after.held_by, after.held_reason) == (True, "olga", "pager")


def test_the_stored_policy_reads_back():
    made = started()
    change(made, policy_of(made, evidence_max_age_s=30))
    assert Policy.from_dict(fresh(made).policy).version == 2
