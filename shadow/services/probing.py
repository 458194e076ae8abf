"""Probe both sides."""

import re
from datetime import datetime
from http import HTTPStatus

from shadow.http import fetch, fetch_all
from shadow.models import ProbeResult, ServicePair
from shadow.privacy import stored_text
from shadow.services.pairs import build_of, note_builds

METRICS_PATH = "/metrics"
METRICS_DEADLINE_S = 1.0
RESIDENT = re.compile(rb"^process_resident_memory_bytes ([0-9.e+]{1,25})$", re.MULTILINE)


def resident_bytes(url: str) -> int | None:
    """Return a service's resident memory as its Prometheus metrics tell it; None without."""
    answer = fetch(f"{url}{METRICS_PATH}", deadline_s=METRICS_DEADLINE_S)
    found = RESIDENT.search(answer.body) if answer.status == HTTPStatus.OK else None
    try:
        return int(float(found[1])) if found else None
    except (ValueError, OverflowError):
        return None


def record_probes(*, pair: ServicePair, now: datetime) -> list[ProbeResult]:
    """Probe health and readiness of both sides once, keep the results, and note their builds."""
    sides = (("legacy", pair.legacy_url), ("candidate", pair.candidate_url))
    asked = [
        (side, url, path) for side, url in sides for path in (pair.health_path, pair.ready_path)
    ]
    answers = fetch_all([f"{url}{path}" for _, url, path in asked])
    results = [
        ProbeResult(
            pair=pair,
            side=side,
            endpoint=path,
            at=now,
            status=answer.status,
            duration_us=answer.duration_us,
            body=stored_text(answer.body)[:2000],
            build=build_of(answer),
            error=answer.error,
        )
        for (side, _, path), answer in zip(asked, answers, strict=True)
    ]
    ProbeResult.objects.bulk_create(results)
    note_builds(pair=pair, legacy=results[0].build, candidate=results[2].build)
    return results
