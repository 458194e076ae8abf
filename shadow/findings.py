"""Readings of what was found: top causes, noise with proposals, examples under other rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum

from shadow.comparison.answers import Answer
from shadow.comparison.documents import rules_of
from shadow.comparison.preview import Example, Judged, preview
from shadow.comparison.proposals import propose
from shadow.models import (
    KeptPair,
    MatchSample,
    MismatchGroup,
    MismatchSample,
    PairBlock,
    RouteRule,
    ServicePair,
)
from shadow.privacy import MAX_STORED_CHARS, read_redaction
from shadow.queries import LIVE_KINDS

MAX_EXAMPLES = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause with its share of its route's compared pairs, 0 to 1."""

    group: MismatchGroup
    compared: int

    @property
    def share(self) -> float | None:
        """Pairs that show it / compared pairs; None while none are counted."""
        return self.group.count / self.compared if self.compared else None


@dataclass(frozen=True, slots=True)
class Noise:
    """A place in which legacy differs from itself, and a rule that would let that pass."""

    cause: Cause
    proposal: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Kept:
    """One judged example and the row it came from."""

    judged: Judged
    row: KeptPair


def top_causes(
    *,
    pair: ServicePair,
    since: datetime | None,
    kinds: Sequence[str] = LIVE_KINDS,
    limit: int = 100,
) -> list[Cause]:
    """Return the causes of the present builds and rules, most frequent first.

    `since` is when their evidence began; pairs of blocks from then on are what shares are of.
    """
    start = int(since.timestamp()) if since else 0
    groups = MismatchGroup.objects.filter(
        pair=pair, builds=pair.builds, rules=pair.rules_revision, pair_kind__in=kinds
    ).order_by("-count", "route", "path")[:limit]
    rows = (
        PairBlock.objects.filter(pair=pair, builds=pair.builds, kind__in=kinds, start__gte=start)
        .values("route", "kind")
        .annotate(total=Sum("compared"))
    )
    compared = {(row["route"], row["kind"]): row["total"] or 0 for row in rows}
    return [Cause(g, max(g.count, compared.get((g.route, g.pair_kind), 0))) for g in groups]


def noise(*, pair: ServicePair, since: datetime | None) -> list[Noise]:
    """Return where legacy differs from itself, each with a proposed rule document or None.

    Nothing of this is subtracted from anything: a proposal is for a person to put in force.
    """
    return [
        Noise(
            cause,
            propose(
                path=cause.group.path,
                kind=cause.group.kind,
                max_distance=cause.group.max_distance,
            ),
        )
        for cause in top_causes(pair=pair, since=since, kinds=("noise",))
    ]


def route_of(*, pair: ServicePair, route_id: int) -> RouteRule | None:
    """Return one route of the pair."""
    return RouteRule.objects.select_related("pair").filter(pair=pair, pk=route_id).first()


def routes_of(*, pair: ServicePair) -> list[RouteRule]:
    """Return the pair's routes by path and method."""
    return list(RouteRule.objects.filter(pair=pair).order_by("path", "method"))


def preview_rules(*, rule: RouteRule, columns: Mapping[str, Any]) -> list[Kept]:
    """Judge the route's kept examples by other columns; the rules in force stay as they are.

    Raises RuleError for columns that cannot be used.
    """
    rows = _kept(rule)
    judged = preview(
        (_example(key, was, row) for key, was, row in rows),
        present=_rules(rule, {}),
        proposed=_rules(rule, columns),
    )
    return [Kept(one, row) for one, (_, _, row) in zip(judged, rows, strict=True)]


def _rules(rule: RouteRule, columns: Mapping[str, Any]) -> Any:
    values = {name: columns.get(name, getattr(rule, name)) for name in ("atol", "ignore", "rules")}
    return rules_of(**values, redact=read_redaction(rule.redact).paths)


def _kept(rule: RouteRule) -> list[tuple[str, str, KeptPair]]:
    mismatches = MismatchSample.objects.filter(
        group__pair=rule.pair,
        group__route=rule.label,
        group__builds=rule.pair.builds,
        group__rules=rule.pair.rules_revision,
        group__pair_kind__in=LIVE_KINDS,
    ).order_by("-at", "pk")[:MAX_EXAMPLES]
    # A pair that shows several causes is kept by each; it is one example.
    found = {row.sample_id: ("mismatch", row) for row in reversed(list(mismatches))}
    matches = MatchSample.objects.filter(pair=rule.pair, route=rule.label).order_by("-at", "pk")
    kept: list[tuple[str, str, KeptPair]] = [(key, was, row) for key, (was, row) in found.items()]
    return kept + [(row.sample_id, "match", row) for row in matches[:MAX_EXAMPLES]]


def _example(key: str, was: str, row: KeptPair) -> Example:
    return Example(
        key,
        was,
        _answer(row.legacy_status, row.legacy_headers, row.legacy_body),
        _answer(row.candidate_status, row.candidate_headers, row.candidate_body),
    )


def _answer(status: int, headers: Sequence[Sequence[str]], body: str) -> Answer:
    """Return a kept answer as it would be compared: bodies are kept decoded, some of them cut."""
    about_the_wire = {"content-encoding", "content-length"}
    said = tuple((name, value) for name, value in headers if name not in about_the_wire)
    return Answer(status, said, body.encode(), truncated=len(body) >= MAX_STORED_CHARS)
