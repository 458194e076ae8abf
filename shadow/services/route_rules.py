"""The rules of routes: read once per batch, and changed in one step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F

from shadow.comparison import RuleError, Rules, rules_of
from shadow.models import RouteRule, ServicePair
from shadow.privacy import NOTHING_MORE, RedactError, Redaction, read_redaction

log = structlog.get_logger(__name__)

FIELDS = ("atol", "ignore", "rules", "redact")
# What decides whether two answers match; the rest decides what is kept of them.
JUDGING = ("atol", "ignore", "rules")


@dataclass(frozen=True, slots=True)
class RouteJudge:
    """How one route compares and what it keeps to itself; `rules` is None when unreadable."""

    rules: Rules | None
    redaction: Redaction


# A pair outside of every route is compared by the default, and keeps what is kept of any.
OTHER = RouteJudge(Rules(), NOTHING_MORE)


@dataclass(frozen=True, slots=True)
class PairJudge:
    """One service pair with the rules of its routes, as they stood at one moment."""

    pair: ServicePair
    routes: Mapping[str, RouteJudge]


def judge_of(rule: RouteRule) -> RouteJudge:
    """Return a route's rules as they are applied."""
    try:
        redaction = read_redaction(rule.redact)
        rules = rules_of(
            atol=rule.atol, ignore=rule.ignore, rules=rule.rules, redact=redaction.paths
        )
    except (RuleError, RedactError) as exc:
        # Cannot be written through any door of ours; never a reason to call answers equal.
        log.error("unreadable_rules", route=rule.label, reason=str(exc))  # noqa: TRY400
        return RouteJudge(None, EVERYTHING)
    return RouteJudge(rules, redaction)


# Nothing of the bodies is kept while it is unknown what must not be.
EVERYTHING = Redaction(paths=((),))


def read_judges(streams: Collection[str]) -> dict[str, PairJudge]:
    """Return the pairs behind these streams; one statement reads a pair and its rules together."""
    found: dict[str, tuple[ServicePair, dict[str, RouteJudge]]] = {}
    rows = RouteRule.objects.filter(pair__stream__in=streams).select_related("pair")
    for rule in rows:
        pair, routes = found.setdefault(rule.pair.stream, (rule.pair, {}))
        routes[rule.label] = judge_of(rule)
    for pair in ServicePair.objects.filter(stream__in=set(streams) - found.keys()):
        found[pair.stream] = (pair, {})
    return {stream: PairJudge(pair, routes) for stream, (pair, routes) in found.items()}


def check_columns(values: Mapping[str, Any]) -> None:
    """Raise RuleError, naming the field, for columns of a route that cannot be used."""
    redact = values.get("redact", [])
    if not isinstance(redact, list) or not all(isinstance(entry, str) for entry in redact):
        raise RuleError("redact", "expected a list of JSON paths and header:<name>")
    try:
        read_redaction(redact)
    except RedactError as exc:
        raise RuleError("redact", str(exc)) from exc
    ignore = values.get("ignore", [])
    if not isinstance(ignore, list) or not all(isinstance(path, str) for path in ignore):
        raise RuleError("ignore", "expected a list of JSON paths")
    rules_of(atol=values.get("atol", 0), ignore=ignore, rules=values.get("rules", []))


def columns_of(rule: RouteRule, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a route as they would be; RuleError for a change that is none."""
    after = {name: changes.get(name, getattr(rule, name)) for name in FIELDS}
    check_columns(after)
    return after


def change_rules(*, rule: RouteRule, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Put other rules of a route in force, and return the names of the columns that differ.

    When any of them judges, the pair's revision counts on: what was decided before is history.
    """
    after = columns_of(rule, changes)
    differ = tuple(name for name in FIELDS if getattr(rule, name) != after[name])
    with transaction.atomic():
        RouteRule.objects.filter(pk=rule.pk).update(**after)
        if set(differ) & set(JUDGING):
            ServicePair.objects.filter(pk=rule.pair_id).update(
                rules_revision=F("rules_revision") + 1
            )
    return differ
