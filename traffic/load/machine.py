"""The load test as a state machine: blocks in, copies for the next moment or a verdict out. Pure.

baseline → 1.0 → 1.25 → 1.5 → 1.75 → 2.0 times the peak, the last one held → verdict. Whoever ticks
gives what was reported and the time, and does what comes out; a tick that is repeated, late or made
by somebody else gives the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from judge.histogram import quantile
from traffic.envoy.plan import FULL_TTH
from traffic.load import ends
from traffic.load.counts import Block, Counts, Window, window
from traffic.load.judging import Baseline, Judged, RuleState, copy_rules, judge_copies, user_rules
from traffic.load.outcome import Outcome
from traffic.load.plan import PATIENCE_S, LoadPlan
from traffic.load.progress import BASELINE, Progress, StageResult

# Copies end this much later than their stage should, if nobody is left to end them.
LEASE_S = 20
# Envoy gives up on a copy after its route's timeout; its record comes a little later.
DRAIN_S = 20
# Below this nothing can be said about how much to copy.
MIN_ELIGIBLE_RPS = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """What a tick leads to: where the run stands, until when it may load, and how it ended.

    Nothing is copied or sent when `until` has passed; 0 is at once.
    """

    progress: Progress
    until: float
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What somebody who ticks knows. `in_effect`: everybody who loads does what was asked.

    With a generator, `reference` is what legacy did over a longer time before the test: production
    is quiet, and what legacy answers meanwhile says too little. None is a test by copies.
    """

    now: float
    blocks: Sequence[Block]
    in_effect: bool
    reference: Counts | None = None

    @property
    def generated(self) -> bool:
        """Whether the load comes from a generator, and not from copies."""
        return self.reference is not None


