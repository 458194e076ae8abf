"""A small world for the load test's machine: production, a candidate with a limit, a clock."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from judge.histogram import add
from judge.verdict import Verdict
from traffic.load.counts import Block, Counts
from traffic.load.machine import Step, Tick, step
from traffic.load.outcome import Outcome
from traffic.load.plan import LoadPlan, LoadRules
from traffic.load.progress import BASELINE, Progress

RULES = LoadRules(
    baseline_s=20, stage_s=10, hold_s=30, settle_s=2, peak_window_s=10, max_copies=10.0, delta=0.02
)
PLAN = LoadPlan(peak_rps=100.0, rules=RULES)
BLOCK_S = 2
FAST_US, SLOW_US = 5_000, 8_000


def counts(requests: int, *, us: int, errors: int = 0, slow: int = 0) -> Counts:
    """`slow` of the requests take four times as long."""
    latency: dict[int, int] = {}
    add(latency, us, max(0, requests - slow))
    if slow:
        add(latency, 4 * us, slow)
    return Counts(requests, errors, 0, latency)


@dataclass
class World:
    """Production at `rps`; the candidate answers `answer(load_rps)`, a pair (errors, slow) shares.

    The first 1 % of legacy's answers are slow, so that its p99 lies between fast and slow.
    """

    plan: LoadPlan = PLAN
    rps: Callable[[float], float] = lambda _now: 100.0
    answer: Callable[[float], tuple[float, float]] = lambda _rps: (0.0, 0.0)
    shed_above: float = 1e9
    users: Callable[[float], Counts] | None = None
    shadow: float = 1.0
    effect: bool = True
    now: float = 1000.0
    blocks: list[Block] = field(default_factory=list)
    progress: Progress = field(default_factory=lambda: Progress(asked_at=1000.0))
    copies: list[tuple[float, int]] = field(default_factory=list)
    outcome: Outcome | None = None
    until: float = 0.0

    def block(self) -> Block:
        copying = self.progress.copies_tth / 10_000 if self.until > self.now else 0.0
        rps = self.rps(self.now)
        requests = round(rps * BLOCK_S)
        load = rps * copying
        errors, slow = self.answer(load + rps * self.shadow)
        sent = round(load * BLOCK_S)
        shed = max(0, round((load - self.shed_above) * BLOCK_S))
        sent -= shed
        own = counts(requests, us=FAST_US, slow=requests // 100)
        copied = counts(sent, us=FAST_US, errors=round(sent * errors), slow=round(sent * slow))
        return Block(
            start=int(self.now),
            seconds=BLOCK_S,
            users=self.users(load) if self.users else own,
            legacy=own,
            load=replace(copied, shed=shed),
            eligible=requests,
            other=round(rps * self.shadow * BLOCK_S),
        )

    def tick(self) -> Step:
        self.blocks.append(self.block())
        self.now += BLOCK_S
        made = step(
            self.plan,
            self.progress,
            Tick(now=self.now, blocks=self.blocks, in_effect=self.effect),
        )
        self.progress, self.until, self.outcome = made.progress, made.until, made.outcome
        self.copies.append((self.now, self.progress.copies_tth if made.until > self.now else 0))
        return made

    def run(self, most: int = 400) -> Outcome:
        for _ in range(most):
            if self.tick().outcome is not None:
                break
        assert self.outcome is not None
        assert self.until == 0
        return self.outcome

    def verdict(self) -> Verdict:
        return self.run().verdict

    @property
    def in_baseline(self) -> bool:
        return self.progress.stage == BASELINE
