"""Verify an export of Banyan's ledger. One file, Python standard library only, nothing of Banyan.

    python verify_audit.py EXPORT.jsonl            or "-" for standard input
    python verify_audit.py EXPORT.jsonl --head 120:9f2c... --log-id 5d0e...

`--head` is a head that you noted earlier (from a page, a report, a checkpoint): the export must
still contain it. Exit 0: verified. Exit 1: broken, with the first bad sequence number and the kind.
Exit 2: not readable as an export at all.

It checks two things. The chain: each entry's hash covers its number, the hash before it and the
stored bytes of its body. And the rules: what the entries say about a migration is a life that
Banyan allows (see `Replay`).
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "banyan-ledger-v1"
GENESIS_PREV = "0" * 64
GENESIS_ACTION = "ledger:genesis"

EDITED = "edited"  # an entry is not what was once written
MISSING = "missing"  # a number is skipped
REORDERED = "reordered"  # an entry stands in a place that is not its own, or stands twice
FORKED = "forked"  # another history: an entry does not follow the one before it, or a known head
CUT = "cut"  # the newest entries are gone
WRONG_LOG = "wrong_log"  # a ledger, but not this one
UNCOVERED = "uncovered"  # an entry beyond the head, which nobody vouches for
RULE = "rule"  # the chain holds, but what it records was never allowed


def entry_hash(seq: int, prev: bytes, body: bytes) -> bytes:
    """SHA-256 over 0x00, the format's name, seq as 8 bytes big-endian, the previous hash, the body.

    0x00 marks a leaf, so that the same value can be a leaf of an RFC 6962 tree.
    """
    text = b"\x00" + FORMAT.encode() + b"\n" + seq.to_bytes(8, "big") + prev + body
    return hashlib.sha256(text).digest()


class Link(NamedTuple):
    """One entry as found. Hashes are 64 lower-case hex digits; `flaw` is set by whoever read it.

    `flaw` is "" or a kind: the reader saw that the entry was altered outside its hash.
    """

    seq: int
    prev: str
    body: bytes
    hash: str
    flaw: str = ""

    def holds(self) -> bool:
        """Whether the entry's own hash fits its number, its predecessor and its body."""
        try:
            prev = bytes.fromhex(self.prev)
            fits = entry_hash(self.seq, prev, self.body).hex() == self.hash
            return fits and prev.hex() == self.prev
        except (ValueError, OverflowError):
            return False


class Head(NamedTuple):
    """The newest entry at some moment: how many entries there were, and the last one's hash."""

    seq: int
    hash: str


