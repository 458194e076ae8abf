"""Describe two services, test their addresses, and remember their builds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shadow.http import Fetched, fetch_all
from shadow.models import RouteRule, ServicePair
from shadow.pairs import BUILD_HEADER


@dataclass(frozen=True, slots=True)
class Connections:
    """What the connection test found: builds as reported, and problems in words."""

    legacy_build: str
    candidate_build: str
    problems: tuple[str, ...]


def create_pair(
    *,
    name: str,
    legacy_url: str,
    candidate_url: str,
    block_seconds: int,
    routes: Sequence[Mapping[str, Any]],
) -> ServicePair:
    """Describe two services and the routes they share."""
    pair = ServicePair.objects.create(
        name=name,
        stream=name,
        legacy_url=legacy_url,
        candidate_url=candidate_url,
        block_seconds=block_seconds,
    )
    RouteRule.objects.bulk_create(RouteRule(pair=pair, **route) for route in routes)
    return pair


def check_connections(pair: ServicePair) -> Connections:
    """Ask both services for health and readiness, and say in words what does not answer."""
    return check_addresses(
        legacy_url=pair.legacy_url,
        candidate_url=pair.candidate_url,
        health_path=pair.health_path,
        ready_path=pair.ready_path,
    )


def check_addresses(
    *, legacy_url: str, candidate_url: str, health_path: str, ready_path: str
) -> Connections:
    """Test two addresses that need not be stored yet."""
    sides = (("Legacy", legacy_url), ("Candidate", candidate_url))
    asked = [(side, url, path) for side, url in sides for path in (health_path, ready_path)]
    answers = fetch_all([f"{url}{path}" for _, url, path in asked])
    problems = [
        _problem(side, url, path, answer)
        for (side, url, path), answer in zip(asked, answers, strict=True)
        if answer.status != 200  # noqa: PLR2004  # healthy
    ]
    return Connections(build_of(answers[0]), build_of(answers[2]), tuple(problems))


def _problem(side: str, url: str, path: str, answer: Fetched) -> str:
    if answer.status:
        return f"{side} {path} answers {answer.status}, expected 200."
    return f"{side} does not answer at {url}{path}: {answer.error.replace('_', ' ')}."


def build_of(answer: Fetched) -> str:
    """Return the build an answer names, by header, else in its health body."""
    named = answer.headers.get(BUILD_HEADER, "")
    if not named:
        try:
            body = orjson.loads(answer.body)
            named = str(body.get("build") or body.get("version") or "")
        except (ValueError, AttributeError):
            named = ""
    return named[:100]


def note_builds(*, pair: ServicePair, legacy: str, candidate: str) -> None:
    """Remember the builds both sides report; from here on, evidence of other builds is history."""
    ServicePair.objects.filter(pk=pair.pk).update(
        legacy_build=legacy or pair.legacy_build,
        candidate_build=candidate or pair.candidate_build,
        probing=True,
    )
