"""Gates on the policy's own metrics: stored readings, judged by `judge.metric`."""

from collections.abc import Callable, Sequence

from judge import metric
from judge.evidence import Evidence
from judge.metric import MetricPolicy
from judge.verdict import Verdict, worst
from rollout.gates.base import STEP_GROUP, Context, Gate, Judged, changed, simple_evidence
from rollout.models import MetricReading
from rollout.policy import MetricRule, Policy
from rollout.policy_parts import METRIC_PREFIX

MAX_REASONS = 5


def metric_title(key: str) -> str:
    """Name the gate of a metric for people: "Metric p99-latency"; other keys stay."""
    if not key.startswith(METRIC_PREFIX):
        return key
    return f"Metric {key.removeprefix(METRIC_PREFIX)}"


def metric_gates(policy: Policy) -> tuple[Gate, ...]:
    """Return a gate for each metric of the policy, in its order."""
    return tuple(
        Gate(rule.gate, metric_title(rule.gate), STEP_GROUP, _measured(rule), _gate(rule))
        for rule in policy.metrics
    )


def _measured(rule: MetricRule) -> str:
    return f"{rule.provider}: {rule.query[:80]}"


def _gate(rule: MetricRule) -> Callable[[Context], Judged]:
    def evaluate(context: Context) -> Judged:
        found = {
            route: rows for (name, route), rows in context.metrics.items() if name == rule.name
        }
        if not found:
            text = f"{rule.name} is asked for each route, and no route is safe to duplicate."
            return simple_evidence(metric.RULE, Verdict.INCONCLUSIVE, text), ()
        judged = [(route, _judge(context, rule, route, rows)) for route, rows in found.items()]
        if not rule.per_route:
            return judged[0][1], ()
        return _overall(judged), tuple(judged)

    return evaluate


def _judge(
    context: Context, rule: MetricRule, route: str, rows: Sequence[MetricReading]
) -> Evidence:
    since = context.latch(rule.gate).since
    documents = [
        {"at": row.at.timestamp(), **row.samples} for row in rows if since is None or row.at > since
    ]
    return context.recorder.judge(
        rule.gate,
        route,
        (metric.RULE, metric.RULE_VERSION, metric.judge_metric),
        name=f"metric {rule.name}" + (f" of {route}" if route else ""),
        query=rows[0].query if rows else f"candidate: {rule.query}",
        readings=metric.read_readings(documents),
        policy=MetricPolicy(
            compare=rule.compare,
            threshold=rule.threshold,
            readings=rule.readings,
            max_age_s=rule.max_age_s,
            min_count=rule.min_count,
            may_be_negative=rule.may_be_negative,
        ),
        now=context.now.timestamp(),
    )


def _overall(judged: Sequence[tuple[str, Evidence]]) -> Evidence:
    """Return the worst route's evidence; the others are named when they do not pass."""
    verdict = worst(evidence.verdict for _, evidence in judged)
    first = next(evidence for _, evidence in judged if evidence.verdict is verdict)
    others = [e.sentence for _, e in judged if e.verdict is not Verdict.PASS and e is not first]
    return changed(first, verdict=verdict, reasons=(*first.reasons, *others[:MAX_REASONS]))
