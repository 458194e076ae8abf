"""The gates of a step: is the split as asked, do all proxies have it, has it baked."""

from judge.evidence import Evidence
from judge.split_gate import (
    RULE,
    RULE_VERSION,
    SplitCounts,
    SplitPolicy,
    exposed_for,
    judge_split,
)
from judge.verdict import Verdict
from rollout.gates.base import Context, Judged, changed, duration, is_old, simple_evidence
from rollout.gates.live_policy import elapsed
from rollout.lifecycle import Phase

MAX_EXAMPLES = 5


def split(context: Context) -> Judged:
    """Judge the distinct keys of the step, its flips and its exposure."""
    evidence = context.recorder.judge(
        "split",
        "",
        (RULE, RULE_VERSION, judge_split),
        counts=_split_counts(context),
        elapsed_s=elapsed(context),
        policy=SplitPolicy(),
    )
    return _with_examples(_fresh(evidence, context), context), ()


def _split_counts(context: Context) -> SplitCounts:
    found, policy = context.observed, SplitPolicy()
    weight = context.place.weight / 100
    exposed_s, exposed_share = exposed_for(found.minutes, weight=weight, policy=policy)
    squares = found.key_squares
    return SplitCounts(
        candidate_keys=found.candidate_keys,
        legacy_keys=found.legacy_keys,
        weight=weight,
        flips=found.flip_count,
        flips_for_s=float(found.flips_for_s),
        request_share=exposed_share if exposed_s else found.request_share,
        exposed_for_s=exposed_s,
        effective_keys=found.key_requests**2 / squares if squares else None,
    )


def _fresh(evidence: Evidence, context: Context) -> Evidence:
    if evidence.verdict is not Verdict.PASS or not is_old(context.observed.last_block_end, context):
        return evidence
    text = f"No traffic was reported for {context.policy.stale_after_s} s. {evidence.sentence}"
    return changed(
        evidence, verdict=Verdict.INCONCLUSIVE, sentence=text, eta_s=None, reasons=("stale",)
    )


def _with_examples(evidence: Evidence, context: Context) -> Evidence:
    """Name a few hashed keys that were seen on both sides."""
    flips = context.observed.flips[:MAX_EXAMPLES]
    if not flips:
        return evidence
    return changed(evidence, verdict=evidence.verdict, reasons=(*evidence.reasons, *flips))


def proxies(context: Context) -> Judged:
    found = context.convergence
    accepted = len(found.accepted)
    if found.rejected:
        name, reason = next(iter(found.rejected.items()))
        text = f"{name} refused the snapshot: {reason or 'no reason given'}."
        return simple_evidence("proxies", Verdict.ERROR, text, value=accepted, n=found.total), ()
    if found.held:
        text = f"{', '.join(found.held)} is held on its host."
        return simple_evidence("proxies", Verdict.ERROR, text, value=accepted, n=found.total), ()
    if found.complete:
        text = f"All {found.total} proxies use the snapshot of this step."
        if found.total == 1:
            text = f"The one proxy, {found.accepted[0]}, uses the snapshot of this step."
        return (
            simple_evidence(
                "proxies", Verdict.PASS, text, value=accepted, limit=found.total, n=found.total
            ),
            (),
        )
    waiting = ", ".join(dict.fromkeys((*found.silent, *found.waiting))) or "no proxy registered"
    text = f"{accepted} of {found.total} proxies use the snapshot of this step; waiting: {waiting}."
    progress = accepted / found.total if found.total else 0
    return (
        simple_evidence(
            "proxies",
            Verdict.INCONCLUSIVE,
            text,
            value=accepted,
            limit=found.total,
            n=found.total,
            progress=progress,
        ),
        (),
    )


def bake(context: Context) -> Judged:
    """Bake time counts from the moment the step was in effect, requests from there too."""
    migration, place = context.migration, context.place
    if migration.in_effect_at is None:
        text = "The step is not in effect yet; bake time begins when it is."
        return simple_evidence("bake", Verdict.INCONCLUSIVE, text), ()
    baked = (context.now - migration.in_effect_at).total_seconds()
    if place.phase is not Phase.CANARY or place.step is None:
        text = f"In effect for {duration(baked)}; this place asks for no bake time."
        return simple_evidence("bake", Verdict.PASS, text, value=baked, window_s=baked), ()
    step = context.policy.steps[place.step]
    served = context.candidate_requests
    text = (
        f"In effect for {duration(baked)} of {duration(step.bake_seconds)}; "
        f"the candidate served {served:,} of {step.min_requests:,} requests."
    )
    enough = baked >= step.bake_seconds and served >= step.min_requests
    left = max(0.0, step.bake_seconds - baked)
    if served < step.min_requests:
        left = max(left, (step.min_requests - served) / served * baked) if served else 0
    return (
        simple_evidence(
            "bake",
            Verdict.PASS if enough else Verdict.INCONCLUSIVE,
            text,
            value=baked,
            limit=step.bake_seconds,
            n=served,
            progress=min(baked / step.bake_seconds, served / step.min_requests),
            eta_s=left if served else None,
            window_s=baked,
        ),
        (),
    )
