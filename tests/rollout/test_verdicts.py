"""FAIL is latched and acted upon; a reset begins anew with less alpha; a new build is new."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from judge.verdict import Verdict
from rollout import gates, oversight, services
from rollout.exceptions import ConflictError, GatesClosedError, InvalidError
from rollout.models import Decision, GateEvaluation, GateLatch, ServiceMigration
from rollout.policy import Policy
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import (
    LENA,
    OLGA,
    assert_ledger_holds,
    at_weight,
    evidence,
    newest,
    open_gates,
    promoted,
    set_builds,
    started,
)

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


def fail(made, gate="errors", **changes):
    values = {"migration": made, "gate": gate, "evidence": evidence(gate), "now": NOW}
    return services.on_gate_fail(**{**values, **changes})


def with_policy(made, **changes):
    document = Policy.from_dict({**made.policy, **changes}).to_dict()
    ServiceMigration.objects.filter(pk=made.pk).update(policy=document)
    return fresh(made)


def reset(made, gate="errors", **changes):
    values = {
        "slug": made.slug,
        "gate": gate,
        "version": fresh(made).version,
        "reason": "a bad host, replaced",
        "actor": LENA,
        "now": NOW,
    }
    return services.reset_verdict(**{**values, **changes})


def test_a_live_fail_rolls_back_to_zero_by_banyan_itself():
    made = at_weight(25)
    decision = fail(made)
    after = fresh(made)
    assert (after.phase, after.weight, after.held) == ("dual_run", 0, True)
    assert (decision.actor_kind, decision.action) == ("automation", "roll_back")
    assert decision.entry.data["verdicts"][0]["verdict"] == "FAIL"
    assert "errors says FAIL" in decision.reason
    assert_ledger_holds()


@pytest.mark.parametrize(
    ("weight", "full", "expected"), [(5, False, 0), (50, False, 25), (100, True, 50)]
)
def test_a_policy_may_go_one_step_back_instead(weight, full, expected):
    made = with_policy(at_weight(weight, full=full), on_fail_to="step_before")
    fail(made)
    assert fresh(made).weight == expected
    assert fresh(made).held


def test_a_policy_may_hold_instead():
    made = with_policy(at_weight(25), on_fail="hold")
    assert fail(made).action == "hold"
    assert (fresh(made).weight, fresh(made).held) == (25, True)
    assert fail(fresh(made)) is None


def test_saying_it_again_changes_nothing():
    made = at_weight(25)
    fail(made)
    assert fail(made) is None
    assert fail(fresh(made)) is None
    assert GateLatch.objects.filter(place="canary:25").count() == 1
    assert Decision.objects.filter(actor_kind="automation").count() == 1


def test_a_late_word_about_another_place_or_build_is_ignored():
    made = at_weight(25)
    services.roll_back(slug=made.slug, actor=OLGA, now=NOW, reason="x", to_weight=5)
    assert fail(made) is None
    late = {"migration": made, "gate": "errors", "evidence": evidence("errors"), "now": NOW}
    assert services.latch_fail(**late) is None
    again = fresh(made)
    set_builds(made, candidate="candidate-2")
    assert fail(again) is None
    assert not GateLatch.objects.exists()


def test_in_dual_run_a_fail_is_latched_and_moves_nothing():
    made = started()
    assert fail(made, "discrepancy") is None
    assert (fresh(made).version, fresh(made).held) == (made.version, False)
    assert newest()["action"] == "migration:latch"
    assert_ledger_holds()


def test_a_latched_fail_closes_promote_whatever_the_counts_say_now():
    made = started()
    latch = services.latch_fail(
        migration=made, gate="discrepancy", evidence=evidence("discrepancy"), now=NOW
    )
    assert services.latch_fail(
        migration=made, gate="discrepancy", evidence=evidence("discrepancy"), now=NOW
    ) == (latch)
    with pytest.raises(GatesClosedError) as refused:
        promoted(made)
    assert (refused.value.code, refused.value.extra["gate"]) == ("latched", "discrepancy")


def test_a_step_that_failed_is_not_entered_again_on_the_same_builds():
    made = at_weight(25)
    fail(made, "split")
    services.resume(slug=made.slug, reason="again", actor=OLGA, now=NOW)
    made = promoted(fresh(made))
    with pytest.raises(GatesClosedError) as refused:
        promoted(made)
    assert refused.value.code == "latched"
    set_builds(made, candidate="candidate-2")
    services.notice_build(fresh(made), now=NOW)
    services.resume(slug=made.slug, reason="new build", actor=OLGA, now=NOW)
    assert promoted(fresh(made)).weight == 25


def test_a_reset_begins_another_attempt_with_half_the_alpha():
    made = started()
    fail(made, "discrepancy")
    later = NOW + timedelta(minutes=5)
    decision = reset(made, "discrepancy", now=later)
    state = oversight.latch_states(fresh(made))["discrepancy"]
    assert (state.failed, state.attempt, state.alpha_share, state.since) == (None, 2, 0.5, later)
    assert state.evidence is None
    assert decision.entry.data["alpha_share"] == 0.5
    fail(fresh(made), "discrepancy", now=later)
    state = oversight.latch_states(fresh(made))["discrepancy"]
    assert (state.attempt, state.failed.attempt) == (2, 2)
    assert state.evidence.verdict is Verdict.FAIL
    reset(made, "discrepancy", now=later + timedelta(minutes=1))
    state = oversight.latch_states(fresh(made))["discrepancy"]
    assert (state.attempt, state.alpha_share) == (3, 0.25)
    assert state.since == later + timedelta(minutes=1)
    assert promoted(fresh(made)).weight == 5
    assert_ledger_holds()


def test_a_fail_above_is_reset_from_below_and_counts_when_it_fails_there_again():
    made = at_weight(25)
    fail(made)
    reset(fresh(made))
    services.resume(slug=made.slug, reason="once more", actor=OLGA, now=NOW)
    made = promoted(promoted(fresh(made)))
    assert made.weight == 25
    assert oversight.latch_states(made)["errors"].alpha_share == 0.5
    fail(made)
    assert GateLatch.objects.get(reset_at=None).attempt == 2
    assert_ledger_holds()


def test_a_new_build_has_its_full_alpha():
    made = started()
    fail(made, "discrepancy")
    reset(made, "discrepancy")
    set_builds(made, candidate="candidate-2")
    assert oversight.latch_states(fresh(made)) == {}


def test_a_reset_needs_a_latch_a_gate_and_a_reason():
    made = started()
    with pytest.raises(ConflictError) as refused:
        reset(made)
    assert refused.value.code == "not_latched"
    with pytest.raises(InvalidError) as wrong:
        reset(made, "luck")
    assert wrong.value.field == "gate"
    with pytest.raises(InvalidError) as wrong:
        reset(made, reason="")
    assert wrong.value.field == "reason"


def test_an_error_is_borne_for_a_while_then_treated_like_a_fail():
    made = at_weight(25)
    bad = evidence("split", Verdict.ERROR)

    def error(seconds):
        return services.on_gate_error(
            migration=made,
            gate="split",
            evidence=bad,
            since=NOW,
            now=NOW + timedelta(seconds=seconds),
        )

    assert error(120) is None
    assert error(121).action == "roll_back"
    assert error(122) is None
    assert not GateLatch.objects.exists()
    assert_ledger_holds()


def test_the_database_keeps_one_latch_at_a_time():
    made = started()
    fail(made, "discrepancy")
    row = GateLatch.objects.get()
    row.pk, row.attempt = None, 2
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        GateLatch.objects.update(reset_at=NOW)


def test_who_slept_over_a_decision_notes_nothing_about_the_time_before_it():
    asleep = at_weight(25)
    results = gates.evaluate(asleep, now=NOW)
    assert len(services.note_evaluations(migration=asleep, results=results, now=NOW)) == len(
        results
    )
    services.hold(slug=asleep.slug, reason="a look", actor=OLGA, now=NOW)
    newest_row = GateEvaluation.objects.latest("id").pk
    assert services.note_evaluations(migration=asleep, results=results, now=NOW) == []
    assert GateEvaluation.objects.latest("id").pk == newest_row


def test_evidence_of_an_older_build_is_not_noted_as_the_newest():
    asleep = at_weight(25)
    results = gates.evaluate(asleep, now=NOW)
    set_builds(asleep, candidate="candidate-2")
    assert services.note_evaluations(migration=asleep, results=results, now=NOW) == []
