"""Runs the generator's processes for one load run and stores what they tell.

The run's row says how much is wanted and until when; the processes end with this one, and this one
when the run is over or claimed by another one.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from django.db import close_old_connections
from django.db.models import Q

from traffic.models import LoadBlock, LoadRun

TICK_S = 0.5
ALIVE = timedelta(seconds=10)
SHARD_RPS = 500.0
"""What one process sends with ease; PERFORMANCE: at 2,000 its own latencies show."""
MAX_SHARDS = 8


@dataclass(slots=True)
class Shard:
    """One process of the generator, with a name for its blocks."""

    process: "subprocess.Popen[bytes]"
    boot: str
    told: "SimpleQueue[dict[str, Any]]" = field(default_factory=SimpleQueue)

    def order(self, rate: float) -> None:
        """Tell it how many requests per second to send."""
        assert self.process.stdin is not None  # noqa: S101  # it was opened as a pipe
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.write(json.dumps({"rate": rate}).encode() + b"\n")
            self.process.stdin.flush()

    def read(self) -> None:
        """Take what it tells until it ends; runs in a thread of its own."""
        assert self.process.stdout is not None  # noqa: S101  # it was opened as a pipe
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.told.put(json.loads(line))


def start(*, url: str, requests: Path, seconds: float, shards: int) -> list[Shard]:
    """Start the processes, idle; each ends by itself after `seconds`, or with this process."""
    found = []
    for _ in range(shards):
        argv = [sys.executable, "-m", "traffic.load.generator", "--url", url]
        argv += ["--requests", str(requests), "--seconds", f"{seconds:g}"]
        process = subprocess.Popen(  # noqa: S603  # our own program and checked values
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
        shard = Shard(process, uuid.uuid4().hex)
        threading.Thread(target=shard.read, daemon=True).start()
        found.append(shard)
    return found


def stop(shards: Sequence[Shard]) -> None:
    """End the processes: first by closing what they listen to, then for sure."""
    for shard in shards:
        with contextlib.suppress(OSError):
            assert shard.process.stdin is not None  # noqa: S101  # it was opened as a pipe
            shard.process.stdin.close()
    for shard in shards:
        try:
            shard.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            shard.process.kill()
            shard.process.wait()


def shards_for(rate: float) -> int:
    """Return how many processes send a rate on time."""
    return max(1, min(MAX_SHARDS, round(rate / SHARD_RPS + 0.5)))


def claim(run_id: int, *, name: str, now: datetime) -> bool:
    """Take a run for one generator, or say again that it has it; False when another one does."""
    mine_or_free = Q(generator=name) | Q(generator_at=None) | Q(generator_at__lt=now - ALIVE)
    rows = LoadRun.objects.filter(mine_or_free, pk=run_id, state=LoadRun.State.RUNNING)
    return rows.update(generator=name, generator_at=now) == 1


def claimed(run: LoadRun, *, now: datetime) -> bool:
    """Whether some generator has the run."""
    return run.generator_at is not None and now - run.generator_at < ALIVE


def drive(run_id: int, shards: Sequence[Shard], *, name: str, now: Callable[[], datetime]) -> None:
    """Order what the row wants and store what is told, until the run is over or another's."""
    while claim(run_id, name=name, now=now()):
        wanted = _wanted(LoadRun.objects.get(pk=run_id), now())
        for shard in shards:
            shard.order(wanted / len(shards))
        time.sleep(TICK_S)
        _store(run_id, shards)
        close_old_connections()


def _wanted(run: LoadRun, now: datetime) -> float:
    """Return requests per second as of now; none once their time is over."""
    in_time = run.desired_until is not None and now < run.desired_until
    return run.desired_rps if in_time else 0.0


def _store(run_id: int, shards: Sequence[Shard]) -> None:
    rows = []
    for shard in shards:
        with contextlib.suppress(Empty):
            while True:
                block = shard.told.get_nowait()
                rows.append(LoadBlock(run_id=run_id, boot=shard.boot, **block))
    LoadBlock.objects.bulk_create(rows, ignore_conflicts=True)
