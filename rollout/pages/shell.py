"""What stands around every page: navigation, environment, the reader, the policy's label."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from rollout import readings
from rollout.lifecycle import Action
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts.shell import Nav, NavItem, Shell
from rollout.pages.heads import policy_label
from rollout.pages.states import Standing, standing_of_row, where
from rollout.policy import DEMO, Policy
from rollout.readings import NAV_MAX, NavRow

URGENCY = ("fail", "stale", "go", "hold", "inc", "col", "none", "pass")


def show(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    shell: Shell | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a page inside its shell, or a fragment without one."""
    values = dict(context)
    if shell is not None:
        values["shell"] = shell
    return render(request, template, values, status=status)


def build_shell(
    reader: Reader,
    *,
    section: str = "",
    at: str = "",
    rows: list[NavRow] | None = None,
    live: bool = True,
) -> Shell:
    """Build the shell; `at` is the migration whose page this is."""
    found = readings.fleet_rows() if rows is None else rows
    events = reverse("pages:events", args=[at]) if at else reverse("pages:fleet_events")
    return Shell(
        section=section,
        environment=settings.ENVIRONMENT_NAME,
        user=reader.name,
        initials=words.initials(reader.name),
        role=reader.role.value,
        nav=build_nav(found, reader, at=at),
        clock=words.clock(reader.now, reader.zone, seconds=True),
        policy_label=label_of(found),
        events_url=events if live else "",
        can_create=reader.can(Action.CREATE),
        approvals=readings.waiting_approvals(name=reader.name, now=reader.now)
        if reader.can(Action.GRANT_APPROVAL)
        else 0,
    )


def label_of(rows: list[NavRow]) -> str:
    """Return the demo policy's label when any migration runs under it."""
    demo = any(row.policy.get("name") == DEMO.name for row in rows)
    return policy_label(DEMO) if demo else ""


def build_nav(rows: list[NavRow], reader: Reader, *, at: str) -> Nav:
    """List the most urgent migrations, and always the one the reader looks at."""
    ranked = sorted(
        ((standing_of_row(row, now=reader.now), row) for row in rows),
        key=lambda pair: (URGENCY.index(pair[0].status), pair[1].slug),
    )
    shown = ranked[:NAV_MAX]
    if at and all(row.slug != at for _, row in shown):
        shown += [pair for pair in ranked if pair[1].slug == at]
    return Nav(
        items=tuple(_item(line, row, at) for line, row in shown),
        more=max(0, len(rows) - len(shown)),
        carrying=sum(1 for row in rows if row.weight and row.phase != "decommissioned"),
        at=at,
    )


def _item(line: Standing, row: NavRow, at: str) -> NavItem:
    return NavItem(row.slug, line.status, where(row.phase, row.weight), current=row.slug == at)


def step_count(policy: Mapping[str, Any]) -> int:
    """Return how many canary steps a stored policy has."""
    return len(Policy.from_dict(policy).steps)
