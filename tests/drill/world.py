"""The world that is hurt: one stack, users outside, an eye on the proxy, and hands to break it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from controlplane.stack.proc import session_members
from tests.drill.crowd import Crowd, Prober
from tests.drill.database import Database
from tests.drill.eye import Eye
from tests.drill.history import History, Operation
from tests.walkthrough.rest import Rest, in_effect, open_for_promote
from tests.walkthrough.stack import ROOT, Stack

SLUG = "embeddings"
USER_RATE = 60
CHILDREN = ("redis", "web", "worker", "beat", "edge", "envoy", "legacy", "candidate", "traffic")
SETTLE_SECONDS = 120.0
CLIMB_SECONDS = 240.0
PROXY_SECONDS = 2.0
FRESH_SECONDS = 6.0


class DrillError(RuntimeError):
    """The drill itself could not go on; the text says what did not happen."""


@dataclass(slots=True)
class Absence:
    """A time in which somebody could not do their part; `end` is infinite while it lasts."""

    what: str
    start: float
    end: float = float("inf")


class World:
    """What all faults and checkers work with. All times are unix seconds."""

    def __init__(self, stack: Stack, *, seed: int, database: Database | None = None) -> None:
        facts = stack.facts
        self.stack, self.seed = stack, seed
        self.rng = random.Random(seed)  # noqa: S311 - repeatable is what is wanted
        self.web: str = facts["web"]
        self.state_dir = Path(facts["state_dir"])
        self.edge_dir = self.state_dir / "edge"
        self.database_path = self.state_dir / "banyan.sqlite3"
        self.database = database or Database(self.database_path)
        # A lead's token, once `prepare` made one.
        self.lead = ""
        # What has to be ended after the last fault.
        self.at_end: list[Callable[[], None]] = []
        token = facts["operator"]["token"]
        self.rest = Rest(self.web, token, SLUG)
        self.history = History(slug=SLUG, token=token, seed=seed)
        self.users = Crowd(facts["envoy"], rate=USER_RATE)
        self.eye = Eye(self.edge_dir)
        self.prober = Prober(self.web, slug=SLUG, token=token)
        self.absences: list[Absence] = []
        # Seconds until accepted and until in effect, of each roll back that is promised fast.
        self.roll_backs: list[tuple[float, float]] = []

    # --- what is asked of it ----------------------------------------------------------------------

    def call(self, verb: str, **body: Any) -> Operation:
        """Call a verb at the stack's own web and keep it in the history."""
        return self.history.call(self.web, verb, **body)

    def must(self, verb: str, **body: Any) -> Operation:
        """Call a verb that has to succeed for the drill to go on."""
        made = self.call(verb, **body)
        if made.outcome != "ok":
            raise DrillError(f"{verb}: {made.status} {made.answer.get('detail', 'no answer')}")
        return made

    def stand_at(self, weight: int) -> dict[str, Any]:
        """Bring the migration to a weight, in effect and not held, by ordinary decisions."""
        deadline = time.monotonic() + CLIMB_SECONDS
        while time.monotonic() < deadline:
            found = self.document()
            if found["weight"] > weight:
                self.must("rollback", to=weight)
            elif found["held"]:
                self.must("resume")
            elif found["weight"] == weight and found["phase"] != "draft":
                return self.rest.wait(f"{weight} % in effect", in_effect, seconds=CLIMB_SECONDS)
            elif latched := self._latched():
                self._reset(latched, found["version"])
            else:
                self.promote()
        raise DrillError(f"not at {weight} % within {CLIMB_SECONDS:.0f} s")

    def _latched(self) -> str:
        """Return a gate whose FAIL of an earlier fault still stands, "" without one."""
        rows = self.database.rows("SELECT gate FROM rollout_gatelatch WHERE reset_at IS NULL")
        return str(rows[0][0]) if rows else ""

    def _reset(self, gate: str, version: int) -> None:
        """Let it be judged anew, as a lead does who understood the failure."""
        httpx.post(
            f"{self.web}/api/v1/migrations/{SLUG}/reset/",
            json={"gate": gate, "version": version, "reason": "drill: the fault is over"},
            headers={"Authorization": f"Bearer {self.lead}"},
            timeout=10,
            trust_env=False,
        )

    def promote(self) -> Operation:
        """Wait for the gates and ask for the next place; a conflict is an answer like another."""
        found = self.rest.wait("gates", open_for_promote, seconds=CLIMB_SECONDS)
        return self.call("promote", version=found["version"])

    def document(self) -> dict[str, Any]:
        """Return the migration as REST shows it, as soon as somebody answers."""
        return self.rest.wait("an answer", lambda _: True, seconds=SETTLE_SECONDS)

    # --- hands ------------------------------------------------------------------------------------

    def members(self, *names: str) -> list[int]:
        """Return all processes of these children."""
        pids = self.stack.facts["pids"]
        return [pid for name in names for pid in session_members(pids[name])]

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """SIGSTOP children with all that they started, for a while.

        One that sleeps in the midst of a transaction would stop other writers, which is a fault of
        its own (see `faults.database`): it gets another moment.
        """
        while True:
            pids = self.members(*names)
            _signal(pids, signal.SIGSTOP)
            if self.database.can_write():
                break
            _signal(pids, signal.SIGCONT)
            time.sleep(0.02)
        self._absent(names)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    @contextlib.contextmanager
    def down(self, *names: str) -> Iterator[None]:
        """SIGKILL children and keep them down for a while."""
        holds = [self.state_dir / "hold" / name for name in names]
        for hold in holds:
            hold.touch()
        self.kill(*names)
        try:
            yield
        finally:
            for hold in holds:
                hold.unlink(missing_ok=True)

    def kill(self, *names: str) -> None:
        """SIGKILL children with all that they started; the supervisor brings them back."""
        self._absent(names)
        victims = self.members(*names)
        _signal(victims, signal.SIGKILL)
        self.wait("the killed are gone", lambda: not any(map(lives, victims)), seconds=5)

    @contextlib.contextmanager
    def away(self, *what: str) -> Iterator[None]:
        """Say that these cannot do their part until the block ends: checkers allow for that."""
        self._absent(what)
        try:
            yield
        finally:
            self.returned(*what)

    def returned(self, *what: str) -> None:
        """Say that these do their part again. `settle` says it of everybody whom we hurt."""
        for absence in self.absences:
            if absence.what in what:
                absence.end = min(absence.end, time.time())

    def _absent(self, what: Sequence[str]) -> None:
        self.absences += [Absence(each, time.time()) for each in what]

    def is_away(self, what: str, start: float, end: float | None = None) -> bool:
        """Whether it was away at any moment between two."""
        until = start if end is None else end
        return any(a.what == what and a.start <= until and start <= a.end for a in self.absences)

    @contextlib.contextmanager
    def deciding(self, verbs: Sequence[str], web: str | None = None) -> Iterator[None]:
        """Ask for decisions at once while the block hurts who makes them; all have ended after."""
        asked = [web or self.web, verbs]
        thread = threading.Thread(target=self.history.at_once, args=asked)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    # --- what is known ----------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Return the environment of the stack's web, for a process that works beside it."""
        raw = Path(f"/proc/{self.stack.pid('web')}/environ").read_bytes()
        pairs = (item.partition(b"=") for item in raw.split(b"\0") if item)
        return {name.decode(): value.decode() for name, _, value in pairs}

    def django(self, code: str, *arguments: str) -> str:
        """Run code of ours on the stack's database, as an administrator's shell would."""
        lines = f"import django, sys\ndjango.setup()\n{code}"
        done = subprocess.run(
            [sys.executable, "-c", lines, *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DrillError(done.stderr[-1500:])
        return done.stdout.strip()

    def wait(self, what: str, holds: Callable[[], object], *, seconds: float) -> float:
        """Poll until a condition holds and return how long that took; raise when it does not."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if holds():
                return time.monotonic() - began
            time.sleep(0.02)
        raise DrillError(f"{what}: not within {seconds:.0f} s")

    def settle(self) -> None:
        """Wait until everybody is back, in agreement, and evidence flows."""
        self.wait("all children are back", self._all_alive, seconds=SETTLE_SECONDS)
        self.wait("work is done again", self._evaluating, seconds=SETTLE_SECONDS)
        self.wait("the proxy has what is asked", self._agreeing, seconds=SETTLE_SECONDS)
        self.wait("both services answer", self._answering, seconds=SETTLE_SECONDS)
        self.returned(*CHILDREN)

    def _all_alive(self) -> bool:
        pids = self.stack.facts["pids"]
        return all(name in pids and session_members(pids[name]) for name in CHILDREN)

    def _answering(self) -> bool:
        """Whether both services take connections; a process alone does not answer anybody."""
        for name in ("legacy", "candidate"):
            address = urlsplit(self.stack.facts[name])
            try:
                socket.create_connection((address.hostname, address.port), timeout=1).close()
            except OSError:
                return False
        return True

    def _evaluating(self) -> bool:
        probe = self.readiness()
        age, read = probe.get("age_s"), probe.get("pairs_read_age_s")
        return age is not None and age < FRESH_SECONDS and (read is None or read < FRESH_SECONDS)

    def readiness(self) -> dict[str, Any]:
        """Return what web says of the worker; empty when web does not answer."""
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
            answer = httpx.get(f"{self.web}/readyz", timeout=5, trust_env=False)
            found: dict[str, Any] = answer.json()["worker"]
            return found
        return {}

    def _agreeing(self) -> bool:
        look = self.eye.look()
        asked = self.database.newest_generation()
        if not look.applied or look.generation != asked or look.served_generation != asked:
            return False
        with contextlib.suppress(httpx.HTTPError):
            proxies = self.rest.migration()["proxies"]
            return not proxies["silent"] and len(proxies["accepted"]) == proxies["total"]
        return False


def lives(pid: int) -> bool:
    """Whether a process holds on to what it had: a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
