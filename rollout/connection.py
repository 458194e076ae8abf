"""What two services say about themselves before a migration exists: health and routes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout.exceptions import InvalidError
from shadow.addresses import AddressError, parse_address
from shadow.http import Fetched, fetch_all
from shadow.services import build_of

PATHS = ("/healthz", "/readyz", "/openapi.json")
OWN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/redoc"})
METHODS = ("get", "head", "post", "put", "patch", "delete")
READS = frozenset({"get", "head"})
MAX_ROUTES = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the test: `status` is pass, fail or over (a warning)."""

    status: str
    lead: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route that both documents, or legacy's alone, describe."""

    method: str
    path: str
    reads: bool
    on_both: bool


@dataclass(frozen=True, slots=True)
class Tested:
    """What a connection test brought."""

    findings: tuple[Finding, ...]
    routes: tuple[FoundRoute, ...]

    @property
    def passing(self) -> int:
        """How many lines are good."""
        return sum(1 for f in self.findings if f.status == "pass")


def check(*, legacy_url: str, candidate_url: str) -> Tested:
    """Ask both services for health, readiness and their OpenAPI document.

    Raises InvalidError for an address that cannot be used; whatever does not answer is a finding.
    """
    addresses = {
        "legacy_url": _address("legacy_url", legacy_url),
        "candidate_url": _address("candidate_url", candidate_url),
    }
    urls = [f"{url}{path}" for url in addresses.values() for path in PATHS]
    answers = fetch_all(urls)
    legacy, candidate = answers[: len(PATHS)], answers[len(PATHS) :]
    findings = [
        *(_health("Legacy", path, answer) for path, answer in zip(PATHS[:2], legacy, strict=False)),
        *(
            _health("Candidate", path, answer)
            for path, answer in zip(PATHS[:2], candidate, strict=False)
        ),
    ]
    routes = _routes(legacy[2], candidate[2])
    findings.append(_documents(legacy[2], candidate[2], routes))
    return Tested(tuple(findings), routes)


def _address(field: str, text: str) -> str:
    try:
        return parse_address(text.strip()).url
    except AddressError as exc:
        raise InvalidError(str(exc), field=field, code="bad_address") from exc


def _health(side: str, path: str, answer: Fetched) -> Finding:
    took = f"{answer.duration_us / 1000:.0f} ms"
    if answer.status == 200:  # noqa: PLR2004  # healthy
        build = build_of(answer)
        named = f", build {build}" if build else ""
        return Finding("pass", "", f"{side} {path} answers 200{named}", took)
    if answer.status:
        needs = " The canary needs it to know when an instance may take traffic."
        lead = f"{side} {path} answers {answer.status}."
        return Finding("fail", lead, needs.strip(), str(answer.status))
    return Finding("fail", f"{side} does not answer {path}.", _why(answer), "")


def _why(answer: Fetched) -> str:
    return f"{answer.error.replace('_', ' ').capitalize()}."


def _operations(answer: Fetched) -> dict[tuple[str, str], Mapping[str, Any]]:
    try:
        paths = json.loads(answer.body)["paths"]
        return {
            (method, path): operation
            for path, item in paths.items()
            for method, operation in item.items()
            if method in METHODS and path not in OWN_PATHS and isinstance(operation, dict)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _routes(legacy: Fetched, candidate: Fetched) -> tuple[FoundRoute, ...]:
    ours, theirs = _operations(candidate), _operations(legacy)
    found = [
        FoundRoute(method.upper(), path, method in READS, (method, path) in ours)
        for method, path in sorted(theirs, key=lambda key: (key[1], key[0]))
    ]
    return tuple(found[:MAX_ROUTES])


def _documents(legacy: Fetched, candidate: Fetched, routes: tuple[FoundRoute, ...]) -> Finding:
    both = sum(1 for r in routes if r.on_both)
    if routes and both == len(routes):
        said = f"Both serve an OpenAPI document, {both} of {len(routes)} routes in common"
        return Finding("pass", "", said, f"{both} of {len(routes)}")
    if not _operations(legacy):
        said = "Legacy serves no OpenAPI document."
        return Finding("over", said, "Write the routes by hand.", str(legacy.status or ""))
    said = f"{len(routes) - both} of {len(routes)} routes are not in the candidate’s document."
    return Finding("over", said, "Requests there would differ.", str(candidate.status or ""))
