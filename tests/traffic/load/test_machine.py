"""The load test as a machine: ramp, hold, stop rules, verdicts."""

from dataclasses import replace

import pytest

from judge.verdict import Verdict
from tests.traffic.load.world import FAST_US, RULES, World, counts
from traffic.load.machine import DRAIN_S, Tick, step
from traffic.load.plan import PATIENCE_S, LoadPlan, LoadRules
from traffic.load.progress import Progress


def test_a_candidate_that_bears_twice_the_peak_passes() -> None:
    world = World()
    outcome = world.run()
    assert outcome.verdict is Verdict.PASS, outcome.sentence
    assert [stage.factor for stage in world.progress.stages] == list(RULES.factors)
    held = world.progress.stages[-1]
    assert held.measured_rps == pytest.approx(200, rel=0.03)
    assert held.seconds >= RULES.hold_s
    assert "no worse than legacy" in outcome.sentence


def test_nothing_is_copied_before_it_is_known_what_users_get() -> None:
    world = World()
    while world.in_baseline:
        world.tick()
    assert all(copies == 0 for _, copies in world.copies[:-1])
    assert world.progress.baseline is not None


def test_copies_fill_up_what_shadow_and_users_leave_to_the_target() -> None:
    world = World(shadow=0.1)
    while world.progress.stage < 4:
        world.tick()
    assert world.progress.copies_tth == pytest.approx(19_000, abs=10)


def test_a_shadow_of_everything_is_the_first_stage_by_itself() -> None:
    world = World(shadow=1.0)
    while world.in_baseline:
        world.tick()
    assert world.progress.copies_tth == 0


def test_production_below_its_peak_is_copied_more_often() -> None:
    world = World(rps=lambda _now: 50.0)
    assert world.verdict() is Verdict.PASS
    assert world.progress.stages[-1].copies_tth == 30_000


def test_copies_follow_production_while_it_changes() -> None:
    world = World(rps=lambda now: 100.0 if now < 1095 else 80.0)
    assert world.verdict() is Verdict.INCONCLUSIVE
    longer = replace(RULES, hold_s=300)
    world = World(
        plan=LoadPlan(peak_rps=100.0, rules=longer), rps=lambda now: 100.0 if now < 1095 else 80.0
    )
    assert world.verdict() is Verdict.PASS
    assert len({copies for _, copies in world.copies}) > len(RULES.factors) + 1


def test_a_candidate_that_collapses_fails_at_once_and_the_cause_is_named() -> None:
    world = World(answer=lambda rps: (0.0, 0.0) if rps < 140 else (0.4, 0.9))
    outcome = world.run()
    assert outcome.verdict is Verdict.FAIL
    assert outcome.sentence.startswith("Collapsed at 1.5 × the peak")
    assert "40.00%" in outcome.sentence
    assert world.progress.stages[-1].factor == 1.5
    assert world.progress.stages[-1].measured_rps == pytest.approx(150, rel=0.05)


def test_a_candidate_that_only_becomes_slow_fails_by_p99() -> None:
    world = World(answer=lambda rps: (0.0, 0.0) if rps < 190 else (0.0, 0.2))
    outcome = world.run()
    assert outcome.verdict is Verdict.FAIL
    assert outcome.rule == "copies_p99"
    assert "at 2 × the peak" in outcome.sentence


def test_after_a_stop_nothing_is_copied_while_late_answers_are_awaited() -> None:
    world = World(answer=lambda rps: (0.0, 0.0) if rps < 140 else (0.4, 0.9))
    while not world.progress.stopping:
        world.tick()
    assert world.until == 0
    stopped_at = world.now
    world.run()
    assert world.now - stopped_at == pytest.approx(DRAIN_S, abs=2)


def test_shed_copies_alone_are_inconclusive_because_the_rate_was_not_reached() -> None:
    world = World(shed_above=60)
    outcome = world.run()
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.rule == "saturation"


def test_shed_copies_of_a_candidate_that_is_shown_to_be_worse_are_a_fail() -> None:
    world = World(shed_above=45, answer=lambda rps: (0.0, 0.0) if rps < 140 else (0.5, 1.0))
    assert world.verdict() is Verdict.FAIL


@pytest.mark.parametrize(
    ("users", "rule"),
    [
        (lambda load: counts(200, us=FAST_US, errors=20 if load else 0, slow=2), "users_errors"),
        (lambda load: counts(200, us=FAST_US * (8 if load else 1), slow=2), "users_p99"),
    ],
)
def test_users_who_feel_it_end_the_test(users, rule: str) -> None:
    world = World(users=users, shadow=0.0)
    outcome = world.run()
    assert (outcome.verdict, outcome.rule) == (Verdict.INCONCLUSIVE, rule)
    assert world.progress.stages[-1].factor == RULES.factors[0]
    assert "users" in outcome.sentence


def test_too_little_production_is_not_multiplied_without_end() -> None:
    assert World(rps=lambda _now: 2.0).run().rule == "too_quiet"
    slow_death = World(rps=lambda now: 100.0 if now < 1060 else 4.0)
    assert slow_death.run().rule in ("too_many_copies", "rate_missed", "unreported")
    quiet = World(rps=lambda _now: 15.0, shadow=0.0)
    assert quiet.run().rule == "too_many_copies"
    assert all(copies == 0 for _, copies in quiet.copies)


def test_proxies_that_do_not_take_up_the_copies_end_it() -> None:
    world = World(effect=False)
    assert world.run().rule == "not_in_effect"
    assert world.now - 1000 < RULES.baseline_s + PATIENCE_S + 10


def test_a_test_that_nobody_reports_about_ends_without_a_verdict() -> None:
    world = World()
    while world.progress.stage < 4:
        world.tick()
    late = Tick(now=world.now + 1000, blocks=world.blocks, in_effect=True)
    begun = step(world.plan, world.progress, late)
    ended = (
        begun.outcome
        or step(world.plan, begun.progress, replace(late, now=late.now + 1000)).outcome
    )
    assert ended is not None
    assert ended.verdict is Verdict.INCONCLUSIVE


def test_the_same_tick_gives_the_same_and_progress_survives_its_row() -> None:
    world = World()
    for _ in range(30):
        world.tick()
        kept = Progress.from_dict(world.progress.to_dict())
        assert kept == world.progress
        again = Tick(now=world.now, blocks=world.blocks, in_effect=True)
        assert step(world.plan, kept, again) == step(world.plan, kept, again)


def test_the_load_never_outlasts_its_lease() -> None:
    world = World()
    while world.progress.stage < 1 or world.progress.began_at is None:
        world.tick()
    assert world.until - world.now <= RULES.stage_s + RULES.settle_s + 20


@pytest.mark.parametrize(
    "values",
    [
        {"factors": ()},
        {"factors": (1.0, 1.5)},
        {"factors": (2.0, 1.0, 2.0)},
        {"factors": (0.0, 2.0)},
        {"max_copies": 51.0},
    ],
)
def test_rules_that_would_show_nothing_are_refused(values) -> None:
    with pytest.raises(ValueError, match=r"factors|max_copies"):
        LoadRules(**values)


def test_a_plan_survives_its_row_and_a_peak_of_nothing_is_none() -> None:
    plan = LoadPlan(peak_rps=12.5, declared=True, rules=RULES)
    assert LoadPlan.from_dict(plan.to_dict()) == plan
    with pytest.raises(ValueError, match="peak_rps"):
        LoadPlan(peak_rps=float("nan"))
