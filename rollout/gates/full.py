"""The live gates at 100 %, where legacy serves nobody.

The candidate's own blocks are tested against legacy's rate in the last step that it served, frozen
when that step ended. Pairs in the reverse direction open: requests that the candidate was sent and
legacy got as a copy. A sampled request that legacy had to answer instead is one that was bad on the
candidate alone.
"""

from collections.abc import Sequence

import numpy as np

from judge import full_step
from judge.evidence import Evidence
from judge.full import FullCounts
from judge.pairs import PairCounts
from rollout.gates.base import Context
from rollout.gates.live_policy import elapsed, errors_policy, latency_policy, strata
from traffic.blocks import EMPTY, SplitBlocks, align

NONE = (0, 0, 0, 0)


def errors(context: Context, blocks: SplitBlocks, route: str) -> Evidence:
    """Judge errors of the candidate's users, of one route or ("") all together."""
    since = context.latch("errors").since
    return context.recorder.judge(
        "errors",
        route,
        (full_step.ERRORS_RULE, full_step.RULE_VERSION, full_step.judge_errors_full),
        counts=_counts(context, blocks, route, "errors"),
        error_keys=blocks.arm("candidate", route).users("errors", since=since),
        elapsed_s=elapsed(context),
        deff=context.deff(route, "errors"),
        strata_count=strata(context),
        policy=errors_policy(context, route),
    )


def slow(context: Context, blocks: SplitBlocks, route: str) -> Evidence:
    """Judge slow attempts of the candidate's users, of one route or ("") all together."""
    rules = context.policy.regression.slow
    since = context.latch("latency_regression").since
    candidate = blocks.arm("candidate", route)
    return context.recorder.judge(
        "latency_regression",
        route,
        (full_step.LATENCY_RULE, full_step.RULE_VERSION, full_step.judge_latency_full),
        slow={rule.name: _counts(context, blocks, route, rule.name) for rule in rules},
        taus={rule.name: rule.quantile for rule in rules},
        slow_keys={rule.name: candidate.users(rule.name, since=since) for rule in rules},
        elapsed_s=elapsed(context),
        deff={rule.name: context.deff(route, rule.name) for rule in rules},
        strata_count=strata(context),
        policy=latency_policy(context, route),
    )


def _counts(context: Context, blocks: SplitBlocks, route: str, bad: str) -> FullCounts:
    gate = "errors" if bad == "errors" else "latency_regression"
    since = context.latch(gate).since
    both = align(blocks.arm("candidate", route), EMPTY, bad=bad, since=since)
    frozen_n, frozen_k = _frozen(context, route, bad)
    plus, zero, minus, on_both = _pairs(context, route, bad)
    return FullCounts(
        n_b=both.n_c,
        k_b=both.k_c,
        frozen_n=frozen_n,
        frozen_k=frozen_k,
        pairs=PairCounts(n_plus=[plus], n_zero=[zero], n_minus=[minus], n_both=[on_both]),
    )


def _frozen(context: Context, route: str, bad: str) -> tuple[int, int]:
    """Return legacy's requests and bad ones in the last step that it served."""
    known = context.migration.split.frozen
    wanted = [known.get(route, {})] if route else list(known.values())
    found = [each for each in wanted if "requests" in each]
    if bad == "errors":
        return sum(f["requests"] for f in found), sum(f["errors"] for f in found)
    return sum(f["timed"] for f in found), sum(f["slow"].get(bad, 0) for f in found)


def _pairs(context: Context, route: str, bad: str) -> Sequence[int]:
    wanted = [route] if route else sorted({*context.reverse, *context.failed_over})
    rows = [context.reverse.get(name, {}).get(bad, NONE) for name in wanted]
    sums = [int(x) for x in np.array([NONE, *rows], dtype=np.int64).sum(axis=0)]
    if bad == "errors":
        sums[0] += sum(context.failed_over.get(name, 0) for name in wanted)
    return sums
