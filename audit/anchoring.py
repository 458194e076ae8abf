"""How far the ledger is vouched for outside its database, and whether the two agree."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from audit import conf, keys, stored
from audit.anchors import main_anchor, within
from audit.errors import AnchorProblemError, KeyProblemError
from audit.models import LedgerEntry
from audit.verify_audit import (
    ORIGIN,
    RESTORED_ACTION,
    Checkpoint,
    Head,
    Key,
    find_verifier,
    is_signed_by,
)

# A checkpoint is due every 60 s; one that is missed is no news yet.
PATIENCE_S = 120
State = Literal["anchored", "unanchored", "freeze"]


@dataclass(frozen=True, slots=True)
class Anchored:
    """Where the ledger stands against its anchor.

    `freeze`: they contradict each other, so the database was restored or cut; no promotion until
    `audit_restore` declares it. `unanchored`: entries wait for longer than they should, and
    `reason` says why; it also tells what is wrong with the key while nothing waits yet. `size`
    entries are vouched for since `at`, of `entries`; the oldest other one is `unanchored_s` seconds
    old.
    """

    state: State
    reason: str
    size: int
    at: datetime | None
    entries: int
    unanchored_s: float

    @property
    def promotion_closed(self) -> str:
        """Why no promotion may be made; empty when one may. A roll back never asks."""
        too_long = self.unanchored_s > conf.unanchored_limit_s()
        return self.reason if self.state == "freeze" or too_long else ""

    def words(self, now: datetime) -> str:
        """Say in one line up to where the ledger is vouched for outside its database."""
        if self.at is None:
            return "nothing is anchored yet"
        age = max((now - self.at).total_seconds(), 0.0)
        return f"anchored up to seq {self.size}, {age:.0f} s ago"

    def to_dict(self, now: datetime) -> dict[str, Any]:
        """Return it as health, REST and metrics tell it; ages in seconds."""
        age = max((now - self.at).total_seconds(), 0.0) if self.at else None
        return {
            "state": self.state,
            "text": self.words(now),
            "anchored_seq": self.size,
            "entries": self.entries,
            "anchored_age_s": None if age is None else round(age, 1),
            "unanchored_s": round(self.unanchored_s, 1),
            "limit_s": conf.unanchored_limit_s(),
            "reason": self.reason,
            "promotion_closed": bool(self.promotion_closed),
        }


@dataclass(frozen=True, slots=True)
class _Outside:
    """What is kept outside the database: the anchor's newest checkpoint, and the public keys."""

    newest: Checkpoint | None
    own: tuple[Key, ...]
    key_problem: str


def anchored(*, now: datetime, problem: str = "") -> Anchored:
    """Compare the database with its anchor. Reads two files, ends within `conf.IO_SECONDS`.

    `problem` is what the caller knows to be wrong with key or anchor.
    """
    return _stand(lambda name: _look_outside(name, conf.IO_SECONDS), now, problem)


def glance(*, now: datetime) -> Anchored:
    """Tell the same to pages, probes and scrapes, which must not wait for a disk.

    What is outside is looked at for `conf.GLANCE_SECONDS` at most, and not again for
    `conf.GLANCE_KEPT_S` by this process.
    """
    return _stand(_glimpsed, now, "")


def _stand(look: Callable[[str], "_Outside"], now: datetime, problem: str) -> Anchored:
    head, row = stored.head(), stored.newest_checkpoint()
    in_database = (row.size, row.at) if row else (0, None)
    try:
        outside = look(ORIGIN + stored.log_id())
    except AnchorProblemError as error:
        return _waiting(in_database, head, problem or str(error), now)
    newest = outside.newest
    key_problem = outside.key_problem if newest or row else ""
    if newest is None:
        return _waiting((0, None), head, problem or key_problem, now)
    if reason := _disagreement(newest, head, outside.own):
        if declared_loss() == newest.newest:
            return _waiting(in_database, head, problem or "a restore was declared", now)
        return Anchored("freeze", reason, newest.size, _moment(newest), head.seq, 0.0)
    return _waiting((newest.size, _moment(newest)), head, problem or key_problem, now)


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """What a look outside showed, or why it showed nothing; good until `ends` (monotonic)."""

    of: tuple[str, Path, Path]
    ends: float
    outside: _Outside | None
    problem: str = ""


