"""One load test."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import Fact, Html


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of a load test: what was asked, what it got, how it answered."""

    factor: str
    target: str
    measured: str
    requests: str
    errors: str
    p99: str
    legacy_p99: str
    shed: str
    chart: Html


@dataclass(frozen=True, slots=True)
class StopRule:
    """A rule that ends a test, and how near it is or came."""

    name: str
    value: str
    limit: str
    near: bool


@dataclass(frozen=True, slots=True)
class LoadRunRow:
    """An earlier test."""

    name: str
    build: str
    rate: str
    status: str
    word: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class LoadTest:
    """pages/load.html."""

    head: Head
    title: str
    status: str
    word: str
    identity: str
    sentence: str
    stats: tuple[Fact, ...]
    stages: tuple[StageRow, ...]
    rules: tuple[StopRule, ...]
    runs: tuple[LoadRunRow, ...]
    method: tuple[Fact, ...]
    running: bool
    progress: float
    doing: str
    remaining: str
    can_run: bool
    closed: str
    start_url: str
    stop_url: str
    query: str
