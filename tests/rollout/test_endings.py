"""The two ends: legacy is declared gone only when everything says so; a candidate is given up."""

import json
from datetime import timedelta

import pytest

from judge.verdict import Verdict
from rollout import oversight, services
from rollout.exceptions import ConflictError, ForbiddenError, GatesClosedError, InvalidError
from rollout.lifecycle import Action
from shadow.models import ServicePair
from tests.rollout.builders import NOW, fresh, split_of
from tests.rollout.life import (
    ANNA,
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    in_effect,
    open_gates,
    started,
    traffic_of,
)
from traffic.models import Proxy, Snapshot, TrafficBlock

__all__ = ["open_gates"]
pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(seconds=60)


@pytest.fixture
def full(open_gates):
    """In full, in effect for a minute, legacy idle, approved."""
    made = in_effect(at_weight(100, full=True), at=NOW)
    traffic_of(made, at=LATER, candidate=500, legacy_shadow=50)
    Proxy.objects.update(last_seen_at=LATER)
    approved(made, Action.DECOMMISSION, now=LATER, by=OLGA)
    return fresh(made)


def decommission(made, **changes):
    values = {
        "slug": made.slug,
        "version": made.version,
        "reason": "nobody is left",
        "confirm": f"{made.slug} decommission",
        "actor": OLGA,
        "now": LATER,
    }
    return services.decommission(**{**values, **changes})


def test_legacy_is_declared_gone_and_nothing_is_copied_to_it_any_more(full):
    decision = decommission(full)
    after = fresh(full)
    assert (after.phase, after.weight, after.held) == ("decommissioned", 100, False)
    body = decision.entry.data
    assert body["drain"] == {"window_s": 30, "legacy_requests": 0, "candidate_requests": 500}
    assert (body["confirmed"], body["in_effect_s"]) == (full.slug, 60)
    split = split_of(full)
    assert (split.mode, split.weight_tth, split.likely) == ("decommissioned", 10_000, [])
    assert (split.shadow_tth, split.canary_shadow_tth, split.noise_tth) == (0, 0, 0)
    document = Snapshot.objects.order_by("-generation")[0].document
    assert document["exposure"] == {full.slug: 10_000}
    assert [cluster["name"] for cluster in document["clusters"]] == [f"{full.slug}/candidate"]
    assert f":{split.legacy_port}" not in json.dumps(document)
    assert not ServicePair.objects.get().probing
    assert_ledger_holds()


def test_there_is_no_way_back(full):
    decommission(full)
    with pytest.raises(ConflictError) as refused:
        services.roll_back(slug=full.slug, actor=OLGA, now=LATER, reason="oh no")
    assert refused.value.code == "not_allowed_here"


@pytest.mark.parametrize("typed", ["", "embeddings", "embeddings  decommission", "yes"])
def test_it_is_typed_out(full, typed):
    with pytest.raises(InvalidError) as refused:
        decommission(full, confirm=typed)
    assert (refused.value.field, refused.value.code) == ("confirm", "confirmation")


def test_it_needs_a_second_person_even_under_the_demo_policy(full):
    services.withdraw_approval(
        approval_id=oversight.approvals_of(full)[0].pk, actor=OLGA, now=LATER
    )
    with pytest.raises(ConflictError) as refused:
        decommission(full)
    assert refused.value.code == "approval_needed"
    approved(full, Action.DECOMMISSION, now=LATER, by=LENA)
    with pytest.raises(ForbiddenError):
        decommission(full, actor=ANNA)


def test_full_has_been_in_effect_long_enough(full):
    with pytest.raises(ConflictError) as refused:
        decommission(full, now=NOW + timedelta(seconds=19))
    assert refused.value.code == "too_early"
    type(full).objects.update(in_effect_at=None)
    with pytest.raises(ConflictError) as refused:
        decommission(full)
    assert refused.value.code == "not_in_effect"


def test_how_long_is_left_is_said_in_words(open_gates):
    made = in_effect(at_weight(100, full=True, policy="guide"), at=NOW)
    approved(made, Action.DECOMMISSION)
    with pytest.raises(ConflictError) as refused:
        decommission(made)
    assert "6 days more" in refused.value.detail


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: traffic_of(m, at=LATER, legacy=1), "Legacy answered 1 requests"),
        (lambda m: TrafficBlock.objects.all().delete(), "nothing shows"),
        (lambda m: Proxy.objects.update(last_seen_at=NOW), "nothing shows"),
    ],
)
def test_legacy_must_be_seen_to_be_drained(full, change, text):
    change(full)
    with pytest.raises(ConflictError) as refused:
        decommission(full)
    assert refused.value.code == "not_drained"
    assert text in refused.value.detail
    assert fresh(full).phase == "full"


def test_every_gate_passes_or_its_item_is_waived(full, open_gates):
    open_gates.say("discrepancy", Verdict.INCONCLUSIVE)
    with pytest.raises(GatesClosedError):
        decommission(full)
    services.waive(
        slug=full.slug,
        item="discrepancy",
        version=full.version,
        reason="traffic is too thin",
        lifetime_s=3600,
        actor=LENA,
        now=LATER,
    )
    approved(full, Action.DECOMMISSION, now=LATER, by=OLGA)
    assert decommission(fresh(full)).action == "decommission"
    assert_ledger_holds()


def test_an_open_review_stops_it_until_somebody_closes_it(open_gates):
    made = at_weight(5)
    services.roll_back(slug=made.slug, actor=OLGA, now=NOW)
    services.resume(slug=made.slug, reason="quiet", actor=OLGA, now=NOW)
    made = fresh(made)
    while made.phase != "full":
        services.promote(slug=made.slug, version=made.version, reason="again", actor=OLGA, now=NOW)
        made = fresh(made)
    made = in_effect(made)
    traffic_of(made, at=LATER, candidate=500)
    Proxy.objects.update(last_seen_at=LATER)
    approved(made, Action.DECOMMISSION, now=LATER)
    with pytest.raises(ConflictError) as refused:
        decommission(made)
    assert refused.value.code == "open_review"
    (waiting,) = refused.value.extra["reviews"]
    services.close_review(review_id=waiting, text="pager", actor=ANNA, now=LATER)
    assert decommission(made).action == "decommission"
    assert_ledger_holds()


def test_a_held_migration_is_not_ended(full):
    services.hold(slug=full.slug, reason="wait", actor=OLGA, now=LATER)
    with pytest.raises(ConflictError) as refused:
        decommission(fresh(full))
    assert refused.value.code == "held"


def test_abandoning_gives_the_candidate_up_and_stops_the_copies(open_gates):
    made = started()
    services.hold(slug=made.slug, reason="think", actor=OLGA, now=NOW)
    services.abandon(
        slug=made.slug, version=fresh(made).version, reason="too slow", actor=OLGA, now=NOW
    )
    after = fresh(made)
    assert (after.phase, after.weight, after.held) == ("abandoned", 0, False)
    split = split_of(made)
    assert (split.mode, split.weight_tth, split.shadow_tth) == ("safe", 0, 0)
    assert_ledger_holds()


def test_nothing_is_abandoned_while_users_are_on_the_candidate(open_gates):
    made = at_weight(5)
    with pytest.raises(ConflictError) as refused:
        services.abandon(
            slug=made.slug, version=made.version, reason="too slow", actor=OLGA, now=NOW
        )
    assert refused.value.code == "not_allowed_here"
