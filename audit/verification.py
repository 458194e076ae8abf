"""The check of the stored ledger: chain, tree, checkpoints, anchor, rules and present state."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.module_loading import import_string

from audit import conf, stored
from audit.anchoring import own_keys
from audit.anchors import main_anchor, within
from audit.chain import Finding, Head, verify_chain
from audit.errors import AnchorProblemError
from audit.models import Checkpoint as Row
from audit.triggers import CHECKPOINT_TRIGGERS, LEDGER_TRIGGERS, missing
from audit.verify_audit import (
    EDITED,
    MISSING,
    UNCOVERED,
    BrokenRuleError,
    Checkpoint,
    Coverage,
    Key,
    Place,
    Replay,
    UnreadableError,
    find_verifier,
    first_of,
    read_note,
    read_place,
    replayed,
    with_restores,
    without_lost,
)

# (slug, {"phase", "step", "weight", "held", "version"}) for each migration in the database.
StateReader = Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the stored ledger found.

    `entries` are the good ones from the start; `kind`, `first_bad_seq` and `text` say what comes
    after them. `unguarded` names triggers that the database lacks: nothing was altered, but could
    be. `warnings` say what could not be looked at. `moves` and `unknown` (by action) come from the
    replay of the rules; `covered` is up to where checkpoints vouch for the entries; `compared` how
    many migrations stand in the database where the ledger says.
    """

    entries: int
    verified: bool
    first_bad_seq: int | None
    kind: str | None
    text: str
    head: Head
    seconds: float
    moves: int
    unknown: dict[str, int]
    unguarded: tuple[str, ...]
    covered: int = 0
    compared: int = 0
    warnings: tuple[str, ...] = ()


def verify() -> Report:
    """Check every stored entry: hashes, order, readable columns, head, checkpoints, and the rules.

    Also against what is outside the ledger: the anchor, and where the migrations stand. Reads in
    batches outside any transaction, so nobody waits for it, however long the log is.
    """
    began = time.monotonic()
    before, states = stored.head(), _read_states()
    replay = Replay()
    coverage, found, warnings = _read_coverage()
    checked = verify_chain(
        replayed(stored.links(), replay, coverage), known=(before, *coverage.known())
    )
    chain = checked.finding or _head_finding(checked.head)
    finding = first_of(chain, found, replay.finding, coverage.finding) or coverage.finish()
    finding = with_restores(finding, replay.declared)
    finding = finding or compare_states(states, replay, before)
    return Report(
        entries=min(checked.entries, finding.first - 1 if finding else checked.entries),
        verified=finding is None,
        first_bad_seq=finding.seq if finding else None,
        kind=finding.kind if finding else None,
        text=finding.text if finding else "",
        head=checked.head,
        seconds=time.monotonic() - began,
        moves=replay.moves,
        unknown=dict(replay.unknown),
        unguarded=tuple(missing(connection, (*LEDGER_TRIGGERS, *CHECKPOINT_TRIGGERS))),
        covered=coverage.covered,
        compared=len(states),
        warnings=warnings,
    )


def _head_finding(last: Head) -> Finding | None:
    """Compare the last entry with the head as it is now, at least as new as that entry."""
    now = stored.head()
    if not now.hash:
        return Finding(MISSING, last.seq + 1, "the head is gone")
    if now.seq < last.seq:
        return Finding(UNCOVERED, now.seq + 1, f"the head says {now.seq} entries, there are more")
    return None


def _read_coverage() -> tuple[Coverage, Finding | None, tuple[str, ...]]:
    """Read the checkpoints of the database and of the anchor, each once, and the keys."""
    found, finding = _stored_checkpoints()
    anchor, own, warnings = _read_outside()
    everything = {each.note: each for each in (*found, *without_lost(anchor))}
    coverage = Coverage(
        stored.log_id(),
        list(everything.values()),
        keys=stored.keys(),
        trusted=own if everything else (),
        verify=find_verifier(),
    )
    return coverage, finding, warnings


def _read_outside() -> tuple[list[Checkpoint], tuple[Key, ...], tuple[str, ...]]:
    try:
        checkpoints, torn = within(conf.IO_SECONDS, main_anchor().read)
        own = own_keys()
    except AnchorProblemError as error:
        return [], (), (f"the anchor was not looked at: {error}",)
    warning = f"the anchor has {torn} lines that are no checkpoints"
    return checkpoints, own, (warning,) if torn else ()


def _stored_checkpoints() -> tuple[list[Checkpoint], Finding | None]:
    found: list[Checkpoint] = []
    for row in Row.objects.order_by("size").iterator():
        try:
            checkpoint = read_note(row.note)
        except UnreadableError as error:
            return found, Finding(EDITED, row.size, f"the checkpoint at {row.size}: {error}")
        columns = (row.size, row.root, row.head)
        if columns != (checkpoint.size, checkpoint.root, checkpoint.head):
            text = f"the checkpoint at {row.size} says something else in its columns"
            return found, Finding(EDITED, row.size, text)
        found.append(checkpoint)
    return found, None


def _read_states() -> dict[str, Mapping[str, Any]]:
    path = conf.state_comparison()
    if not path:
        return {}
    reader: StateReader = import_string(path)
    return dict(reader())


def compare_states(
    states: Mapping[str, Mapping[str, Any]], replay: Replay, before: Head
) -> Finding | None:
    """Compare where migrations stand with what the ledger says; both may have moved on since.

    The states were read after `before` was the newest entry, and before the entries were read: so
    each state is one that the ledger knows, and at least as new as the ledger was at `before`.
    """
    for slug, state in states.items():
        if text := _differs(slug, state, replay, before):
            return Finding(UNCOVERED, before.seq + 1, f"in the database {slug} {text}")
    if states:
        for slug, life in replay.lives.items():
            created = min(seq for _, seq in life.places.values())
            if slug not in states and created <= before.seq:
                return Finding(UNCOVERED, before.seq + 1, f"the database has lost {slug}")
    return None


def _differs(slug: str, state: Mapping[str, Any], replay: Replay, before: Head) -> str:
    if slug not in replay.lives:
        return "stands somewhere, yet the ledger never saw it"
    try:
        place = read_place(dict(state), "state")
    except BrokenRuleError as error:
        return f"is nowhere: {error}"
    places = replay.lives[slug].places
    said, _ = places.get(place.version, (None, 0))
    least = max(version for version, (_, seq) in places.items() if seq <= before.seq or not version)
    if place.version < least:
        return f"is at version {place.version}, the ledger at {least}"
    return "" if said == place else f"stands at {_words(place)}, the ledger says {_words(said)}"


def _words(place: Place | None) -> str:
    if place is None:
        return "nothing about that version"
    return (
        f"{place.phase} {place.weight} %{' held' if place.held else ''} (version {place.version})"
    )