NOTHING = Head(0, GENESIS_PREV)


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong: where (`seq`; 0 is the export's header), what, in words."""

    kind: str
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """`entries` good ones from the start, the last of them, and what was wrong after that."""

    entries: int
    head: Head
    finding: Finding | None


@dataclass(slots=True)
class _Walk:
    """The state of one pass over a chain; memory is 32 bytes an entry."""

    log_id: str | None
    known: Mapping[int, str]
    end: int | None
    last: Head = NOTHING
    hashes: bytearray = field(default_factory=bytearray)

    def accept(self, link: Link) -> None:
        self.last = Head(link.seq, link.hash)
        self.hashes += bytes.fromhex(link.hash)

    def judge(self, link: Link, later: Iterator[Link]) -> Finding | None:
        """Say what is wrong with `link` as the next entry; reads `later` only when something is."""
        place = self.last.seq + 1
        whole = not link.flaw and link.holds()
        if whole and link.seq < place:
            return self._seen_before(link)
        if self.end is not None and place > self.end:
            return Finding(UNCOVERED, place, f"the log ends at {self.end}, yet more follows")
        if not whole:
            return Finding(link.flaw or EDITED, place, _FLAWS[link.flaw or EDITED])
        if link.seq > place:
            return _out_of_place(link, place, later)
        if link.prev != self.last.hash:
            return self._broken_link(link, later)
        return self._against_what_is_known(link)

    def _seen_before(self, link: Link) -> Finding:
        start = 32 * (link.seq - 1)
        if self.hashes[start : start + 32].hex() == link.hash:
            return Finding(REORDERED, link.seq, f"entry {link.seq} stands twice")
        return Finding(FORKED, link.seq, f"two different entries are number {link.seq}")

    def _broken_link(self, link: Link, later: Iterator[Link]) -> Finding:
        """Tell which of two neighbours is false, when the second names another predecessor.

        Both are whole, and hashes prove backwards: when the second is confirmed by its own
        successor, and what follows leads to a head that we know, then the first was rewritten,
        hash and all.
        """
        confirmed: bool | None = None
        anchored = self.known.get(link.seq) == link.hash
        for other in later:
            if confirmed is None:
                confirmed = other.prev == link.hash
            anchored = anchored or self.known.get(other.seq) == other.hash
        if anchored and confirmed is not False and self.last.seq:
            text = "its body and hash were both rewritten: the next entry names another hash"
            return Finding(EDITED, self.last.seq, text)
        return Finding(FORKED, link.seq, "it follows another entry than the one before it")

    def _against_what_is_known(self, link: Link) -> Finding | None:
        if self.known.get(link.seq, link.hash) != link.hash:
            text = f"the known head at {link.seq} has another hash: history was rewritten"
            return Finding(FORKED, link.seq, text)
        if link.seq == 1 and (text := wrong_genesis(link.body, self.log_id)):
            return Finding(WRONG_LOG, 1, text)
        return None

    def finish(self) -> Finding | None:
        """Say what is wrong when nothing follows any more."""
        expected = max([*self.known, self.end or 0])
        if self.last.seq >= expected:
            return None
        text = f"the log should reach {expected} and ends at {self.last.seq}"
        return Finding(CUT, self.last.seq + 1, text)


_FLAWS = {
    EDITED: "it is not what was written: its hash no longer fits",
    CUT: "the line breaks off",
}


def _out_of_place(link: Link, place: int, later: Iterator[Link]) -> Finding:
    if any(other.seq == place for other in later):
        return Finding(REORDERED, place, f"entry {link.seq} stands before entry {place}")
    return Finding(MISSING, place, f"after {place - 1} comes {link.seq}")


def wrong_genesis(body: bytes, log_id: str | None) -> str:
    """Why this is not the first body of the log `log_id` (None: of any log); empty when it is."""
    fields = read_object(body) or {}
    if fields.get("format") != FORMAT or not isinstance(fields.get("log_id"), str):
        return "its first entry does not begin a ledger"
    if log_id is not None and fields["log_id"] != log_id:
        return f"it is the log {fields['log_id']}, expected {log_id}"
    return ""


def verify_chain(
    links: Iterable[Link],
    *,
    log_id: str | None = None,
    known: Sequence[Head] = (),
    end: int | None = None,
) -> Checked:
    """Check entries in the order given, from number 1.

    `log_id` is the log it must be; None accepts any. `known` are heads that the log must contain,
    from a trusted or at least another place. `end` is the exact number of entries; None when the
    log may have grown since.
    """
    walk = _Walk(log_id, {head.seq: head.hash for head in known if head.seq}, end)
    rows = iter(links)
    for link in rows:
        if finding := walk.judge(link, rows):
            return Checked(walk.last.seq, walk.last, finding)
        walk.accept(link)
    return Checked(walk.last.seq, walk.last, walk.finish())


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `body`; None when it is anything else."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


# --- The rules ------------------------------------------------------------------------------------

PHASES = ("draft", "dual_run", "canary", "full", "decommissioned")
WEIGHTS: Mapping[str, range] = {
    "draft": range(1),
    "dual_run": range(1),
    "canary": range(1, 101),
    "full": range(100, 101),
    "decommissioned": range(100, 101),
    "abandoned": range(1),
}


class Place(NamedTuple):
    """Where a migration stands: phase, index of the step, candidate's share in percent."""

    phase: str
    step: int | None
    weight: int
    held: bool
    version: int

    @property
    def rank(self) -> tuple[int, int]:
        """Grows toward the candidate."""
        return (PHASES.index(self.phase) if self.phase in PHASES else -1, self.weight)

    @property
    def position(self) -> tuple[str, int | None, int]:
        return (self.phase, self.step, self.weight)


class BrokenRuleError(Exception):
    """An entry records what Banyan never allows; the message says it in words."""


def _require(holds: bool, text: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise BrokenRuleError(text)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def read_place(value: object, which: str) -> Place:
    """Read the `from` or `to` of an entry; raises BrokenRuleError unless it is a legal place."""
    if not isinstance(value, dict):
        raise BrokenRuleError(f"`{which}` is not a place")
    phase, step, weight = value.get("phase"), value.get("step"), value.get("weight")
    held, version = value.get("held", False), value.get("version")
    _require(
        isinstance(phase, str) and phase in WEIGHTS, f"`{which}` has the unknown phase {phase!r}"
    )
    _require(_is_int(weight), f"`{which}` has no whole weight")
    _require(_is_int(version), f"`{which}` has no version")
    _require(step is None or _is_int(step), f"`{which}` has no whole step")
    _require(isinstance(held, bool), f"`{which}` does not say whether it is held")
    place = Place(str(phase), step, int(str(weight)), bool(held), int(str(version)))
    _require(place.weight in WEIGHTS[place.phase], f"{phase} at {weight} % is not a legal place")
    return place


def _start(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    _require((was.phase, now.phase) == ("draft", "dual_run"), "start leads from draft to dual_run")


def _promote(was: Place, now: Place, body: Mapping[str, Any]) -> None:
    _require(was.phase in ("dual_run", "canary"), f"promote cannot leave {was.phase}")
    _require(now.phase in ("canary", "full"), f"promote cannot reach {now.phase}")
    _require(now.rank > was.rank, "promote leads toward the candidate")
    _require(now.phase != "full" or was.weight == now.weight, "full is reached from 100 % only")
    _require(not was.held, "promoted while it was held")
    if not body.get("override"):
        _require_passing(body.get("verdicts"), needed=now.weight > was.weight)


def _require_passing(verdicts: object, *, needed: bool) -> None:
    """Refuse a named verdict that is no PASS, unless marked `"required": false`."""
    named = verdicts if isinstance(verdicts, list) else []
    relied_on = [v for v in named if isinstance(v, dict) and v.get("required", True)]
    _require(bool(relied_on) or not needed, "promoted without a verdict and without an override")
    for verdict in relied_on:
        name, value = verdict.get("gate"), verdict.get("verdict")
        _require(value == "PASS", f"promoted while the gate {name!r} was {value}")


def _roll_back(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    if was.position == now.position:
        return
    _require(was.phase in ("canary", "full"), f"roll back cannot leave {was.phase}")
    _require(now.phase in ("dual_run", "canary"), f"roll back cannot reach {now.phase}")
    _require(now.rank < was.rank, "roll back leads toward legacy")
    _require(now.held, "after a roll back the migration is held")


def _hold(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    _require(was.position == now.position and now.held, "hold only holds")


def _resume(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    _require(was.position == now.position and not now.held, "resume only lifts the hold")


def _decommission(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    _require((was.phase, now.phase) == ("full", "decommissioned"), "only full is decommissioned")


def _abandon(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    _require((was.phase, now.phase) == ("dual_run", "abandoned"), "only dual_run is abandoned")


def _stay(was: Place, now: Place, _body: Mapping[str, Any]) -> None:
    unmoved = was.position == now.position and was.held == now.held
    _require(unmoved, "this action moves nothing, yet the place changed")


MOVES: Mapping[str, Callable[[Place, Place, Mapping[str, Any]], None]] = {
    "start": _start,
    "promote": _promote,
    "override": _promote,
    "roll_back": _roll_back,
    "hold": _hold,
    "resume": _resume,
    "decommission": _decommission,
    "abandon": _abandon,
    "in_effect": _stay,
}


@dataclass(slots=True)
class Replay:
    """Lives the migrations again, entry by entry; `finding` is the first rule broken.

    1. A migration begins with `create`, as a draft at 0 %.
    2. Each move starts from where the one before it ended, and its places are legal ones.
    3. A move raises the version by one, so there is one decision for each version.
    4. The weight moves by promote, override and roll back only; every verb has its direction.
    5. A promotion toward the candidate names the verdicts it rested on, all PASS, or an override.
    6. Only the place where a migration stands comes into effect.
    Denied attempts move nothing. Actions it doesn't know are counted, and must move nothing either.
    """

    places: dict[str, Place] = field(default_factory=dict)
    decided: set[tuple[str, int]] = field(default_factory=set)
    moves: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    finding: Finding | None = None

    def feed(self, seq: int, body: bytes) -> None:
        """Take the next entry; after the first broken rule nothing more is looked at."""
        if self.finding:
            return
        try:
            self._take(read_object(body))
        except BrokenRuleError as broken:
            self.finding = Finding(RULE, seq, str(broken))

    def _take(self, body: dict[str, Any] | None) -> None:
        if body is None:
            raise BrokenRuleError("the body is not a JSON object")
        action = str(body.get("action"))
        subject, _, verb = action.partition(":")
        if action in (GENESIS_ACTION, "migration:denied"):
            return
        if subject != "migration" or verb not in ("create", *MOVES):
            self.unknown[action] += 1
        if subject == "migration" and "to" in body:
            self._take_move(verb, body)
        elif verb == "in_effect":
            self._compare(body)

    def _compare(self, body: Mapping[str, Any]) -> None:
        slug, place = str(body.get("migration")), read_place(body.get("place"), "place")
        _require(place == self.places.get(slug), f"{slug} did not stand at that place")

    def _take_move(self, verb: str, body: Mapping[str, Any]) -> None:
        slug, now = str(body.get("migration")), read_place(body["to"], "to")
        if verb == "create":
            _require(slug not in self.places, f"{slug} was created twice")
            _require((now.phase, now.weight) == ("draft", 0), "a migration begins as a draft")
        else:
            self._take_step(verb, now, body)
        self.places[slug] = now

    def _take_step(self, verb: str, now: Place, body: Mapping[str, Any]) -> None:
        slug, was = str(body.get("migration")), read_place(body.get("from"), "from")
        _require(slug in self.places, f"{slug} was never created")
        _require(was == self.places[slug], f"it starts elsewhere than where {slug} stood")
        MOVES.get(verb, _stay)(was, now, body)
        if was == now and verb != "promote":
            return  # a repeated hold or roll back is recorded, and changes nothing
        _require(now.version == was.version + 1, "a change raises the version by exactly one")
        _require((slug, was.version) not in self.decided, "two decisions on one version")
        self.decided.add((slug, was.version))
        self.moves += 1


# --- The export -----------------------------------------------------------------------------------


class UnreadableError(Exception):
    """What was given is not an export of a ledger."""


def export_line(link: Link) -> str:
    """Write an entry in the only accepted way; the body's stored bytes are kept, even odd ones."""
    body = json.dumps(link.body.decode("utf-8", "surrogateescape"))
    return f'{{"body":{body},"hash":"{link.hash}","prev":"{link.prev}","seq":{link.seq}}}\n'


def header_line(log_id: str, head: Head) -> str:
    """Write the export's first line: which log, and the head at the moment of the export."""
    fields = {"format": FORMAT, "head": {"hash": head.hash, "seq": head.seq}, "log_id": log_id}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n"


def read_header(line: bytes) -> tuple[str, Head, Finding | None]:
    """Log id and head of an export. Raises UnreadableError when the line is no header."""
    fields = read_object(line)
    if fields is None or fields.get("format") != FORMAT:
        raise UnreadableError(f"the first line is not the header of a {FORMAT} export")
    head, log_id = fields.get("head"), fields.get("log_id")
    if not isinstance(head, dict) or not isinstance(log_id, str):
        raise UnreadableError("the header names no log and head")
    if not _is_int(head.get("seq")) or not isinstance(head.get("hash"), str):
        raise UnreadableError("the header's head is not a number and a hash")
    found = Head(head["seq"], head["hash"])
    if header_line(log_id, found).encode() != line:
        return log_id, found, Finding(EDITED, 0, "the header was rewritten (CRLF, spaces or keys)")
    return log_id, found, None


def read_line(line: bytes) -> Link:
    """One entry of an export; a line that is not byte for byte as written carries a flaw."""
    fields = read_object(line)
    if fields is None:
        return Link(0, "", b"", "", EDITED if line.endswith(b"\n") else CUT)
    try:
        body = fields["body"].encode("utf-8", "surrogateescape")
        link = Link(fields["seq"], fields["prev"], body, fields["hash"])
        same = export_line(link).encode() == line
    except (KeyError, AttributeError, ValueError):
        return Link(0, "", b"", "", EDITED)
    if same and _is_int(link.seq):
        return link
    return link._replace(flaw=EDITED if line.endswith(b"\n") else CUT)


@dataclass(frozen=True, slots=True)
class Verified:
    """What an export turned out to be; `finding` is None when all of it holds."""

    log_id: str
    checked: Checked
    replay: Replay
    finding: Finding | None


def verify_export(
    lines: Iterable[bytes], *, log_id: str | None = None, known: Sequence[Head] = ()
) -> Verified:
    """Check an export, line by line. Raises UnreadableError when it is none."""
    rows = iter(lines)
    stated_id, head, finding = read_header(next(rows, b""))
    replay = Replay()
    if log_id is not None and log_id != stated_id:
        finding = Finding(WRONG_LOG, 0, f"it is the log {stated_id}, expected {log_id}")
    if finding:
        return Verified(stated_id, Checked(0, NOTHING, finding), replay, finding)
    links = _replayed((read_line(row) for row in rows), replay)
    # Heads noted elsewhere come last: where they and the header disagree, they are believed.
    checked = verify_chain(links, log_id=stated_id, known=(head, *known), end=head.seq)
    return Verified(stated_id, checked, replay, first_of(checked.finding, replay.finding))


def _replayed(links: Iterable[Link], replay: Replay) -> Iterator[Link]:
    for link in links:
        yield link
        replay.feed(link.seq, link.body)


def first_of(chain_finding: Finding | None, rule_finding: Finding | None) -> Finding | None:
    """Pick the finding with the lower number; in one entry the chain's explains the other."""
    if chain_finding and rule_finding and rule_finding.seq < chain_finding.seq:
        return rule_finding
    return chain_finding or rule_finding


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or len(digest) != len(GENESIS_PREV):
        raise argparse.ArgumentTypeError("a head is SEQ:HASH with 64 hex digits")
    return Head(int(seq), digest.lower())


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Verify an export of Banyan's ledger.")
    parser.add_argument("export", help="path of the export, or - for standard input")
    parser.add_argument("--head", action="append", default=[], type=_head, metavar="SEQ:HASH")
    parser.add_argument("--log-id", help="the log that it must be")
    return parser.parse_args(argv)


def _report(result: Verified) -> int:
    checked, replay = result.checked, result.replay
    if result.finding:
        found = result.finding
        print(f"BROKEN  seq {found.seq}  kind {found.kind}: {found.text}")
        print(f"        {checked.entries} entries before it hold; log {result.log_id}")
        return 1
    print(f"verified  {checked.entries} entries, log {result.log_id}")
    print(f"          head {checked.head.seq}:{checked.head.hash}")
    print(f"          {replay.moves} moves of {len(replay.places)} migrations keep the rules")
    for action, count in sorted(replay.unknown.items()):
        print(f"          {count} entries of an action without rules: {action}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Verify the export named in the arguments; returns the exit code."""
    arguments = _arguments(argv)
    try:
        if arguments.export == "-":
            return _verify_stream(sys.stdin.buffer, arguments)
        with Path(arguments.export).open("rb") as lines:
            return _verify_stream(lines, arguments)
    except (OSError, UnreadableError) as error:
        print(f"unreadable: {error}", file=sys.stderr)
        return 2


def _verify_stream(lines: Iterable[bytes], arguments: argparse.Namespace) -> int:
    return _report(verify_export(lines, log_id=arguments.log_id, known=arguments.head))


if __name__ == "__main__":
    sys.exit(main())
