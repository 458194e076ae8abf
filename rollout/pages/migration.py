"""A migration's pages: overview and shadow, and the fragments that refetch themselves."""

from collections.abc import Mapping, Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from rollout import queries, readings
from rollout.exceptions import RefusalError
from rollout.pages import evidence, gate_rows, heads, live, words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.head import Head
from rollout.pages.contexts.overview import Overview
from rollout.pages.contexts.shadow import Sample, Shadow
from rollout.pages.heads import Beside
from rollout.pages.shell import build_shell, show
from rollout.queries import MigrationView
from rollout.readings import ArmSeries
from shadow import queries as shadow_queries
from shadow.models import MismatchGroup

TABS = frozenset(
    {"overview", "shadow", "performance", "checklist", "scorecard", "audit", "settings"}
)


def view_of(slug: str, reader: Reader) -> MigrationView:
    """Read a migration or answer 404."""
    try:
        return queries.migration_view(slug, now=reader.now)
    except RefusalError as exc:
        raise Http404(exc.detail) from exc


def beside(view: MigrationView) -> Beside:
    """Read what stands beside the view: the share of late, causes, entries."""
    name = view.migration.split.name
    share = readings.recent_shares([name], now=view.now).get(name)
    pair = view.migration.pair
    return Beside(
        share=share[0] if share else None,
        rps=share[1] if share else None,
        causes=readings.cause_count(pair_id=pair.pk, builds=pair.builds),
        entries=readings.entry_count(view.migration.slug),
    )


def build_head(view: MigrationView, reader: Reader, tab: str) -> Head:
    """Build the head with what stands beside it."""
    return heads.head(view, reader, beside=beside(view), tab=tab)


@require_safe
@page
def overview(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/."""
    view = view_of(slug, reader)
    context = {"page": _overview(view, reader)}
    return show(request, "pages/overview.html", context, shell=build_shell(reader, at=slug))


def _overview(view: MigrationView, reader: Reader) -> Overview:
    near = beside(view)
    arms = _arms(view)
    tiles, window = live.tiles(view, arms)
    return Overview(
        head=heads.head(view, reader, beside=near, tab="overview"),
        rail=heads.rail(view, beside=near, zone=reader.zone),
        gates=gate_rows.gates_card(view, reader),
        tiles=tiles,
        tiles_window=window,
        health=live.health(queries.probes(view.migration), now=view.now),
        decisions=live.decision_rows(view.decisions[:6], zone=reader.zone, now=view.now),
        chart=live.mismatch_chart(view, zone=reader.zone),
    )


def _arms(view: MigrationView) -> Mapping[str, ArmSeries]:
    return readings.traffic_series(split=view.migration.split.name, now=view.now)


@require_safe
@page
def head(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the head alone."""
    tab = request.GET.get("tab", "")
    view = view_of(slug, reader)
    built = build_head(view, reader, tab if tab in TABS else "overview")
    return show(request, "fragments/head.html", {"head": built})


@require_safe
@page
def rail(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET phases and traffic bar alone."""
    view = view_of(slug, reader)
    built = heads.rail(view, beside=beside(view), zone=reader.zone)
    return show(request, "fragments/rail.html", {"rail": built})


@require_safe
@page
def gates(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the gates card alone."""
    built = gate_rows.gates_card(view_of(slug, reader), reader)
    return show(request, "fragments/gates.html", {"gates": built, "slug": slug})


@require_safe
@page
def aside(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the side column alone."""
    return show(request, "fragments/aside.html", {"page": _overview(view_of(slug, reader), reader)})


@require_safe
@page
def chart(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the mismatch chart alone."""
    built = live.mismatch_chart(view_of(slug, reader), zone=reader.zone)
    return show(request, "fragments/chart.html", {"chart": built})


@require_safe
@page
def shadow(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/shadow/?cause=&sample=."""
    context = {"page": _shadow(request, reader, slug)}
    return show(request, "pages/shadow.html", context, shell=build_shell(reader, at=slug))


@require_safe
@page
def shadow_stats(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the shadow summary alone."""
    found = evidence.stats(view_of(slug, reader))
    return show(request, "fragments/shadow_stats.html", {"stats": found})


@require_safe
@page
def causes(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the list of causes alone."""
    return show(request, "fragments/causes.html", {"page": _shadow(request, reader, slug)})


@require_safe
@page
def accounts(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the accounting alone."""
    found = evidence.accounts(view_of(slug, reader))
    return show(request, "fragments/accounts.html", {"accounts": found})


def _shadow(request: HttpRequest, reader: Reader, slug: str) -> Shadow:
    view = view_of(slug, reader)
    chosen = request.GET.get("cause", "")
    groups = queries.causes(view.migration)
    rows, current = evidence.cause_rows(groups, slug=slug, chosen=chosen)
    compared = int(view.evidence.overall.compared.sum())
    since = view.migration.shadow_since
    return Shadow(
        head=build_head(view, reader, "shadow"),
        stats=evidence.stats(view),
        chart=live.mismatch_chart(view, zone=reader.zone),
        causes=rows,
        causes_summary=_causes_summary(groups),
        empty_text=f"{words.count(compared)} answers compared since "
        f"{words.moment_words(since, reader.zone, view.now)}, all of them match."
        if compared and since
        else "Nothing compared yet.",
        ignored=readings.ignored_paths(pair_id=view.migration.pair_id),
        sample=_sample(request, reader, view, current),
        sample_empty="The first answers that differ are kept here."
        if current is None
        else "The examples of this cause have expired.",
        accounts=evidence.accounts(view),
        query=f"?cause={current.pk}" if current else "",
    )


def _causes_summary(groups: Sequence[MismatchGroup]) -> str:
    if not groups:
        return ""
    total = sum(g.count for g in groups)
    return f"{words.plural(len(groups), 'group')}, {words.plural(total, 'difference')}"


def _sample(
    request: HttpRequest, reader: Reader, view: MigrationView, group: MismatchGroup | None
) -> Sample | None:
    if group is None:
        return None
    pair = view.migration.pair
    return evidence.sample_of(
        group,
        shadow_queries.samples(group_id=group.pk, pair=pair),
        slug=view.migration.slug,
        chosen=request.GET.get("sample", ""),
        reader=reader,
        tolerances=readings.tolerances(pair_id=pair.pk),
        ignored=readings.ignored_paths(pair_id=pair.pk),
    )
