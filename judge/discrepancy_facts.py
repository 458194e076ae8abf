"""What the counts of the discrepancy gate say, what they still lack, and both in words."""

import math
from dataclasses import dataclass

import numpy as np

from judge import words
from judge.blocks import BlockOutlook, block_log_e_above, block_log_e_below, outlook
from judge.counts import Counts
from judge.evidence import Assumption
from judge.gate import Lack
from judge.rates import eta_samples, log_e_above, log_e_below, log_needed, min_samples
from judge.verdict import Verdict

INDEPENDENT_NOTE = "independent requests assumed, not protected against bursts"


@dataclass(frozen=True, slots=True)
class DiscrepancyPolicy:
    """The numbers of the gate; the defaults are the guide's. A wrong one raises ValueError."""

    limit: float = 0.001
    alpha_pass: float = 0.01
    alpha_fail: float = 0.01
    min_window_s: float = 48 * 3600.0
    min_blocks: int = 17_280
    use_blocks: bool = True
    min_fail_events: int = 5

    def __post_init__(self) -> None:
        log_needed(self.alpha_pass)
        log_needed(self.alpha_fail)
        if not 0 < self.limit < 1:
            raise ValueError(f"limit must be a share between 0 and 1: {self.limit!r}")
        if not 0 <= self.min_window_s < math.inf:
            raise ValueError(f"min_window_s must be a duration: {self.min_window_s!r}")
        if self.min_blocks < 0 or self.min_fail_events < 1:
            raise ValueError("min_blocks must be at least 0, min_fail_events at least 1")

    @property
    def assumption(self) -> Assumption:
        """What the verdict takes for granted about the requests."""
        return "blocks" if self.use_blocks else "independent"


@dataclass(frozen=True, slots=True)
class Facts:
    """The counts under a policy; verdict, forecast and words follow from them alone.

    `blocks_log_e` is None where PASS does not ask the block test: a demonstration, a single route.
    """

    policy: DiscrepancyPolicy
    elapsed_s: float
    n: int
    k: int
    blocks: int
    requests_log_e: float
    blocks_log_e: float | None
    fail_log_e: float
    fail_needed: float
    clean_pairs: int
    block_outlook: BlockOutlook

    @property
    def log_e(self) -> float:
        """The weaker of the tests: all of them must reach the same level."""
        if self.blocks_log_e is None:
            return self.requests_log_e
        return min(self.requests_log_e, self.blocks_log_e)

    @property
    def pass_needed(self) -> float:
        return log_needed(self.policy.alpha_pass)

    @property
    def progress(self) -> float:
        return min(max(self.log_e / self.pass_needed, 0.0), 1.0)


def gather(
    n_b: Counts,
    k_b: Counts,
    *,
    elapsed_s: float,
    policy: DiscrepancyPolicy,
    strata_count: int,
    block_test: bool,
) -> Facts:
    """Return the facts of believable counts; `block_test` asks PASS for the block test too."""
    n, k, limit = int(n_b.sum()), int(k_b.sum()), policy.limit
    needed = log_needed(policy.alpha_pass)
    requests_log_e = log_e_below(n, k, limit)
    enough = requests_log_e >= needed
    return Facts(
        policy=policy,
        elapsed_s=elapsed_s,
        n=n,
        k=k,
        blocks=int(np.count_nonzero(n_b)),
        requests_log_e=requests_log_e,
        blocks_log_e=block_log_e_below(n_b, k_b, limit) if block_test else None,
        # The independent test alone would fail a bursty candidate that sits at the limit.
        fail_log_e=block_log_e_above(n_b, k_b, limit)
        if policy.use_blocks
        else log_e_above(n, k, limit),
        fail_needed=log_needed(policy.alpha_fail / strata_count),
        clean_pairs=0 if enough else min_samples(k, limit, policy.alpha_pass) - n,
        block_outlook=outlook(n_b, k_b, limit, needed) if block_test else BlockOutlook(0.0, 0.0),
    )


