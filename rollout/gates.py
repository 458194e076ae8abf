"""The gates: what is asked before the next place opens, and how each reads its evidence.

A gate is a function from a `Context` (read once) to Evidence. Whatever is missing, stale or too
little is INCONCLUSIVE; only what was shown is PASS.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from judge.discrepancy import judge_discrepancy
from judge.evidence import Evidence
from judge.split import MIN_KEYS, split_check
from judge.verdict import Verdict, worst
from rollout.lifecycle import Phase, Place
from rollout.models import ServiceMigration
from rollout.policy import Policy
from shadow import queries as shadow
from shadow.queries import PairEvidence
from traffic import queries as traffic
from traffic.queries import Convergence, Observed

CHECKLIST_GROUP = "checklist"
STEP_GROUP = "step"


@dataclass(frozen=True, slots=True)
class Context:
    """All that gates read, read once."""

    migration: ServiceMigration
    policy: Policy
    place: Place
    evidence: PairEvidence
    convergence: Convergence
    observed: Observed
    candidate_requests: int
    route_names: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's evidence now, per route where it has routes, and whether it must PASS."""

    key: str
    title: str
    group: str
    measured: str
    evidence: Evidence
    required: bool
    route: str = ""
    routes: tuple[tuple[str, Evidence], ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether this gate keeps promote closed."""
        return self.required and self.evidence.verdict is not Verdict.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as REST and the ledger show it."""
        return {
            "gate": self.key,
            "title": self.title,
            "group": self.group,
            "required": self.required,
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
    evaluate: Callable[[Context], tuple[Evidence, tuple[tuple[str, Evidence], ...]]]


def evaluate(migration: ServiceMigration, *, now: datetime) -> list[GateResult]:
    """Evaluate every gate of the next place, checklist first."""
    return evaluate_context(read_context(migration, now=now))


def evaluate_context(context: Context) -> list[GateResult]:
    """Evaluate every gate on what was read."""
    results = []
    for gate in GATES:
        evidence, routes = gate.evaluate(context)
        results.append(
            GateResult(
                key=gate.key,
                title=gate.title,
                group=gate.group,
                measured=gate.measured,
                evidence=evidence,
                required=gate.key in context.policy.gates,
                routes=routes,
            )
        )
    return results


def read_context(migration: ServiceMigration, *, now: datetime) -> Context:
    """Read everything the gates need about one migration."""
    since = migration.in_effect_at or now
    split = migration.split.name
    totals = traffic.arm_totals(split=split, since=since)
    return Context(
        migration=migration,
        policy=Policy.from_dict(migration.policy),
        place=migration.place,
        evidence=shadow.pair_evidence(pair=migration.pair, since=migration.shadow_since),
        convergence=convergence_of(migration, now=now),
        observed=observed_of(migration),
        candidate_requests=totals["candidate"].requests if "candidate" in totals else 0,
        route_names=tuple(
            rule.label for rule in migration.pair.routes.order_by("path") if rule.safe_to_duplicate
        ),
        now=now,
    )


def convergence_of(migration: ServiceMigration, *, now: datetime) -> Convergence:
    """Say which proxies use the generation of the present place."""
    return traffic.convergence(
        group_id=migration.split.group_id, generation=migration.placed_generation, now=now
    )


def observed_of(migration: ServiceMigration) -> Observed:
    """Return what proxies saw since the last of them accepted the present place."""
    if migration.accepted_at is None:
        return Observed()
    return traffic.observed(split=migration.split.name, epoch=migration.split.epoch)


def fleet_connected(migration: ServiceMigration, *, now: datetime) -> bool:
    """Whether at least one proxy of the group is alive and none is silent."""
    found = traffic.convergence(group_id=migration.split.group_id, generation=0, now=now)
    return found.total > len(found.silent)


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
        progress=1.0 if verdict is Verdict.PASS else min(progress, 1.0),
        eta_s=0.0 if verdict is Verdict.PASS else eta_s,
        window_s=window_s,
        reasons=reasons,
    )


Routes = tuple[tuple[str, Evidence], ...]


def _discrepancy(context: Context) -> tuple[Evidence, Routes]:
    """Judge the overall rate and each route; the worst of them is the gate's verdict."""
    policy = context.policy.discrepancy
    found = context.evidence
    since = context.migration.shadow_since
    elapsed = (context.now - since).total_seconds() if since else 0.0
    strata = len(context.route_names) + 1
    overall = judge_discrepancy(
        n_b=found.overall.compared,
        k_b=found.overall.mismatched,
        elapsed_s=elapsed,
        policy=policy,
        strata_count=strata,
    )
    routes = []
    for name in context.route_names:
        series = found.routes.get(name)
        empty = np.zeros(0, dtype=np.int64)
        routes.append(
            (
                name,
                judge_discrepancy(
                    n_b=series.compared if series else empty,
                    k_b=series.mismatched if series else empty,
                    elapsed_s=elapsed,
                    policy=policy,
                    strata_count=strata,
                    stratum=True,
                ),
            )
        )
    judged = _worst_of(overall, tuple(routes))
    fresh = _fresh(judged, found.last_end, context)
    return _covered(fresh, found, context.policy.max_uncomparable), tuple(routes)


def _fresh(evidence: Evidence, last_end: int | None, context: Context) -> Evidence:
    """Let evidence that stopped growing open nothing: it says nothing about now."""
    if evidence.verdict is not Verdict.PASS:
        return evidence
    if not _old(last_end, context):
        return evidence
    text = f"No pair was compared for {context.policy.stale_after_s} s. {evidence.sentence}"
    return _replace(
        evidence, verdict=Verdict.INCONCLUSIVE, sentence=text, eta_s=None, reasons=("stale",)
    )


def _covered(evidence: Evidence, found: PairEvidence, limit: float) -> Evidence:
    """Let too many uncomparable pairs open nothing: they might all have differed."""
    if evidence.verdict is not Verdict.PASS:
        return evidence
    lost = sum(found.uncomparable.values())
    share = lost / (lost + evidence.n) if lost else 0.0
    if share <= limit:
        return evidence
    causes = ", ".join(f"{cause} {count}" for cause, count in found.uncomparable.items())
    text = f"{share:.1%} of the pairs could not be compared ({causes}), at most {limit:.1%} may be."
    return _replace(
        evidence,
        verdict=Verdict.INCONCLUSIVE,
        sentence=f"{text} {evidence.sentence}",
        eta_s=None,
        reasons=("uncomparable",),
    )


def _worst_of(overall: Evidence, routes: Routes) -> Evidence:
    """Give the overall evidence the worst verdict, naming the routes that hold it back."""
    verdict = worst([overall.verdict, *(e.verdict for _, e in routes)])
    if verdict is overall.verdict:
        return overall
    behind = [(name, e) for name, e in routes if e.verdict is verdict]
    reasons = tuple(f"{name}: {e.sentence}" for name, e in behind)
    slowest = max((e.eta_s for _, e in behind if e.eta_s is not None), default=None)
    return _replace(
        overall,
        verdict=verdict,
        progress=min([overall.progress, *(e.progress for _, e in behind)]),
        eta_s=slowest if all(e.eta_s is not None for _, e in behind) else None,
        sentence=f"{overall.sentence} Waiting for {', '.join(name for name, _ in behind)}."
        if verdict is Verdict.INCONCLUSIVE
        else f"{behind[0][0]}: {behind[0][1].sentence}",
        reasons=(*overall.reasons, *reasons),
    )


def _replace(evidence: Evidence, **changes: Any) -> Evidence:
    document = {**evidence.to_dict(), **changes, "reasons": list(changes["reasons"])}
    document["verdict"] = Verdict(changes["verdict"]).value
    return Evidence.from_dict(document)


def _split(context: Context) -> tuple[Evidence, Routes]:
    found = context.observed
    checked = split_check(
        candidate_keys=found.candidate_keys,
        legacy_keys=found.legacy_keys,
        weight=context.place.weight / 100,
    )
    verdict, sentence = checked.verdict, f"{checked.sentence}."
    if verdict is Verdict.PASS and _old(found.last_block_end, context):
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


def _old(last_end: int | None, context: Context) -> bool:
    age = context.now.timestamp() - (last_end or 0)
    return age > context.policy.stale_after_s


def _proxies(context: Context) -> tuple[Evidence, Routes]:
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


def _bake(context: Context) -> tuple[Evidence, Routes]:
    """Bake time counts from the moment the step was in effect, requests from there too."""
    migration, place = context.migration, context.place
    if migration.in_effect_at is None:
        text = "The step is not in effect yet; bake time begins when it is."
        return simple_evidence("bake", Verdict.INCONCLUSIVE, text), ()
    baked = (context.now - migration.in_effect_at).total_seconds()
    if place.phase is not Phase.CANARY or place.step is None:
        text = f"In effect for {_duration(baked)}; this place asks for no bake time."
        return simple_evidence("bake", Verdict.PASS, text, value=baked, window_s=baked), ()
    step = context.policy.steps[place.step]
    served = context.candidate_requests
    text = (
        f"In effect for {_duration(baked)} of {_duration(step.bake_seconds)}; "
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


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:  # noqa: PLR2004  # two minutes
        return f"{whole} s"
    if whole < 7200:  # noqa: PLR2004  # two hours
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _not_measured(key: str) -> Callable[[Context], tuple[Evidence, Routes]]:
    def read(context: Context) -> tuple[Evidence, Routes]:  # noqa: ARG001  # nothing to read yet
        return simple_evidence(key, Verdict.INCONCLUSIVE, "Not measured yet."), ()

    return read


GATES: tuple[Gate, ...] = (
    Gate(
        "discrepancy",
        "Shadow discrepancy",
        CHECKLIST_GROUP,
        "answers of both sides to the same requests",
        _discrepancy,
    ),
    *(
        Gate(key, title, CHECKLIST_GROUP, measured, _not_measured(key))
        for key, title, measured in (
            ("latency", "Latency in all percentiles", "p50 to p99.9 against legacy"),
            ("error_codes", "Error codes and messages", "provoked errors on both sides"),
            ("schema", "Schema compatibility", "OpenAPI against OpenAPI"),
            ("health", "Health endpoints", "health and readiness in every state"),
            ("log_format", "Log format", "log lines of both sides"),
            ("load", "Load at 2 × production", "the amplified mirror"),
        )
    ),
    Gate(
        "errors", "Errors not worse", STEP_GROUP, "attempts on both sides", _not_measured("errors")
    ),
    Gate(
        "latency_regression",
        "Latency regression",
        STEP_GROUP,
        "slow requests on both sides",
        _not_measured("latency_regression"),
    ),
    Gate("split", "Split as asked", STEP_GROUP, "distinct user keys per side", _split),
    Gate("proxies", "Proxies in effect", STEP_GROUP, "acknowledgements of the fleet", _proxies),
    Gate("bake", "Bake time and requests", STEP_GROUP, "the step's clock", _bake),
)

TITLES = {gate.key: gate.title for gate in GATES}
