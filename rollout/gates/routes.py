"""A gate with routes holds overall and for each route; what becomes of one too thin to judge.

Replay's pairs cover a thin route when they alone show, by the discrepancy gate's own test, that its
answers agree.
"""

from judge.discrepancy import RULE, RULE_VERSION, judge_discrepancy
from judge.evidence import Evidence
from judge.verdict import Verdict, worst
from rollout.gates.base import Context, Routes, changed
from rollout.policy_parts import ThinRoutes


def with_routes(
    context: Context, overall: Evidence, routes: Routes, *, thin: ThinRoutes
) -> Evidence:
    """Give the overall evidence the worst verdict of all that count, and name the others."""
    excused = [name for name, e in routes if _excused(context, name, e, thin)]
    judged = worst_of(overall, tuple((n, e) for n, e in routes if n not in excused))
    if not excused:
        return judged
    how = "covered by replay" if thin == "replay" else "left by the policy"
    lacks = {name: e.needed_text or e.sentence for name, e in routes if name in excused}
    said = tuple(f"{name} is {how}: too thin to be judged, {lacks[name]}" for name in excused)
    return changed(judged, verdict=judged.verdict, reasons=(*judged.reasons, *said))


def _excused(context: Context, name: str, evidence: Evidence, thin: ThinRoutes) -> bool:
    if evidence.verdict is not Verdict.INCONCLUSIVE:
        return False
    return thin == "waive" or (thin == "replay" and name in context.replayed)


def replayed(context: Context) -> frozenset[str]:
    """Return the routes that replay alone shows to agree, where the policy asks for it."""
    policy = context.policy
    if "replay" not in (policy.thin_routes, policy.thin_routes_live):
        return frozenset()
    found = set()
    for name in context.route_names:
        series = context.evidence.replay.get(name)
        if series is None:
            continue
        evidence = context.recorder.judge(
            "discrepancy",
            f"replay of {name}"[:200],
            (RULE, RULE_VERSION, judge_discrepancy),
            n_b=series.compared,
            k_b=series.mismatched,
            elapsed_s=0.0,
            policy=policy.discrepancy,
            strata_count=len(context.route_names) + 1,
            stratum=True,
        )
        if evidence.verdict is Verdict.PASS:
            found.add(name)
    return frozenset(found)


def worst_of(overall: Evidence, routes: Routes) -> Evidence:
    """Give the overall evidence the worst verdict, naming the routes that hold it back."""
    verdict = worst([overall.verdict, *(e.verdict for _, e in routes)])
    if verdict is overall.verdict:
        return overall
    behind = [(name, e) for name, e in routes if e.verdict is verdict]
    reasons = tuple(f"{name}: {e.sentence}" for name, e in behind)
    slowest = max((e.eta_s for _, e in behind if e.eta_s is not None), default=None)
    return changed(
        overall,
        verdict=verdict,
        progress=min([overall.progress, *(e.progress for _, e in behind)]),
        eta_s=slowest if all(e.eta_s is not None for _, e in behind) else None,
        eta_best_s=max((e.eta_best_s or 0 for _, e in behind), default=0) or None,
        sentence=f"{overall.sentence} Waiting for {_lacking(behind)}."
        if verdict is Verdict.INCONCLUSIVE
        else f"{behind[0][0]}: {behind[0][1].sentence}",
        reasons=(*overall.reasons, *reasons),
    )


def _lacking(behind: list[tuple[str, Evidence]]) -> str:
    return "; ".join(f"{name} ({e.needed_text})" if e.needed_text else name for name, e in behind)
