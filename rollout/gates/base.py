"""What gates are made of: the context they read, the result they give, counted evidence."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from judge.design_effect import UNKNOWN
from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates.recording import Recorder
from rollout.lifecycle import Place
from rollout.models import MetricReading, ServiceMigration
from rollout.oversight import LatchState
from rollout.policy import Policy
from shadow.queries import LatestRun, PairEvidence
from traffic.blocks import SplitBlocks
from traffic.hours import LatencyPair
from traffic.queries import Convergence, Observed

# Hosts' clocks may differ by this much; a block from further ahead is no evidence of now.
CLOCK_SKEW_S = 60
CHECKLIST_GROUP = "checklist"
STEP_GROUP = "step"
Routes = tuple[tuple[str, Evidence], ...]
Judged = tuple[Evidence, Routes]


@dataclass(frozen=True, slots=True)
class Context:
    """All that gates read, read once."""

    migration: ServiceMigration
    policy: Policy
    place: Place
    evidence: PairEvidence
    convergence: Convergence
    observed: Observed
    # The candidate's requests since the place is in effect.
    candidate_requests: int
    # Sampled requests and copies of the present builds, by (route, arm), and since when.
    latencies: Mapping[tuple[str, str], LatencyPair]
    latencies_since: datetime | None
    # Traffic since every proxy accepted the present place; None before.
    step_blocks: SplitBlocks | None
    # At 100 %: who was bad in pairs of the candidate's users, by route and kind, and how many
    # sampled requests legacy had to answer instead.
    reverse: Mapping[str, Mapping[str, Sequence[int]]]
    failed_over: Mapping[str, int]
    route_names: tuple[str, ...]
    # The checks' runs by checklist item, and the items that are done without for now.
    runs: Mapping[str, LatestRun]
    waived: frozenset[str]
    # Per gate, what a FAIL on this build left: latched, or reset with less alpha and a later start.
    latches: Mapping[str, LatchState]
    recorder: Recorder
    now: datetime
    # Readings of the policy's metrics as they are asked now, newest first, by (metric, route).
    metrics: Mapping[tuple[str, str], Sequence[MetricReading]] = field(default_factory=dict)
    # Thin routes that replay has shown to agree.
    replayed: frozenset[str] = frozenset()

    def latch(self, gate: str) -> LatchState:
        """The gate's past on the present candidate build."""
        return self.latches.get(gate, LatchState())

    def deff(self, route: str, kind: str, *, unknown: float = UNKNOWN) -> float:
        """Return the design effect of legacy's bad requests, as frozen when the place began."""
        frozen = self.migration.split.frozen.get(route, {}).get("deff", {})
        return float(max(frozen.get(kind, unknown), self.policy.min_design_effect))


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's evidence now, per route where it has routes, and whether it must PASS."""

    key: str
    title: str
    group: str
    measured: str
    evidence: Evidence
    required: bool
    # A checklist item that is done without for now. What was shown to be bad is never waived.
    waived: bool = False
    route: str = ""
    routes: tuple[tuple[str, Evidence], ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether this gate keeps promote closed."""
        verdict = self.evidence.verdict
        excused = self.waived and verdict is not Verdict.FAIL
        return self.required and verdict is not Verdict.PASS and not excused

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as REST and the ledger show it."""
        return {
            "gate": self.key,
            "title": self.title,
            "group": self.group,
            "required": self.required,
            "waived": self.waived,
            "blocks": self.blocks,
            "measured": self.measured,
            **self.evidence.to_dict(),
            "routes": [{"route": name, **e.to_dict()} for name, e in self.routes],
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate's name, where it stands on the page, what it measures, and its function."""

    key: str
    title: str
    group: str
    measured: str
    evaluate: Callable[[Context], Judged]


def evidence_sha256(evidence: Mapping[str, Any]) -> str:
    """Hash an evidence document over its canonical JSON."""
    text = json.dumps(evidence, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def simple_evidence(  # noqa: PLR0913  # the parts of a counted gate
    rule: str,
    verdict: Verdict,
    sentence: str,
    *,
    value: float | None = None,
    limit: float = 0,
    n: int = 0,
    k: int = 0,
    progress: float = 0,
    eta_s: float | None = None,
    window_s: float = 0,
    reasons: tuple[str, ...] = (),
) -> Evidence:
    """Build the evidence of a gate that counts rather than estimates."""
    return Evidence(
        rule=rule,
        rule_version="1",
        verdict=verdict,
        limit=limit,
        alpha=0,
        assumption="independent",
        sentence=sentence,
        value=value,
        n=n,
        k=k,
        progress=1.0 if verdict is Verdict.PASS else min(progress, 1.0),
        eta_s=0.0 if verdict is Verdict.PASS else eta_s,
        window_s=window_s,
        reasons=reasons,
    )


def changed(evidence: Evidence, **changes: Any) -> Evidence:
    """Return the evidence with other values in some fields; verdict and reasons are among them."""
    document = {**evidence.to_dict(), **changes, "reasons": list(changes["reasons"])}
    document["verdict"] = Verdict(changes["verdict"]).value
    return Evidence.from_dict(document)


def is_old(last_end: int | None, context: Context) -> bool:
    """Whether the newest block ended too long ago, or in a future, to say anything about now."""
    age = context.now.timestamp() - (last_end or 0)
    return not -CLOCK_SKEW_S <= age <= context.policy.stale_after_s


def duration(seconds: float) -> str:
    """Say a time in words: 90 s, 14 min, 3 h 05 min."""
    whole = int(seconds)
    if whole < 120:  # noqa: PLR2004  # two minutes
        return f"{whole} s"
    if whole < 7200:  # noqa: PLR2004  # two hours
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
