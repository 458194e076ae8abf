"""The gates: what is asked before the next place opens, and how each reads its evidence.

A gate is a function from a `Context` (read once) to Evidence. Whatever is missing, stale or too
little is INCONCLUSIVE; only what was shown is PASS.
"""

from dataclasses import replace
from datetime import datetime

from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates import live
from rollout.gates.base import (
    CHECKLIST_GROUP,
    STEP_GROUP,
    Context,
    Gate,
    GateResult,
    changed,
    evidence_sha256,
)
from rollout.gates.checks import check
from rollout.gates.discrepancy import discrepancy
from rollout.gates.latency import latency
from rollout.gates.load import load
from rollout.gates.metrics import metric_gates, metric_title
from rollout.gates.reading import convergence_of, fleet_connected, observed_of, read_context
from rollout.gates.recording import Recorded
from rollout.gates.routes import replayed
from rollout.gates.step import bake, proxies, split
from rollout.lifecycle import gated_place
from rollout.models import ServiceMigration

__all__ = [
    "CHECKLIST_GROUP",
    "GATES",
    "STEP_GROUP",
    "TITLES",
    "Context",
    "Gate",
    "GateResult",
    "Recorded",
    "convergence_of",
    "evaluate",
    "evaluate_context",
    "evidence_sha256",
    "fleet_connected",
    "observed_of",
    "read_context",
    "title_of",
]


def evaluate(migration: ServiceMigration, *, now: datetime) -> list[GateResult]:
    """Evaluate every gate of the next place, checklist first."""
    return evaluate_context(read_context(migration, now=now))


def evaluate_context(context: Context) -> list[GateResult]:
    """Evaluate every gate on what was read."""
    context = replace(context, replayed=replayed(context))
    weights = context.policy.weights
    required = context.policy.required(gated_place(context.place, weights))
    results = []
    for gate in (*GATES, *metric_gates(context.policy)):
        evidence, routes = gate.evaluate(context)
        evidence = _latched(context, gate.key, evidence)
        results.append(
            GateResult(
                key=gate.key,
                title=gate.title,
                group=gate.group,
                measured=gate.measured,
                evidence=evidence,
                required=gate.key in required,
                waived=gate.key in context.waived,
                routes=routes,
            )
        )
    return results


def _latched(context: Context, key: str, evidence: Evidence) -> Evidence:
    """Let a FAIL stand until it is reset: counts that look better since prove nothing."""
    latch = context.latch(key)
    if latch.failed is None or latch.evidence is None or evidence.verdict is Verdict.FAIL:
        return evidence
    text = f"Failed at {latch.failed.since:%H:%M:%S} UTC and not reset: {latch.evidence.sentence}"
    return changed(latch.evidence, verdict=Verdict.FAIL, sentence=text, reasons=("latched",))


GATES: tuple[Gate, ...] = (
    Gate(
        "discrepancy",
        "Shadow discrepancy",
        CHECKLIST_GROUP,
        "answers of both sides to the same requests",
        discrepancy,
    ),
    Gate(
        "latency",
        "Latency in all percentiles",
        CHECKLIST_GROUP,
        "p50 to p99.9 against legacy",
        latency,
    ),
    *(
        Gate(key, title, CHECKLIST_GROUP, measured, check(key))
        for key, title, measured in (
            ("error_codes", "Error codes and messages", "provoked errors on both sides"),
            ("schema", "Schema compatibility", "OpenAPI against OpenAPI"),
            ("health", "Health endpoints", "health and readiness in every state"),
            ("log_format", "Log format", "log lines of both sides"),
        )
    ),
    Gate("load", "Load at 2 × production", CHECKLIST_GROUP, "the amplified mirror", load),
    Gate("errors", "Errors not worse", STEP_GROUP, "attempts on both sides", live.errors),
    Gate(
        "latency_regression",
        "Latency regression",
        STEP_GROUP,
        "slow requests on both sides",
        live.latency_regression,
    ),
    Gate("split", "Split as asked", STEP_GROUP, "distinct user keys per side", split),
    Gate("proxies", "Proxies in effect", STEP_GROUP, "acknowledgements of the fleet", proxies),
    Gate("bake", "Bake time and requests", STEP_GROUP, "the step's clock", bake),
)

# Of the gates that are there under any policy; `title_of` knows the policy's own too.
TITLES = {gate.key: gate.title for gate in GATES}


def title_of(key: str) -> str:
    """Return a gate's name for people, that of a policy's metric too; unknown ones stay."""
    return TITLES.get(key) or metric_title(key)
