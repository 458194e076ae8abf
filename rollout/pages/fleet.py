"""The fleet: what needs a person first, then what collects evidence, then what is done."""

from collections.abc import Mapping, Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from rollout import readings
from rollout.gates import title_of
from rollout.lifecycle import Action, Phase
from rollout.pages import charts, words
from rollout.pages.access import Reader, page
from rollout.pages.closed import lower_first
from rollout.pages.contexts.fleet import Fleet, FleetRow, FleetSection
from rollout.pages.contexts.parts import Fact, Html
from rollout.pages.gate_rows import plain
from rollout.pages.shell import URGENCY, build_nav, build_shell, show, step_count
from rollout.pages.states import (
    ENDED,
    Standing,
    forecast_s,
    mark,
    standing_of_row,
    strip_words,
    target_words,
)
from rollout.readings import NavRow

NEEDS_YOU = frozenset({"fail", "stale", "go", "hold"})
OPENS = "Next step opens"
DONE = frozenset({Phase.FULL, Phase.DECOMMISSIONED, Phase.ABANDONED})


@require_safe
@page
def fleet(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET /fleet/?q=."""
    query = request.GET.get("q", "")[:60].strip()
    rows = readings.fleet_rows(query=query)
    around = readings.fleet_rows() if query else rows
    shell = build_shell(reader, section="fleet", rows=around)
    context = {"page": build_fleet(rows, reader, query=query)}
    return show(request, "pages/fleet.html", context, shell=shell)


@require_safe
@page
def rows(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET the fleet's lists alone."""
    query = request.GET.get("q", "")[:60].strip()
    found = build_fleet(readings.fleet_rows(query=query), reader, query=query)
    return show(request, "fragments/fleet.html", {"page": found})


@require_safe
@page
def nav(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET the sidebar's list alone."""
    at = request.GET.get("at", "")[:60]
    found = build_nav(readings.fleet_rows(), reader, at=at)
    return show(request, "fragments/nav.html", {"nav": found})


@require_safe
@page
def menu(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET the menu: a drawer over the page, or a page of its own."""
    shell = build_shell(reader, at=request.GET.get("at", "")[:60], live=False)
    template = "dialogs/drawer.html" if reader.htmx else "pages/menu.html"
    return show(request, template, {}, shell=shell)


def build_fleet(rows: list[NavRow], reader: Reader, *, query: str) -> Fleet:
    """Sort migrations into the three lists."""
    splits = [row.split for row in rows]
    shares = readings.recent_shares(splits, now=reader.now)
    p99 = readings.fleet_p99(splits, now=reader.now)
    lines = [(standing_of_row(row, now=reader.now), row) for row in rows]
    built = [
        (line, row, _row(line, row, reader, shares.get(row.split), p99.get(row.split, {})))
        for line, row in lines
    ]
    done = [r for line, row, r in built if row.phase in DONE and line.status == "pass"]
    drafts = [r for _, row, r in built if row.phase == Phase.DRAFT]
    urgent = sorted(
        (item for item in built if item[0].status in NEEDS_YOU and item[2] not in done),
        key=lambda item: (URGENCY.index(item[0].status), item[1].slug),
    )
    needs = [r for _, _, r in urgent]
    rest = [r for _, _, r in built if r not in needs and r not in done and r not in drafts]
    empty = not rows and not query
    facts = _installation(reader) if empty else ()
    ready = sum(1 for f in facts if f.status == "pass")
    return Fleet(
        summary=_summary(len(rows), len(needs), len(rest), len(done)) if rows else "",
        query=query,
        needs_you=tuple(needs),
        sections=_sections(rest, drafts, done),
        more_url="",
        can_create=reader.can(Action.CREATE),
        empty=empty,
        installation=facts,
        installation_ready=f"{ready} of {len(facts)} ready",
    )


def _sections(
    rest: Sequence[FleetRow], drafts: Sequence[FleetRow], done: Sequence[FleetRow]
) -> tuple[FleetSection, ...]:
    found = (
        FleetSection("c", "Collecting evidence", "nothing to do yet", tuple(rest), OPENS),
        FleetSection("n", "Drafts", "nothing is mirrored", tuple(drafts), OPENS),
        FleetSection("d", "Done", "the candidate serves everyone", tuple(done), "Since"),
    )
    return tuple(section for section in found if section.rows)


def _summary(total: int, needs: int, rest: int, done: int) -> str:
    parts = [
        f"{needs} {'needs' if needs == 1 else 'need'} you" if needs else "nothing needs you",
        f"{rest} {'is' if rest == 1 else 'are'} collecting evidence" if rest else "",
        f"{done} {'is' if done == 1 else 'are'} done" if done else "",
    ]
    said = ", ".join(p for p in parts if p)
    return f"{words.plural(total, 'migration')}. {said[0].upper()}{said[1:]}."


def _row(
    line: Standing,
    row: NavRow,
    reader: Reader,
    share: tuple[float, float] | None,
    p99: Mapping[str, float],
) -> FleetRow:
    overview = reverse("pages:overview", args=[row.slug])
    back = reader.can(Action.ROLL_BACK) and row.weight > 0
    ours = p99.get("candidate", p99.get("candidate_shadow"))
    legacy = p99.get("legacy")
    action, primary = _action(line)
    opens, opens_note = _opens(line, row, reader)
    return FleetRow(
        slug=row.slug,
        team=row.team,
        status=line.status,
        word=_word(line),
        phase=_phase(row),
        phase_note=_phase_note(row, reader),
        set_weight=row.weight,
        measured=share[0] if share else None,
        share_words=words.share(share[0]) if share else "no data",
        strip=Html(charts.gate_strip([mark(s.status) for _, s in line.gates])),
        strip_words=strip_words(line),
        p99=_p99(legacy, ours),
        p99_note=_faster(legacy, ours),
        opens=opens,
        opens_note=opens_note,
        sentence=_sentence(line, row),
        roll_back_url=reverse("pages:roll_back", args=[row.slug]) if back else "",
        action=action,
        action_url=overview,
        action_primary=primary and reader.can(Action.PROMOTE),
    )


def _word(line: Standing) -> str:
    if line.status == "fail":
        return f"{words.plural(line.failed, 'gate')} failed"
    if line.status == "go" and line.following:
        return f"Ready for {target_words(line.following)}"
    return line.pill if line.status != "stale" else "No data"


def _action(line: Standing) -> tuple[str, bool]:
    if line.status == "fail":
        return "Review failure", False
    if line.status == "go":
        return "Review and promote", True
    return ("Check mirror", False) if line.status == "stale" else ("Open", False)


def _sentence(line: Standing, row: NavRow) -> str:
    """Say the one thing that needs a person."""
    for status in ("fail", "err"):
        for key, said in line.gates:
            if said.status == status:
                found = row.evidence.get(key)
                said_so = plain(key, found) if found else ""
                return f"{title_of(key)}: {lower_first(said_so)}"
    if line.status == "hold":
        return f"Held by {row.held_by}: {row.held_reason}"
    if line.status == "stale":
        return "Gates have not been measured of late. No data is never a pass."
    if line.status == "go":
        return f"{line.passing} of {line.required} gates pass."
    return ""


def _phase(row: NavRow) -> str:
    return {
        Phase.DRAFT: "Draft",
        Phase.DUAL_RUN: "Dual-run",
        Phase.CANARY: "Canary",
        Phase.FULL: "Full migration",
        Phase.DECOMMISSIONED: "Decommissioned",
        Phase.ABANDONED: "Abandoned",
    }[Phase(row.phase)]


def _phase_note(row: NavRow, reader: Reader) -> str:
    if row.held and row.held_at:
        return f"held {words.duration((reader.now - row.held_at).total_seconds())}"
    if row.step is not None:
        return f"step {row.step + 1} of {step_count(row.policy)}"
    if row.phase == Phase.DUAL_RUN and row.shadow_since:
        elapsed = words.duration((reader.now - row.shadow_since).total_seconds())
        asked = row.policy.get("discrepancy", {}).get("min_window_s", 0)
        done = (reader.now - row.shadow_since).total_seconds() >= asked
        return elapsed if done else f"{elapsed} of {words.duration(asked)}"
    return ""


def _p99(legacy: float | None, ours: float | None) -> str:
    if legacy is None or ours is None:
        return "no data"
    return f"{words.millis(legacy).removesuffix(' ms')} → {words.millis(ours)}"


def _faster(legacy: float | None, ours: float | None) -> str:
    if not legacy or not ours:
        return ""
    if ours <= legacy:
        return f"{words.times(legacy / ours)} faster"
    return f"{words.times(ours / legacy)} slower"


def _opens(line: Standing, row: NavRow, reader: Reader) -> tuple[str, str]:
    if row.phase in ENDED:
        return {Phase.DRAFT: ("not started", "")}.get(Phase(row.phase), ("", ""))
    if line.following is None:
        at = row.placed_at
        return (words.moment_words(at, reader.zone, reader.now), "") if at else ("", "")
    to = f"to {target_words(line.following)}"
    waiting = [key for key, said in line.gates if said.status != "pass"]
    etas = [forecast_s(row.evidence[key]) if key in row.evidence else None for key in waiting]
    known = [eta for eta in etas if eta is not None]
    if not waiting:
        return "now", to
    if len(known) < len(etas):
        return "not yet known", to
    return f"in {words.duration(max(known))}", to


def _installation(reader: Reader) -> tuple[Fact, ...]:
    """Say what the installation has and lacks."""
    found = readings.installation(now=reader.now)
    return (
        Fact("Database and audit chain", f"entry #{found.ledger_seq}", status="pass"),
        Fact("Sign-in", words.plural(found.people, "person", "people"), status="pass"),
        Fact(
            "Proxies have checked in"
            if found.proxies_seen
            else "No proxy has checked in. Start an edge beside an Envoy.",
            f"{found.proxies_seen} of {found.proxies}",
            status="pass" if found.proxies_seen else "stale",
        ),
    )
