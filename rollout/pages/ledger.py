"""The audit log: filtered and paged by the URL, an opened entry, the check of the chain, export."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit import queries as log
from audit.models import LedgerEntry
from rollout import readings
from rollout.pages import ledger_rows, words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.head import Head
from rollout.pages.contexts.ledger import Audit, Chain, Filters
from rollout.pages.contexts.parts import Choice
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show

PAGE_SIZE = 30
CHECKED_KEY = "ledger-checked"
KEPT_SECONDS = 86_400
PERIODS = {"": "Any time", "1": "Last 24 h", "7": "Last 7 days", "30": "Last 30 days"}
FIELDS = ("q", "migration", "actor", "action", "days", "before", "open")


@require_safe
@page
def audit(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET /audit/."""
    context = {"page": _audit(request, reader, slug="", head=None)}
    return show(request, "pages/audit.html", context, shell=build_shell(reader, section="audit"))


@require_safe
@page
def migration_audit(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/audit/."""
    head = build_head(view_of(slug, reader), reader, "audit")
    context = {"page": _audit(request, reader, slug=slug, head=head)}
    return show(request, "pages/audit.html", context, shell=build_shell(reader, at=slug))


@require_safe
@page
def entry(request: HttpRequest, reader: Reader, number: int) -> HttpResponse:
    """GET /audit/<n>/: one entry, for links in chat."""
    try:
        log.get(number)
    except LedgerEntry.DoesNotExist as exc:
        raise Http404("no such entry") from exc
    asked = {"before": str(number + 1), "open": str(number), "one": "1"}
    context = {"page": _audit(request, reader, slug="", head=None, asked=asked)}
    return show(request, "pages/audit.html", context, shell=build_shell(reader, section="audit"))


@require_safe
@page
def newer(request: HttpRequest, reader: Reader) -> HttpResponse:  # all may read
    """GET how many entries came after the list was drawn; the list itself never moves."""
    since, slug = _number(request.GET.get("after", "")) or 0, request.GET.get("slug", "")[:60]
    count = readings.newer_count(since, slug)
    to = reverse("pages:migration_audit", args=[slug]) if slug else reverse("pages:audit")
    return show(request, "fragments/newer.html", {"count": count, "url": to})


@require_POST
@page
def verify(request: HttpRequest, reader: Reader) -> HttpResponse:
    """POST: check every entry now."""
    report = log.verify()
    kept = {
        "ok": report.verified,
        "entries": report.entries,
        "text": report.text,
        "first_bad": report.first_bad_seq,
        "at": reader.now,
        "seconds": report.seconds,
        "unguarded": len(report.unguarded),
    }
    cache.set(CHECKED_KEY, kept, KEPT_SECONDS)
    if not reader.htmx:
        return HttpResponseRedirect(reverse("pages:audit"))
    context = {"chain": _chain(reader), "url": reverse("pages:verify")}
    return show(request, "fragments/chain.html", context)


@require_safe
@page
def export(request: HttpRequest, reader: Reader) -> StreamingHttpResponse:  # signed in is enough
    """GET the whole log, for the stand-alone verifier."""
    return StreamingHttpResponse(
        (f"{line.rstrip()}\n" for line in log.export_lines()),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="banyan-audit.jsonl"'},
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004  # below 2^63


def _audit(
    request: HttpRequest,
    reader: Reader,
    *,
    slug: str,
    head: Head | None,
    asked: dict[str, str] | None = None,
) -> Audit:
    sent = asked or {k: request.GET.get(k, "")[:120] for k in FIELDS if request.GET.get(k)}
    before = _number(sent.get("before", ""))
    one = "one" in sent
    found = log.list_entries(
        filters=_filters(sent, slug, reader), before=before, size=1 if one else PAGE_SIZE
    )
    query = {k: v for k, v in sent.items() if k in FIELDS and k != "open"}
    total = log.head().seq
    base = reverse("pages:migration_audit", args=[slug]) if slug else reverse("pages:audit")
    older = {**query, "before": str(found.before)} if found.before and not one else {}
    newest = {k: v for k, v in query.items() if k != "before"}
    shown = words.plural(len(found.entries), "entry", "entries")
    after = found.entries[0].seq if found.entries else total
    counting = urlencode({"after": after, "slug": slug})
    return Audit(
        head=head,
        chain=_chain(reader),
        filters=_choices(sent, slug, base),
        days=_days(found.entries, sent, query, reader),
        count=f"{shown} of {words.count(total)}" if not slug else shown,
        newer_url=f"{base}?{urlencode(newest)}" if before else "",
        older_url=f"{base}?{urlencode(older)}" if older else "",
        export_url=reverse("pages:export"),
        verify_url=reverse("pages:verify"),
        newer_count_url="" if before else f"{reverse('pages:newer')}?{counting}",
    )


def _days(
    entries: tuple[LedgerEntry, ...], sent: dict[str, str], query: dict[str, str], reader: Reader
) -> tuple[Any, ...]:
    chosen = _number(sent.get("open", ""))
    rows = []
    for one in entries:
        row = ledger_rows.entry_row(one, reader, query=query)
        if one.seq == chosen:
            row = ledger_rows.opened(
                row,
                one,
                decision=readings.decision_of(one.seq),
                previous=readings.previous_hash(one.seq),
                reader=reader,
                query=query,
            )
        rows.append((one.at.astimezone(reader.zone).date(), row))
    return ledger_rows.days(rows, reader.now.astimezone(reader.zone).date())


def _filters(sent: dict[str, str], slug: str, reader: Reader) -> log.Filters:
    days = _number(sent.get("days", ""))
    return log.Filters(
        actor=sent.get("actor", ""),
        action=sent.get("action", ""),
        subject=slug or sent.get("migration", ""),
        text=sent.get("q", ""),
        since=reader.now - timedelta(days=min(days, 3650)) if days else None,
    )


def _choices(sent: dict[str, str], slug: str, base: str) -> Filters:
    def options(field: str, known: dict[str, str]) -> tuple[Choice, ...]:
        chosen = sent.get(field, "")
        listed = known if chosen in known else {**known, chosen: chosen}
        return tuple(Choice(value, label, value == chosen) for value, label in listed.items())

    people = {name: name for name in readings.people()}
    slugs = {} if slug else {name: name for name in readings.slugs()}
    return Filters(
        action_url=base,
        query=sent.get("q", ""),
        migrations=() if slug else options("migration", {"": "All migrations", **slugs}),
        actors=options("actor", {"": "Anyone", "automation:banyan": "Banyan", **people}),
        actions=options("action", ledger_rows.ACTIONS),
        periods=options("days", PERIODS),
        active=any(sent.get(k) for k in ("q", "migration", "actor", "action", "days")),
    )


def _chain(reader: Reader) -> Chain:
    """Say what is known of the chain: the last check that was asked for, never more."""
    head = log.head()
    kept = cache.get(CHECKED_KEY)
    of = f"{words.plural(head.seq, 'entry', 'entries')}, head {words.short_hash(head.hash)}"
    if not head.seq:
        return Chain("none", "The log is empty.", "The first decision opens it.")
    if not kept:
        return Chain("none", "Not checked yet.", f"{of}. {_anchor_words(reader)}")
    ago, anchor = words.ago(kept["at"], reader.now), _anchor_words(reader)
    if not kept["ok"]:
        return Chain(
            "fail",
            f"Chain broken at #{kept['first_bad']}: {kept['text']}.",
            "Export the log and tell security.",
        )
    rest = head.seq - kept["entries"]
    more = f", {rest} since then" if rest > 0 else ""
    return Chain("pass", "Chain verified.", f"{of}, checked {ago}{more}. {anchor}")


def _anchor_words(reader: Reader) -> str:
    """Say how far the log is vouched for outside its database, and what is wrong with that."""
    found = log.glance(now=reader.now)
    said = found.words(reader.now)
    line = f"{said[:1].upper()}{said[1:]}."
    if found.state == "freeze":
        return f"{line} Promotion is off: {found.reason}."
    if found.promotion_closed:
        return f"{line} Promotion is off, {found.reason}."
    return f"{line} {found.reason[:1].upper()}{found.reason[1:]}." if found.reason else line
