"""The gates of a step: is the split as asked, do all proxies have it, has it baked."""

from judge.split import MIN_KEYS, split_check
from judge.verdict import Verdict, worst
from rollout.gates.base import Context, Judged, duration, is_old, simple_evidence
from rollout.lifecycle import Phase


def split(context: Context) -> Judged:
    found = context.observed
    checked = split_check(
        candidate_keys=found.candidate_keys,
        legacy_keys=found.legacy_keys,
        weight=context.place.weight / 100,
    )
    verdict, sentence = checked.verdict, f"{checked.sentence}."
    if verdict is Verdict.PASS and is_old(found.last_block_end, context):
        verdict = Verdict.INCONCLUSIVE
        sentence = f"No traffic was reported for {context.policy.stale_after_s} s. {sentence}"
    if found.flip_count:
        verdict = worst([verdict, Verdict.ERROR])
        sentence = f"{found.flip_count} keys were seen on both sides in this step. {sentence}"
    evidence = simple_evidence(
        "split",
        verdict,
        sentence,
        value=checked.share,
        limit=checked.weight,
        n=checked.n,
        progress=min(1.0, checked.n / MIN_KEYS),
        reasons=found.flips[:5],
    )
    return evidence, ()


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
