"""What the shadow never compared: routes, methods and classes of status, by name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum

from shadow.models import Exercise, ServicePair
from traffic.models import TrafficBlock

# Where legacy failed there is nothing to compare with, and 1xx and 3xx carry no answer to judge.
JUDGED_CLASSES = ("2xx", "4xx")
USERS = ("legacy", "candidate")
_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A route (method and path template) and a class of status, such as 4xx."""

    route: str
    status_class: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that was never compared: who knows of it, and how many requests users sent there."""

    place: Place
    documented: bool
    requests: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Places that are known, those compared with their counts, and the gaps, busiest first."""

    compared: Mapping[Place, int]
    gaps: tuple[Gap, ...]

    @property
    def known(self) -> int:
        """How many places are known of."""
        return len(self.compared) + len(self.gaps)


def coverage(
    *, documented: Iterable[Place], seen: Mapping[Place, int], compared: Mapping[Place, int]
) -> Coverage:
    """Set what is documented or seen at the edge against what was compared. Pure.

    Names of path parameters don't count: /items/{id} and /items/{item} are one route.
    """
    done = {_key(place): count for place, count in compared.items() if count}
    names: dict[tuple[str, str], Place] = {}
    written = {_key(place): place for place in documented}
    requests: dict[tuple[str, str], int] = {}
    for place, count in seen.items():
        requests[_key(place)] = requests.get(_key(place), 0) + count
        names.setdefault(_key(place), place)
    names |= written
    gaps = [
        Gap(place, key in written, requests.get(key, 0))
        for key, place in names.items()
        if key not in done and place.status_class in JUDGED_CLASSES
    ]
    gaps.sort(key=lambda gap: (-gap.requests, gap.place.route, gap.place.status_class))
    return Coverage(dict(compared), tuple(gaps))


def _key(place: Place) -> tuple[str, str]:
    return _PARAMETER.sub("{}", place.route), place.status_class


def places_of(operations: Iterable[tuple[str, str, Iterable[str]]]) -> list[Place]:
    """Return the places of documented operations: (method, path, response codes or ranges)."""
    return [
        Place(f"{method.upper()} {path}", f"{code[0]}xx")
        for method, path, codes in operations
        for code in dict.fromkeys(codes)
        if code[:1].isdigit()
    ]


def seen_at_the_edge(*, split: str, since: datetime) -> dict[Place, int]:
    """Return what users sent and how it was answered, per route, since a moment."""
    rows = TrafficBlock.objects.filter(
        split=split, arm__in=USERS, start__gte=int(since.timestamp())
    ).values_list("route", "status")
    found: dict[Place, int] = {}
    for route, status in rows.iterator():
        for status_class, count in status.items():
            if count:
                place = Place(route, status_class)
                found[place] = found.get(place, 0) + count
    return found


def exercised(*, pair: ServicePair) -> dict[Place, int]:
    """Return what was compared of the present builds, live and replayed."""
    rows = (
        Exercise.objects.filter(pair=pair, builds=pair.builds)
        .exclude(kind="noise")
        .values("route", "status_class")
        .annotate(total=Sum("count"))
    )
    return {Place(row["route"], row["status_class"]): row["total"] for row in rows}


def document(found: Coverage) -> dict[str, Any]:
    """Return plain JSON values."""
    return {
        "known": found.known,
        "compared": [
            {"route": place.route, "status_class": place.status_class, "pairs": count}
            for place, count in sorted(found.compared.items(), key=lambda item: item[0].route)
        ],
        "gaps": [
            {
                "route": gap.place.route,
                "status_class": gap.place.status_class,
                "documented": gap.documented,
                "requests": gap.requests,
            }
            for gap in found.gaps
        ],
    }