_glimpses: list[_Glimpse] = []


def _glimpsed(name: str) -> _Outside:
    of, now = (name, conf.key_path(), conf.anchor_path()), time.monotonic()
    kept = next((each for each in _glimpses if each.of == of and now < each.ends), None)
    if kept is None:
        try:
            found, problem = _look_outside(name, conf.GLANCE_SECONDS), ""
        except AnchorProblemError as error:
            found, problem = None, str(error)
        kept = _Glimpse(of, time.monotonic() + conf.GLANCE_KEPT_S, found, problem)
        _glimpses[:] = [kept]
    if kept.outside is None:
        raise AnchorProblemError(kept.problem)
    return kept.outside


def _look_outside(name: str, seconds: float) -> _Outside:
    def look() -> _Outside:
        newest, (own, problem) = main_anchor().newest(), _read_keys(name)
        return _Outside(newest, own, problem)

    return within(seconds, look)


def own_keys() -> tuple[Key, ...]:
    """Return the public keys of the key file and of its successor, those that can be read."""
    name = ORIGIN + stored.log_id()
    return within(conf.IO_SECONDS, lambda: _read_keys(name))[0]


def _read_keys(name: str) -> tuple[tuple[Key, ...], str]:
    """Return the public keys, and what is wrong with the file of the one in use."""
    found, problems = [], {}
    for path in (conf.key_path(), keys.next_path(conf.key_path())):
        try:
            found.append(keys.public_key(keys.load(path), name))
        except KeyProblemError as error:
            problems[path] = str(error)
    return tuple(found), problems.get(conf.key_path(), "")


def _waiting(
    covered: tuple[int, datetime | None], head: Head, problem: str, now: datetime
) -> Anchored:
    size, at = covered
    oldest = LedgerEntry.objects.filter(seq__gt=size).order_by("seq").first()
    waits = max((now - oldest.at).total_seconds(), 0.0) if oldest else 0.0
    late = waits > PATIENCE_S or bool(problem and oldest)
    said = f"unanchored for {waits:.0f} s: {problem or 'no checkpoint was made'}"
    reason = said if late else problem
    return Anchored("unanchored" if late else "anchored", reason, size, at, head.seq, waits)


def _moment(checkpoint: Checkpoint) -> datetime:
    return datetime.fromisoformat(checkpoint.at)


def _disagreement(newest: Checkpoint, head: Head, own: Sequence[Key]) -> str:
    """Say how the anchor contradicts the database; empty when it doesn't."""
    if newest.origin != ORIGIN + stored.log_id():
        return f"the anchor keeps another log, {newest.origin}: the database was replaced"
    known, verify = [*own, *stored.keys()], find_verifier()
    if verify and known and not any(is_signed_by(newest, key, verify) for key in known):
        return "the anchor's newest checkpoint is signed by no key of this ledger"
    if newest.size > head.seq:
        return (
            f"the anchor vouches for {newest.size} entries since {newest.at}, the database ends at "
            f"{head.seq}: it was restored from a backup, or entries were cut"
        )
    if stored.hash_at(newest.size) != newest.head:
        return (
            f"entry {newest.size} is another one than the anchor has vouched for: it was rewritten"
        )
    return ""


def declared_loss() -> Head | None:
    """Return the head that the newest `ledger:restored` entry gave up; None without one."""
    entry = LedgerEntry.objects.filter(action=RESTORED_ACTION).order_by("-seq").first()
    old = entry.data["old"] if entry else None
    return Head(old["size"], old["head"]) if old else None