def lacks(facts: Facts) -> list[Lack]:
    """Return what PASS still asks for. Nothing helps a FAIL but a new build or a recorded reset."""
    policy = facts.policy
    found: list[Lack] = []
    if failed(facts):
        return found
    if facts.clean_pairs:
        text = f"{words.count(facts.clean_pairs)} more pairs without a mismatch"
        found.append(Lack("pairs_without_mismatch", facts.clean_pairs, text))
    clean_blocks = facts.block_outlook.without_mismatch
    if clean_blocks:
        text = f"{words.count(clean_blocks)} more blocks of time without a mismatch"
        found.append(Lack("blocks_without_mismatch", clean_blocks, text))
    if facts.blocks < policy.min_blocks:
        missing = policy.min_blocks - facts.blocks
        text = f"{words.count(missing)} more blocks of time with pairs in them"
        found.append(Lack("blocks", missing, text))
    if facts.elapsed_s < policy.min_window_s:
        seconds = policy.min_window_s - facts.elapsed_s
        found.append(Lack("seconds", seconds, f"{words.duration(seconds)} more of the window"))
    return found


def failed(facts: Facts) -> bool:
    """Tell whether the evidence against the candidate, and its least events, are there."""
    return facts.k >= facts.policy.min_fail_events and facts.fail_log_e >= facts.fail_needed


def verdict(facts: Facts) -> Verdict:
    """Return the verdict: FAIL comes before PASS, and anything that lacks is INCONCLUSIVE."""
    if failed(facts):
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if lacks(facts) else Verdict.PASS


def forecast(facts: Facts) -> tuple[float | None, float | None]:
    """Return the seconds until PASS at the present rate, and if nothing more mismatches.

    None is "not at the current rate". A FAIL has no forecast.
    """
    if verdict(facts) is Verdict.PASS:
        return 0.0, 0.0
    if failed(facts) or facts.n == 0 or facts.elapsed_s == 0:
        return None, None
    policy, blocks = facts.policy, facts.block_outlook
    per_pair, per_block = facts.elapsed_s / facts.n, facts.elapsed_s / facts.blocks
    least = max(
        0.0,
        policy.min_window_s - facts.elapsed_s,
        (policy.min_blocks - facts.blocks) * per_block,
    )
    best = max(least, facts.clean_pairs * per_pair, blocks.without_mismatch * per_block)
    pairs = eta_samples(facts.n, facts.k, policy.limit, policy.alpha_pass)
    if pairs is None or blocks.at_this_rate is None:
        return None, best
    return max(least, pairs * per_pair, blocks.at_this_rate * per_block), best


def sentence(facts: Facts, *, lower: float | None, upper: float | None) -> str:
    """Return the verdict's numbers in one line, the bound on the side that matters."""
    policy = facts.policy
    limit = f"limit {words.percent(policy.limit)}"
    if lower is None or upper is None:
        parts = ["no pairs compared yet", limit]
    else:
        parts = [
            f"{words.percent(facts.k / facts.n)} differ",
            f"at least {words.percent(lower, 'down')} with {words.confidence(policy.alpha_fail)}"
            if failed(facts)
            else f"at most {words.percent(upper, 'up')} with {words.confidence(policy.alpha_pass)}",
            limit,
            f"n = {words.count(facts.n)}",
            f"evidence {math.floor(100 * facts.progress)} %",
        ]
    if policy.min_window_s:
        parts.append(f"window {words.window(facts.elapsed_s, policy.min_window_s)}")
    return "; ".join(parts)


def reasons(facts: Facts) -> tuple[str, ...]:
    """Return why the verdict is what it is, most important first."""
    policy, why = facts.policy, []
    limit = words.percent(policy.limit)
    match verdict(facts):
        case Verdict.FAIL:
            why.append(
                f"shown to differ more often than {limit}: {words.count(facts.k)} mismatches"
            )
        case Verdict.PASS:
            why.append(f"shown to differ less often than {limit}")
        case _ if facts.n and facts.k / facts.n >= policy.limit:
            why.append(f"so far more than {limit} differ")
    why += [f"needs {lack.text}" for lack in lacks(facts)]
    return (*why, *([] if policy.use_blocks else [INDEPENDENT_NOTE]))
