"""Live events: names and versions only, one reading for all, an end when the server stops."""

import asyncio

import pytest
from django.test import AsyncClient

from rollout.pages.events import Ticker, changed, event, stream
from rollout.readings import Pulse

BASE = {"version": 1, "held": False, "accepted_at": 1, "in_effect_at": 1, "evaluation": 7}


def pulse(at=0, seq=1, **changes):
    return Pulse(at, seq, {"embeddings": {**BASE, **changes}})


def names(before, now, *, tick=1, slug="embeddings"):
    return {name for name, _ in changed(before, now, slug=slug, tick=tick)}


def test_nothing_changed_is_nothing_said_between_beats():
    assert names(pulse(), pulse()) == set()


def test_a_decision_renews_weight_and_fleet_at_once():
    assert names(pulse(), pulse(version=2)) == {"decision", "weight", "fleet"}


def test_a_verdict_renews_the_gates_at_once():
    assert "gates" in names(pulse(), pulse(evaluation=8))


def test_a_ledger_entry_is_announced_and_a_page_of_another_migration_stays():
    assert names(pulse(), pulse(seq=2), slug=None) == {"audit"}
    assert names(pulse(), pulse(version=2), slug="other") == {"fleet"}


def test_a_step_that_is_not_in_effect_is_watched_closely():
    moving = pulse(in_effect_at=None)
    assert "weight" in names(moving, moving, tick=2)


def test_an_event_carries_a_name_and_a_version_alone():
    assert event("gates", 8) == "event: gates\ndata: 8\n\n"


async def collect(ticker, count):
    found = []
    async for part in stream("embeddings", ticker):
        found.append(part)
        if len(found) == count:
            break
    return found


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("rollout.pages.events.TICK_SECONDS", 0.01)


async def test_many_streams_share_one_reading(quick):
    readings = []

    def read():
        readings.append(1)
        return pulse(len(readings))

    ticker = Ticker(reader=read)
    found = await asyncio.gather(*(collect(ticker, 3) for _ in range(20)))
    assert all(parts[1].startswith("event: beat") for parts in found)
    assert len(readings) <= 10
    ticker.close()


async def test_a_database_that_does_not_answer_sends_no_beat(quick):
    from django.db import OperationalError

    def read():
        raise OperationalError("gone")

    ticker = Ticker(reader=read)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await collect(ticker, 2)
    ticker.close()


async def test_streams_end_at_once_when_the_server_stops(quick):
    ticker = Ticker(reader=pulse)

    async def listen():
        return [part async for part in stream("embeddings", ticker)]

    task = asyncio.create_task(listen())
    while ticker.pulse is None:
        await asyncio.sleep(0.01)
    ticker.close()
    parts = await asyncio.wait_for(task, 1)
    assert parts[0] == "retry: 2000\n\n"


@pytest.mark.django_db(transaction=True)
async def test_strangers_get_no_stream():
    response = await AsyncClient().get("/fleet/events")
    assert response.status_code == 401
