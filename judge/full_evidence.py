"""The evidence of the live gates at 100 %: its parts, what it lacks, and the words."""

from collections.abc import Sequence

from judge import gate, words
from judge.evidence import Evidence, Part
from judge.full import FullFacts
from judge.gate import Lack, Minimums
from judge.paired import paired_log_e, paired_lower, paired_upper
from judge.verdict import Verdict


def unshown(found: Sequence[FullFacts]) -> list[Lack]:
    """Return the pairs that the evidence still takes, none of them bad on the candidate only."""
    behind = [facts for facts in found if facts.log_e < facts.log_needed]
    if not behind:
        return []
    missing = [_clean_pairs(facts) for facts in behind]
    known = [count for count in missing if count is not None]
    names = ", ".join(facts.rule.what for facts in behind)
    if len(known) < len(missing):
        short = max(facts.log_needed - facts.log_e for facts in behind)
        return [Lack("evidence", short, f"evidence that the candidate has fewer {names}")]
    text = f"{words.count(max(known))} more reverse pairs without {names}"
    return [Lack("pairs_not_bad", max(known), text)]


def _clean_pairs(facts: FullFacts) -> int | None:
    pairs, deff = facts.pairs, facts.deff
    return gate.fewest(
        lambda m: (
            paired_log_e(
                pairs.plus / deff, (pairs.zero + m) / deff, pairs.minus / deff, facts.rule.delta
            )
            >= facts.log_needed
        )
    )


def live_part(facts: FullFacts) -> Part:
    """Return the part about the candidate's own blocks against legacy's frozen rate."""
    share = facts.k / facts.n if facts.n else None
    seen = "no requests yet" if share is None else f"{words.percent(share)} {facts.rule.what}"
    return Part(
        name=f"{facts.rule.name}_live",
        verdict=Verdict.FAIL if facts.live_failed else Verdict.INCONCLUSIVE,
        sentence=f"{seen}, over {words.percent(facts.limit)} fails (legacy's before, with reserve)",
        value_candidate=share,
        limit=facts.limit,
        fail_log_e=facts.live_log_e,
        fail_log_needed=facts.fail_needed,
        required=False,
    )


def pairs_part(facts: FullFacts) -> Part:
    """Return the part about the pairs in the reverse direction."""
    rule, pairs, deff = facts.rule, facts.pairs, facts.deff
    scaled = pairs.plus / deff, pairs.zero / deff, pairs.minus / deff
    lower = paired_lower(*scaled, rule.alpha_detector) if pairs.n else None
    upper = paired_upper(*scaled, rule.alpha_pass) if pairs.n else None
    verdict = Verdict.PASS if facts.log_e >= facts.log_needed else Verdict.INCONCLUSIVE
    return Part(
        name=f"{rule.name}_pairs",
        verdict=Verdict.FAIL if facts.pairs_failed else verdict,
        sentence=_pairs_text(facts, lower, upper),
        value_legacy=pairs.legacy,
        value_candidate=pairs.candidate,
        lower=lower,
        upper=upper,
        limit=rule.delta,
        log_e=facts.log_e,
        log_needed=facts.log_needed,
        fail_log_e=facts.pairs_fail_log_e if rule.pairs_fail else None,
        fail_log_needed=facts.fail_needed if rule.pairs_fail else None,
    )


def _pairs_text(facts: FullFacts, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return f"no reverse pairs yet for {facts.rule.what}"
    bound = (
        f"at least {words.points(lower, 'down')}"
        if facts.pairs_failed
        else f"at most {words.points(upper, 'up')}"
    )
    return (
        f"{words.count(facts.pairs.n)} reverse pairs: {bound} {facts.rule.what} against legacy, "
        f"limit {words.points(facts.rule.delta)}, "
        f"{gate.evidence_text(facts.log_e, facts.log_needed)}"
    )


def reasons(found: Sequence[FullFacts], verdict: Verdict, lacks: Sequence[Lack]) -> tuple[str, ...]:
    """Return why the verdict is what it is, most important first."""
    why = []
    for facts in found:
        if facts.live_failed:
            why.append(
                f"shown to have over {words.percent(facts.limit)} {facts.rule.what}, "
                f"{words.times(facts.rule.rho)} legacy's rate of before"
            )
        if facts.pairs_failed:
            limit = words.points(facts.rule.delta).lstrip("+")
            why.append(f"shown in pairs to have {limit} more {facts.rule.what} than legacy")
    if verdict is Verdict.PASS:
        why.append("shown in pairs to be no worse than legacy, within the limits")
    if any(facts.limit == 1 for facts in found):
        why.append("legacy's rate of before is not known")
    return (*why, *(f"needs {lack.text}" for lack in lacks))


def evidence(
    found: Sequence[FullFacts], minimums: Minimums, *, rule: str, version: str
) -> Evidence:
    """Return the evidence of all kinds of bad requests together: the weakest one decides."""
    weakest = min(found, key=lambda facts: facts.log_e / facts.log_needed)
    failing = [facts for facts in found if facts.failed]
    shown = failing[0] if failing else weakest
    lacks = [] if failing else [*unshown(found), *minimums.lacks()]
    verdict = gate.verdict_of(lacks, failed=bool(failing))
    parts = tuple(part(facts) for facts in found for part in (live_part, pairs_part))
    bounds = next(part for part in parts if part.name == f"{shown.rule.name}_pairs")
    forecasts = [
        None if failing else minimums.forecast(*(facts.factor(best=best) for facts in found))
        for best in (False, True)
    ]
    return Evidence(
        rule=rule,
        rule_version=version,
        verdict=verdict,
        value=shown.pairs.difference,
        lower=bounds.lower,
        upper=bounds.upper,
        limit=shown.rule.delta,
        n=shown.pairs.n,
        k=shown.pairs.plus,
        log_e=weakest.log_e,
        log_needed=weakest.log_needed,
        fail_log_e=max(facts.fail_log_e for facts in found),
        fail_log_needed=shown.fail_needed,
        progress=gate.progress(weakest.log_e, weakest.log_needed),
        eta_s=forecasts[0],
        eta_best_s=forecasts[1],
        window_s=minimums.elapsed_s,
        window_needed_s=minimums.window_s,
        **gate.lacking(lacks),
        assumption="independent",
        alpha=shown.rule.alpha_pass,
        sentence="; ".join([*(part.sentence for part in parts), *minimums.window_text()]),
        reasons=reasons(found, verdict, lacks),
        parts=parts,
    )