def step(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    """Go on from where the run stands."""
    if progress.stopping:
        return _drained(plan, progress, tick)
    if progress.stage == BASELINE:
        return _baseline(plan, progress, tick)
    if progress.began_at is None:
        return _waiting(plan, progress, tick)
    return _measuring(plan, progress, tick)


def _baseline(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    """Note what users get while nothing is copied; then ask for the first stage."""
    seen = window(tick.blocks, since=progress.asked_at, until=tick.now)
    if seen.seconds < plan.rules.baseline_s:
        if tick.now > progress.asked_at + plan.rules.baseline_s + PATIENCE_S:
            return _end(progress, ends.unreported(seen.seconds, plan.rules.baseline_s))
        return Step(progress, 0.0)
    legacy = tick.reference or seen.sum(lambda b: b.legacy)
    found = Baseline.of(tick.reference or seen.sum(lambda b: b.users), legacy)
    if found is None:
        return _end(progress, ends.too_quiet(legacy.requests))
    return _ask(plan, replace(progress, baseline=found), tick, seen)


def _ask(plan: LoadPlan, progress: Progress, tick: Tick, seen: Window) -> Step:
    """Ask for the next stage, or end the test when production is too quiet to be copied."""
    stage = progress.stage + 1
    wanted = _needed(plan, stage, seen, generated=tick.generated)
    if isinstance(wanted, Outcome):
        return _end(progress, wanted)
    copies_tth, send_rps = wanted
    asked = replace(
        progress,
        stage=stage,
        asked_at=tick.now,
        began_at=None,
        adjusted_at=tick.now,
        copies_tth=copies_tth,
        send_rps=send_rps,
    )
    return Step(asked, _lease(plan, asked))


def _needed(
    plan: LoadPlan, stage: int, seen: Window, *, generated: bool
) -> tuple[int, float] | Outcome:
    """Return copies per request and requests to send that bring the candidate to its target."""
    missing = max(0.0, plan.target_rps(stage) - seen.rate(lambda b: b.other))
    if generated:
        return 0, missing
    eligible = seen.rate(lambda b: b.eligible)
    # What could not be held at the end is not begun.
    hardest = plan.last if stage == 0 else stage
    most = plan.target_rps(hardest) - plan.target_rps(stage) + missing
    if eligible < MIN_ELIGIBLE_RPS or most / eligible > plan.rules.max_copies:
        return ends.too_many_copies(plan, hardest, most, eligible)
    return round(missing / eligible * FULL_TTH), 0.0


def _lease(plan: LoadPlan, progress: Progress) -> float:
    """Until when the present load may last without anybody saying so again: fixed per stage."""
    waits = progress.asked_at + PATIENCE_S + plan.rules.settle_s
    begins = waits if progress.began_at is None else progress.began_at
    return begins + plan.seconds(progress.stage) + LEASE_S


def _waiting(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    if tick.in_effect:
        began = tick.now + plan.rules.settle_s
        begun = replace(progress, began_at=began)
        return Step(begun, _lease(plan, begun))
    if tick.now > progress.asked_at + PATIENCE_S:
        return _end(progress, ends.not_in_effect(generated=tick.generated))
    return Step(progress, _lease(plan, progress))


def _measuring(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    """Watch the stop rules; go on when the stage has lasted."""
    began = progress.began_at
    assert began is not None  # noqa: S101  # step asked
    since_asked = window(tick.blocks, since=progress.asked_at, until=tick.now)
    measured = window(tick.blocks, since=began, until=tick.now)
    judged = _judged(plan, progress, measured, tick.reference)
    rules = _rules(plan, progress, since_asked, measured, judged)
    progress = replace(progress, rules=tuple(rule.to_dict() for rule in rules))
    hit = next((rule.rule for rule in rules if rule.hit), "")
    if hit:
        stopping = replace(progress, stopping=hit, stopping_until=tick.now + DRAIN_S)
        return Step(stopping, 0.0)
    length = plan.seconds(progress.stage)
    if measured.seconds < length:
        if tick.now > began + length + PATIENCE_S:
            return _end(progress, ends.unreported(measured.seconds, length))
        return _adjusted(plan, progress, tick)
    progress = _kept(plan, progress, measured, rate=measured.candidate_rps)
    if progress.stage < plan.last:
        return _ask(plan, progress, tick, measured)
    return _end(progress, _verdict(plan, progress, measured, judged))


def _judged(plan: LoadPlan, progress: Progress, seen: Window, reference: Counts | None) -> Judged:
    assert progress.baseline is not None  # noqa: S101  # the first stage is asked after it
    return judge_copies(
        seen,
        progress.baseline,
        plan.rules,
        planned_s=plan.seconds(progress.stage),
        reference=reference,
    )


def _rules(
    plan: LoadPlan, progress: Progress, asked: Window, measured: Window, judged: Judged
) -> tuple[RuleState, ...]:
    """Return the stop rules, users' first. Saturation and users count from the first copy on."""
    assert progress.baseline is not None  # noqa: S101  # the first stage is asked after it
    load = replace(measured.sum(lambda b: b.load), shed=asked.sum(lambda b: b.load).shed)
    return (
        *user_rules(asked.sum(lambda b: b.users), progress.baseline, plan.rules),
        *copy_rules(load, measured.sum(lambda b: b.legacy), judged, progress.baseline, plan.rules),
    )


def _adjusted(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    """Follow production: copies multiply what comes now, and the target is a fixed rate."""
    every = plan.rules.stage_s
    seen = window(tick.blocks, since=tick.now - every - 2 * _block_s(tick), until=tick.now)
    same = Step(progress, _lease(plan, progress))
    if tick.now < progress.adjusted_at + every or seen.seconds < every / 2:
        return same
    wanted = _needed(plan, progress.stage, seen, generated=tick.generated)
    if isinstance(wanted, Outcome):
        return _end(progress, wanted)
    copies_tth, send_rps = wanted
    before = progress.send_rps if tick.generated else float(progress.copies_tth)
    after = send_rps if tick.generated else float(copies_tth)
    if abs(after - before) <= plan.rules.tolerance / 2 * before:
        return same
    changed = replace(progress, copies_tth=copies_tth, send_rps=send_rps, adjusted_at=tick.now)
    return Step(changed, _lease(plan, changed))


def _block_s(tick: Tick) -> int:
    return tick.blocks[-1].seconds if tick.blocks else 0


def _drained(plan: LoadPlan, progress: Progress, tick: Tick) -> Step:
    """Wait for the answers to copies that were under way when a rule hit, then say what it was."""
    if tick.now < progress.stopping_until:
        return Step(progress, 0.0)
    since = progress.began_at if progress.began_at is not None else progress.asked_at
    # Copies that were stopped before the stage settled count all the same: they tell the cause.
    seen = window(tick.blocks, since=progress.asked_at, until=tick.now)
    judged = _judged(plan, progress, seen, tick.reference)
    loaded = window(tick.blocks, since=since, until=progress.stopping_until - DRAIN_S)
    progress = _kept(plan, progress, seen, rate=(loaded if loaded.blocks else seen).candidate_rps)
    return _end(progress, ends.stopped(progress, judged))


def _kept(plan: LoadPlan, progress: Progress, seen: Window, *, rate: float) -> Progress:
    load, legacy = seen.sum(lambda b: b.load), seen.sum(lambda b: b.legacy)
    users = seen.sum(lambda b: b.users)
    result = StageResult(
        factor=plan.rules.factors[progress.stage],
        copies_tth=progress.copies_tth,
        target_rps=round(plan.target_rps(progress.stage), 3),
        measured_rps=round(rate, 3),
        requests=load.requests,
        errors=load.errors,
        shed=load.shed,
        p99_us=load.p99_us(),
        legacy_p99_us=legacy.p99_us(),
        users_p99_us=users.p99_us(),
        users_errors=users.errors,
        began_at=progress.began_at or progress.asked_at,
        seconds=seen.seconds,
    )
    return replace(progress, stages=(*progress.stages, result))


def _verdict(plan: LoadPlan, progress: Progress, seen: Window, judged: Judged) -> Outcome:
    """Judge the held stage: whether the rate was there, then what the candidate made of it."""
    held = progress.stages[-1]
    late_us = quantile(seen.lateness(), 0.99) or 0
    if late_us > plan.rules.late_budget_ms * 1000:
        return ends.generator_late(late_us, plan.rules.late_budget_ms)
    if abs(held.measured_rps / held.target_rps - 1) > plan.rules.tolerance:
        return ends.rate_missed(held, plan.rules.tolerance)
    return ends.held(plan, progress, judged)


def _end(progress: Progress, outcome: Outcome) -> Step:
    return Step(progress, 0.0, outcome)
