"""The report: one printable document of a migration's way, also the record of its end."""

from collections.abc import Sequence
from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from rollout import readings
from rollout.lifecycle import Action, Phase
from rollout.models import Decision, ServiceMigration
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.charts import weight_steps
from rollout.pages.contexts.parts import EntryGate, Fact, Html
from rollout.pages.contexts.report import Report, ReportRow
from rollout.pages.gate_rows import measured_of
from rollout.pages.heads import decision_words
from rollout.pages.ledger_rows import gate_row
from rollout.pages.migration import view_of
from rollout.pages.scorecard import scorecard_table
from rollout.pages.shell import build_shell, show
from rollout.pages.states import said_of
from rollout.queries import MigrationView, scorecard_rows

MOVES = frozenset(
    {"start", "promote", "override", "roll_back", "decommission", "abandon", "hold", "resume"}
)
RESTING = frozenset({"promote", "override", "decommission"})
OUTCOMES = {
    Phase.DECOMMISSIONED: ("pass", "Done", "legacy decommissioned"),
    Phase.FULL: ("pass", "At 100%", "legacy stands by"),
    Phase.ABANDONED: ("none", "Given up", "users stayed on legacy"),
}


@require_safe
@page
def report(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/report/, or with ?format=json the same facts for programs."""
    view = view_of(slug, reader)
    built = _report(view, reader)
    if request.GET.get("format") == "json":
        return JsonResponse(_document(built), json_dumps_params={"indent": 1})
    shell = build_shell(reader, at=slug, live=False)
    return show(request, "pages/report.html", {"page": built}, shell=shell)


def _report(view: MigrationView, reader: Reader) -> Report:
    m = view.migration
    decisions = readings.decisions_in_order(m.pk)
    head_seq, head_hash = readings.ledger_head()
    last = decisions[-1].at if decisions else m.created_at
    resting = next((d for d in reversed(decisions) if d.action in RESTING), None)
    first, newest = readings.entry_span(m.slug)
    day = f"{m.created_at.astimezone(reader.zone):%d %B} to {last.astimezone(reader.zone):%d %B %Y}"
    legacy = m.pair.legacy_build or "build unknown"
    candidate = m.pair.candidate_build or "build unknown"
    return Report(
        slug=m.slug,
        title=f"{m.title or m.slug}, migration report",
        identity=f"{legacy} to {candidate}, {day}, owner {m.team}",
        written=f"Written by Banyan, {words.moment_words(reader.now, reader.zone, reader.now)}",
        entries=f"Entries #{first} to #{newest}",
        stats=_stats(view, decisions, last),
        timeline=_timeline(m, decisions, reader),
        decisions=tuple(_decision(d, reader) for d in decisions if d.action in MOVES),
        evidence_title=_evidence_title(resting, reader),
        evidence=_evidence(view, resting),
        scorecard=scorecard_table(scorecard_rows(m)),
        accepted=_accepted(m, decisions, reader),
        chain=f"{words.count(head_seq)} entries, each holding the hash of the one before it. "
        "Check it from the exported log, with nothing of Banyan’s but one file:",
        head=f"head #{head_seq} sha256 {head_hash}",
        command="python verify_audit.py ledger.jsonl",
        people=_people(decisions, reader),
        json_url=reverse("pages:report", args=[m.slug]) + "?format=json",
    )


def _stats(view: MigrationView, decisions: Sequence[Decision], last: datetime) -> tuple[Fact, ...]:
    m = view.migration
    status, outcome, note = OUTCOMES.get(view.place.phase, ("col", "Under way", "not at its end"))
    compared = int(view.evidence.overall.compared.sum())
    differ = int(view.evidence.overall.mismatched.sum())
    took = (last - m.created_at).total_seconds()
    backs = sum(1 for d in decisions if d.action == Action.ROLL_BACK)
    overrides = sum(1 for d in decisions if d.action == Action.OVERRIDE)
    waivers = sum(1 for d in decisions if d.action == Action.WAIVE)
    latency = next((r for r in view.gates if r.key == "latency"), None)
    p99 = next((p for p in latency.evidence.parts if p.name == "p99"), None) if latency else None
    faster, pair = "no data", ""
    if p99 and p99.value_legacy and p99.value_candidate:
        faster = f"{words.times(p99.value_legacy / p99.value_candidate)} faster"
        pair = f"{words.millis(p99.value_legacy)} → {words.millis(p99.value_candidate)}"
    return (
        Fact("Outcome", outcome, note, status),
        Fact("In total", words.duration(took), words.plural(len(decisions), "decision")),
        Fact("p99", faster, pair),
        Fact(
            "Compared",
            words.count(compared),
            f"{words.rate(differ / compared)} differed" if compared else "",
        ),
        Fact(
            "Not as planned",
            words.plural(backs, "roll back"),
            f"{words.plural(overrides, 'override')}, {words.plural(waivers, 'waiver')}",
        ),
    )


def _timeline(m: ServiceMigration, decisions: Sequence[Decision], reader: Reader) -> Html:
    begin = m.created_at.timestamp()
    ended = m.phase in {Phase.DECOMMISSIONED, Phase.ABANDONED}
    end = (decisions[-1].at if ended and decisions else reader.now).timestamp()
    span = max(1.0, end - begin)
    moves = [(0.0, 0.0)] + [
        ((d.at.timestamp() - begin) / span, float(d.to_place.get("weight", 0))) for d in decisions
    ]
    steps = [
        (at, after, weight)
        for (at, weight), (after, _) in zip(moves, [*moves[1:], (1.0, 0.0)], strict=True)
    ]
    said = [
        words.moment_words(moment, reader.zone, reader.now)
        for moment in (m.created_at, decisions[-1].at if ended and decisions else reader.now)
    ]
    label = "Candidate share of users over time: " + ", ".join(
        f"{weight:.0f}%" for _, weight in moves[1:]
    )
    return Html(weight_steps(steps, label=label, times=((0.0, said[0]), (1.0, said[1]))))


def _decision(d: Decision, reader: Reader) -> ReportRow:
    return ReportRow(
        when=words.moment_words(d.at, reader.zone, reader.now),
        what=decision_words(d),
        why=d.reason,
        people=", ".join(filter(None, (d.actor, readings.approver_of(d)))),
        entry=f"#{d.entry_id}",
    )


def _evidence_title(resting: Decision | None, reader: Reader) -> str:
    if resting is None:
        return "Evidence now"
    at = words.moment_words(resting.at, reader.zone, reader.now)
    return f"Evidence of the last move, {decision_words(resting)}, {at}"


def _evidence(view: MigrationView, resting: Decision | None) -> tuple[EntryGate, ...]:
    if resting is not None:
        rows = list(resting.evaluations.filter(route="").order_by("gate"))
        if rows:
            return tuple(gate_row(row) for row in rows)
    found = []
    for result in view.gates:
        if result.required:
            state = said_of(result.evidence)
            measured, limit = measured_of(result, state)
            n = words.count(result.evidence.n) if result.evidence.n else ""
            found.append(EntryGate(result.title, measured, limit, n, state.status, state.word))
    return tuple(found)


def _accepted(
    m: ServiceMigration, decisions: Sequence[Decision], reader: Reader
) -> tuple[ReportRow, ...]:
    """List what was not as planned: roll backs, overrides, waivers, other policies, resets."""
    kinds = {
        "roll_back": "Rolled back",
        "override": "Overridden",
        "waive": "Waived",
        "change_policy": "Policy",
        "change_rules": "Rules",
        "reset": "Judged anew",
    }
    return tuple(
        ReportRow(
            when=words.moment_words(d.at, reader.zone, reader.now),
            what=kinds[d.action],
            why=f"{decision_words(d)}. {d.reason}",
            people=", ".join(filter(None, (d.actor, readings.approver_of(d)))),
            entry=f"#{d.entry_id}",
        )
        for d in decisions
        if d.action in kinds
    )


def _people(decisions: Sequence[Decision], reader: Reader) -> tuple[Fact, ...]:
    """Say who made the last moves and who agreed, as the ledger has it."""
    found: list[Fact] = []
    for d in reversed(decisions):
        if d.action not in RESTING:
            continue
        at = words.moment_words(d.at, reader.zone, reader.now)
        found.append(Fact(d.actor, f"{decision_words(d)}, {at}"))
        if second := readings.approver_of(d):
            found.append(Fact(second, f"approved, {at}"))
    return tuple(found[:3])


def _document(built: Report) -> dict[str, object]:
    return {
        "migration": built.slug,
        "identity": built.identity,
        "entries": built.entries,
        "facts": {fact.name: [fact.value, fact.note] for fact in built.stats},
        "decisions": [
            {"when": r.when, "what": r.what, "why": r.why, "people": r.people, "entry": r.entry}
            for r in built.decisions
        ],
        "evidence": [
            {"gate": g.name, "measured": g.measured, "limit": g.limit, "verdict": g.word}
            for g in built.evidence
        ],
        "accepted": [
            {"kind": r.what, "what": r.why, "people": r.people, "entry": r.entry}
            for r in built.accepted
        ],
        "chain": built.head,
    }
