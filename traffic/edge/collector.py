"""The collecting half of the edge: taps and access records in, blocks and pairs out."""

import asyncio
import resource
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from traffic.edge import h2
from traffic.edge.attempts import with_cluster
from traffic.edge.book import Book
from traffic.edge.joiner import Joiner, Limits
from traffic.edge.records import WINDOW_BYTES, AccessRecord, RecordStream
from traffic.edge.spool import Chunk, Spool
from traffic.edge.stream import PairStream
from traffic.edge.taps import WINDOW_SLACK_BYTES, Capture, TapSettings, TapStream
from traffic.edge.topology import Topology

Json = dict[str, Any]

TICK_S = 0.25
MAX_CAP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ReportPart:
    """What to report now, and the boot to report it under: it may be an earlier run's."""

    boot: str
    blocks: list[Json] = field(default_factory=list)
    routing: list[Json] = field(default_factory=list)
    taps: list[Json] = field(default_factory=list)


class Collector:
    """Receives from Envoy on `als.sock` and `tap.sock` in `state_dir`; writes pairs to Redis.

    Nothing here can slow Envoy down: what can't be kept is dropped and counted.
    """

    def __init__(
        self, state_dir: Path, redis_url: str | None, boot: str, *, limits: Limits | None = None
    ) -> None:
        self.boot = boot
        self._taps = TapSettings()
        self._book = Book()
        self._stream = PairStream(redis_url, boot=boot)
        self._joiner = Joiner(
            Topology(),
            emit=self._stream.offer,
            book=lambda booking: self._book.book(booking, now=time.time()),
            limits=limits,
        )
        self._spool = Spool(state_dir / "spool")
        self._chunks: dict[int, Chunk] = {}
        self._acknowledged_last = True
        self._records = self._captures = 0
        self._servers = (
            h2.Server(
                state_dir / "tap.sock",
                lambda: TapStream(self._taps, self._captured),
                window=MAX_CAP_BYTES + WINDOW_SLACK_BYTES,
            ),
            h2.Server(
                state_dir / "als.sock", lambda: RecordStream(self._recorded), window=WINDOW_BYTES
            ),
        )
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on both sockets; records and captures are taken from now on."""
        for server in self._servers:
            await server.start()
        await self._stream.start()
        self._ticker = asyncio.create_task(self._tick(), name="collector-tick")

    async def stop(self) -> None:
        """Stop listening, decide what waits, write what can be written, spool the rest."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        for server in self._servers:
            await server.stop()
        self._joiner.flush()
        await self._stream.stop()
        self._spool.append(self.boot, self._book.retire(now=time.time(), everything=True))

    def configure(self, snapshot: Mapping[str, Any], *, now: float | None = None) -> None:
        """Use a snapshot that Envoy accepted, as of `now` (unix seconds): names, step, cap.

        A new epoch of a split forgets its keys. Raises KeyError, TypeError or ValueError for a
        malformed document, and then keeps the old one.
        """
        topology = Topology.of(snapshot)
        capture = snapshot["capture"]
        self._taps.cap_bytes = min(int(capture["cap_bytes"]), MAX_CAP_BYTES)
        self._taps.redact_headers = frozenset(name.lower() for name in capture["redact_headers"])
        self._joiner.topology = topology
        self._book.configure(topology, now=time.time() if now is None else now)

    def drain_report(self, seq: int, now: float) -> ReportPart:
        """Return the closed blocks not acknowledged as they are, to be sent as report `seq`.

        Entries are cumulative: one with the same (boot, split, route, arm, start) replaces the
        older. Every other report, while there are any, carries blocks from the spool instead.
        """
        if self._acknowledged_last and not self._chunks and (chunk := self._spool.first()):
            self._chunks[seq] = chunk
            self._acknowledged_last = False
            return ReportPart(chunk.boot, **chunk.entries)
        self._acknowledged_last = False
        self._chunks.clear()
        part = ReportPart(self.boot)
        for entry in self._book.due(seq, now=now):
            getattr(part, entry.kind).append(entry.wire)
        return part

    def acknowledge(self, seq: int) -> None:
        """Note that report `seq` has arrived and need not be told again."""
        self._acknowledged_last = True
        self._book.acknowledge(seq)
        if (chunk := self._chunks.get(seq)) is not None:
            self._spool.drop(chunk.path)

    def stats(self) -> dict[str, int]:
        """Return counters since the start and present sizes."""
        joiner = self._joiner
        return {
            "records": self._records,
            "captures": self._captures,
            "pairs_written": self._stream.written,
            "pairs_dropped": self._stream.dropped,
            "pairs_queued": self._stream.queued,
            "redis_failures": self._stream.failures,
            "marks_waiting": joiner.waiting,
            "marks_waiting_bytes": joiner.bytes,
            **{f"marks_{name}": value for name, value in asdict(joiner.stats).items()},
            "blocks_open": len(self._book),
            "blocks_spooled_chunks": len(self._spool),
            "blocks_lost": self._spool.lost,
            "records_moved": self._book.moved,
            "records_foreign": self._book.foreign,
            "rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def metrics_text(self) -> str:
        """Return the counters in Prometheus' text format."""
        lines = (f"banyan_edge_{name} {value}" for name, value in self.stats().items())
        return "\n".join(lines) + "\n"

    def _captured(self, capture: Capture) -> None:
        self._captures += 1
        self._joiner.capture(capture, now=time.monotonic())

    def _recorded(self, records: Iterable[AccessRecord]) -> None:
        now, monotonic = time.time(), time.monotonic()
        for told in records:
            self._records += 1
            record = with_cluster(told, self._joiner.topology)
            self._book.record(record, now=now)
            self._joiner.record(record, now=monotonic)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._joiner.expire(now=time.monotonic())
            # Here and not in a report: reports stop while the control plane is away.
            self._spool.append(self.boot, self._book.retire(now=time.time()))
