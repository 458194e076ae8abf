"""Verify an export of Banyan's ledger. One file, Python standard library only, nothing of Banyan.

    python verify_audit.py EXPORT.jsonl            or "-" for standard input
    python verify_audit.py EXPORT.jsonl --key VKEY --checkpoint MINE.jsonl
    python verify_audit.py EXPORT.jsonl --head 120:9f2c... --log-id 5d0e...

What you noted earlier makes the check worth more than the export's word for itself: `--key` is a
public key of the ledger, `--checkpoint` a file with one or more signed checkpoints (a copy of the
anchor will do), `--head` a head from a page or a report. The export must still contain all of them.

Exit 0: verified. Exit 1: broken, with the first bad sequence number and the kind. Exit 2: not
readable as an export at all. Exit 3: all of it holds, but its signatures could not be checked,
because there is neither the Python package `cryptography` nor an `openssl` of version 3.

It checks four things. The chain: each entry's hash covers its number, the hash before it and the
stored bytes of its body. The tree: the entry hashes are the leaves of an RFC 6962 tree, whose root
each checkpoint states. The signatures: each checkpoint is signed by the key in force at its size.
And the rules: what the entries say about a migration is a life that Banyan allows (see `Replay`).

It is long because an auditor copies one file; its sections stand one after the other, each resting
on those above it.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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
BAD_SIGNATURE = "bad_signature"  # a checkpoint that the key in force at its size did not sign
UNCOVERED = "uncovered"  # beyond the head, or in the database alone: nobody vouches for it
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
    """The first thing that is wrong: where (`seq`; 0 is the export's header), what, in words.

    Where only a later checkpoint tells, the first false entry is one of `since` to `seq`.
    """

    kind: str
    seq: int
    text: str
    since: int = 0

    @property
    def first(self) -> int:
        """The lowest number that may be false."""
        return self.since or self.seq


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
    vouched: int = 0

    def accept(self, link: Link) -> None:
        if link.seq in self.known:
            self.vouched = link.seq
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
            if self.vouched + 1 < link.seq:
                text += f" somewhere in {self.vouched + 1} to {link.seq}"
            return Finding(FORKED, link.seq, text, self.vouched + 1)
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
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


# --- The tree -------------------------------------------------------------------------------------

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node of the tree (RFC 6962): SHA-256 over 0x01 and its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows leaf by leaf: the roots of its complete subtrees, the largest first.

    That is one hash for each set bit of the size, enough to go on growing and to state the root.
    """

    __slots__ = ("nodes", "size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Begin empty, or go on from what `size` and `nodes` were."""
        if size.bit_count() != len(nodes):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees")
        self.size, self.nodes = size, list(nodes)

    def append(self, leaf: bytes) -> None:
        """Add the next leaf."""
        rest = self.size
        while rest & 1:
            leaf = node_hash(self.nodes.pop(), leaf)
            rest >>= 1
        self.nodes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over these leaves, which are taken as they are."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def _left_size(size: int) -> int:
    """Return the largest power of two below `size`: how many leaves the left subtree has."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from the leaf at `index` (from 0) to the root, lowest first."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    proof: list[bytes] = []
    while len(leaves) > 1:
        left = _left_size(len(leaves))
        if index < left:
            proof.append(tree_root(leaves[left:]))
            leaves = leaves[:left]
        else:
            proof.append(tree_root(leaves[:left]))
            leaves, index = leaves[left:], index - left
    return proof[::-1]


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Return the hashes proving that the tree of the first `old` leaves only grew into this one."""
    if not 0 < old <= len(leaves):
        raise IndexError(old)
    proof: list[bytes] = []
    whole = True  # the old part is still the left-most complete tree, whose root is known
    while old != len(leaves):
        left = _left_size(len(leaves))
        if old <= left:
            proof.append(tree_root(leaves[left:]))
            leaves = leaves[:left]
        else:
            proof.append(tree_root(leaves[:left]))
            leaves, old, whole = leaves[left:], old - left, False
    return [*([] if whole else [tree_root(leaves)]), *proof[::-1]]


class Inclusion(NamedTuple):
    """The claim that `leaf` is number `place` (from 0) of `size` leaves under `root`."""

    place: int
    size: int
    leaf: bytes
    root: bytes


def verify_inclusion(claim: Inclusion, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows it (RFC 9162, 2.1.3.2)."""
    fits = all(len(node) == HASH_BYTES for node in (claim.leaf, claim.root, *proof))
    if not fits or not 0 <= claim.place < claim.size:
        return False
    place, last, node = claim.place, claim.size - 1, claim.leaf
    for other in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(other, node)
            place, last = _climb(place, last)
        else:
            node = node_hash(node, other)
        place, last = place >> 1, last >> 1
    return last == 0 and node == claim.root


def _climb(place: int, last: int) -> tuple[int, int]:
    """Go up while the node is the last of a level and alone there: it has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


class TreeHead(NamedTuple):
    """A tree at some moment: number of leaves and root."""

    size: int
    root: bytes


def verify_consistency(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that `new` is `old` grown (RFC 9162, 2.1.4.2)."""
    fits = all(len(node) == HASH_BYTES for node in (old.root, new.root, *proof))
    if not fits or not 0 < old.size <= new.size:
        return False
    if old.size == new.size:
        return not proof and old.root == new.root
    path = [old.root, *proof] if old.size.bit_count() == 1 else list(proof)
    return bool(path) and _grown(old, new, path)


def _grown(old: TreeHead, new: TreeHead, path: Sequence[bytes]) -> bool:
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(other, before), node_hash(other, after)
            place, last = _climb(place, last)
        else:
            after = node_hash(after, other)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old.root and after == new.root


# --- Signed checkpoints ---------------------------------------------------------------------------
# A checkpoint is a C2SP signed note (c2sp.org/tlog-checkpoint): origin, size, root, then lines of
# ours for the time, the newest entry's hash, and what a restore from a backup gave up.

ORIGIN = "banyan.ledger/"
DASH = "\u2014"
ED25519 = b"\x01"
KEY_ID_BYTES, PUBLIC_BYTES, SIGNATURE_BYTES = 4, 32, 64


class UnreadableError(Exception):
    """What was given is not an export of a ledger, not a checkpoint, or not a key."""


class Key(NamedTuple):
    """A public key and whose it is; `id` are 8 hex digits by which a signature names it."""

    name: str
    public: bytes

    @property
    def id(self) -> str:
        return self._hash().hex()

    def _hash(self) -> bytes:
        text = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(text).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """Write it as a C2SP verifier key: name, id, type and key."""
        return f"{self.name}+{self.id}+{_base64(ED25519 + self.public)}"


def read_key(text: str) -> Key:
    """Read what `str(key)` wrote. Raises UnreadableError."""
    name, _, encoded = text.strip().partition("+")
    raw = _unbase64(encoded.partition("+")[2])
    key = Key(name, (raw or b"")[1:])
    if raw is None or len(key.public) != PUBLIC_BYTES or str(key) != text.strip():
        raise UnreadableError(f"{text[:80]!r} is no public key of a ledger")
    return key


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _unbase64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class Checkpoint(NamedTuple):
    """What the log's key signed: `size` entries, their tree's root, the newest entry's hash.

    `root` and `head` are 64 hex digits. `lost` stands in the first checkpoint after a restore: the
    newest one before it, whose entries after number `kept` are not in this log.
    """

    origin: str
    size: int
    root: str
    at: str
    head: str
    lost: Head | None = None
    kept: int = 0
    signatures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The part that is signed."""
        root = _base64(bytes.fromhex(self.root))
        lines = [self.origin, str(self.size), root, f"time {self.at}", f"head {self.head}"]
        if self.lost:
            lines.append(f"restored {self.lost.seq} {self.lost.hash} {self.kept}")
        return "".join(f"{line}\n" for line in lines)

    @property
    def note(self) -> str:
        """The text with its signatures, as it is stored and handed out."""
        return self.text + "\n" + "".join(f"{DASH} {each}\n" for each in self.signatures)

    @property
    def newest(self) -> Head:
        """The entry up to which it vouches."""
        return Head(self.size, self.head)


_NOTE = re.compile(
    r"(?P<origin>banyan\.ledger/[0-9a-z]+)\n(?P<size>[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<at>[0-9T:.-]+Z)\nhead (?P<head>[0-9a-f]{64})\n"
    r"(?:restored (?P<lost>[0-9]{1,18}) (?P<was>[0-9a-f]{64}) (?P<kept>[0-9]{1,18})\n)?"
    rf"\n(?P<signatures>(?:{DASH} [^ +\n]+ [A-Za-z0-9+/]+=*\n)+)"
)


def read_note(note: str) -> Checkpoint:
    """Read a checkpoint that is written in the one accepted way. Raises UnreadableError."""
    found = _NOTE.fullmatch(note)
    if found is None:
        raise UnreadableError("not a checkpoint of a ledger")
    lines = found["signatures"].splitlines()
    lost = Head(int(found["lost"]), found["was"]) if found["lost"] else None
    checkpoint = Checkpoint(
        origin=found["origin"],
        size=int(found["size"]),
        root=base64.b64decode(found["root"]).hex(),
        at=found["at"],
        head=found["head"],
        lost=lost,
        kept=int(found["kept"] or 0),
        signatures=tuple(line.removeprefix(f"{DASH} ") for line in lines),
    )
    if checkpoint.note != note:
        raise UnreadableError("a checkpoint that was rewritten")
    return checkpoint


def signature_line(key: Key, signature: bytes) -> str:
    """Write one signature as a note carries it."""
    return f"{key.name} {_base64(bytes.fromhex(key.id) + signature)}"


Verifier = Callable[[bytes, bytes, bytes], bool]  # public key, signature, text


def is_signed_by(checkpoint: Checkpoint, key: Key, verify: Verifier) -> bool:
    """Whether one of the checkpoint's signatures is good under `key`."""
    for line in checkpoint.signatures:
        name, _, encoded = line.partition(" ")
        raw = _unbase64(encoded) or b""
        named = name == key.name and raw[:KEY_ID_BYTES].hex() == key.id
        signature = raw[KEY_ID_BYTES:]
        if named and len(signature) == SIGNATURE_BYTES:
            return verify(key.public, signature, checkpoint.text.encode())
    return False


def find_verifier() -> Verifier | None:
    """Return what checks Ed25519 here: `cryptography`, else openssl 3, else nothing."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: F401
    except ImportError:
        return _by_openssl if _openssl_works() else None
    return _by_cryptography


def _by_cryptography(public: bytes, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


# The second test of RFC 8032, 7.1: an openssl that doesn't accept it knows no Ed25519.
_RFC_8032_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
_RFC_8032_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_SPKI = bytes.fromhex("302a300506032b6570032100")  # what stands before the key in its DER form


def _openssl_works() -> bool:
    public, signature = bytes.fromhex(_RFC_8032_KEY), bytes.fromhex(_RFC_8032_SIGNATURE)
    return shutil.which("openssl") is not None and _by_openssl(public, signature, b"\x72")


def _by_openssl(public: bytes, signature: bytes, text: bytes) -> bool:
    with tempfile.TemporaryDirectory(prefix="verify-audit-") as name:
        key, signed, sig = (Path(name, part) for part in ("key.der", "text", "signature"))
        key.write_bytes(_SPKI + public)
        signed.write_bytes(text)
        sig.write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(key)]
        command += ["-rawin", "-in", str(signed), "-sigfile", str(sig)]
        # S603: nothing that others wrote is part of the command.
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


ROTATE_ACTION, RESTORED_ACTION = "ledger:rotate_key", "ledger:restored"


@dataclass(slots=True)
class Coverage:
    """Holds signed checkpoints against the log as it is read; `finding` is the first that fails.

    1. The first checkpoint names the key in force, one of `keys`; an entry `ledger:rotate_key`
       names the next one. The first checkpoint from there on is signed by both, later ones by the
       new key alone: the old one ends at that size.
    2. A key that was lost cannot sign its successor. Such a rotation is believed only when the new
       key is one of `trusted`.
    3. Each checkpoint states the root of the tree and the hash of the entry at its size.
    4. With `trusted` keys, one of them must have signed: being named in a rotation proves nothing.
    `verify` None means that signatures cannot be checked here; then only 3 is.
    """

    log_id: str
    checkpoints: Sequence[Checkpoint]
    keys: Sequence[Key] = ()
    trusted: Sequence[Key] = ()
    verify: Verifier | None = None
    tree: Frontier = field(default_factory=Frontier)
    in_force: list[Key] = field(default_factory=list)
    handing_over: Key | None = None
    signers: set[Key] = field(default_factory=set)
    covered: int = 0
    finding: Finding | None = None
    _waiting: list[Checkpoint] = field(init=False)
    _looked_at: dict[tuple[Checkpoint, Key], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._waiting = sorted(self.checkpoints, key=lambda each: -each.size)

    def known(self) -> list[Head]:
        """Return the heads that signed checkpoints vouch for, whatever is wrong besides."""
        return [each.newest for each in self.checkpoints if self._may_be_ours(each)]

    def _may_be_ours(self, checkpoint: Checkpoint) -> bool:
        if checkpoint.origin != ORIGIN + self.log_id:
            return False
        keys = [*self.keys, *self.trusted]
        return self.verify is None or any(self._signed(checkpoint, key) for key in keys)

    def _signed(self, checkpoint: Checkpoint, key: Key) -> bool:
        """Look at a signature once; it costs more than all the rest."""
        pair = checkpoint, key
        if pair not in self._looked_at:
            self._looked_at[pair] = bool(self.verify and is_signed_by(checkpoint, key, self.verify))
        return self._looked_at[pair]

    def feed(self, link: Link) -> None:
        """Take the next entry of a chain that holds so far."""
        self.tree.append(bytes.fromhex(link.hash))
        if self.finding:
            return
        # A search in the bytes spares reading every body as JSON; the rules read them anyway.
        if f'"{ROTATE_ACTION}"'.encode() in link.body:
            self._rotate(link)
        while self._waiting and self._waiting[-1].size <= link.seq and not self.finding:
            self._judge(self._waiting.pop(), link)

    def _rotate(self, link: Link) -> None:
        body = read_object(link.body) or {}
        if body.get("action") != ROTATE_ACTION:
            return
        old, lost = self.in_force[-1] if self.in_force else None, body.get("lost") is True
        try:
            new = read_key(str(body.get("new")))
        except UnreadableError as error:
            self.finding = Finding(BAD_SIGNATURE, link.seq, str(error))
            return
        if text := self._misplaced(new, old, body, lost=lost):
            self.finding = Finding(BAD_SIGNATURE, link.seq, text)
        self.handing_over = None if lost else old
        self.in_force.append(new)

    def _misplaced(self, new: Key, old: Key | None, body: Mapping[str, Any], *, lost: bool) -> str:
        if not self.verify:
            return ""
        if old and body.get("old") != str(old):
            return f"it changes another key than {old.id}, which is in force"
        if lost and new not in self.trusted:
            return f"its key {new.id} follows a lost one; pass it as --key if you know it is right"
        return ""

    def _judge(self, checkpoint: Checkpoint, link: Link) -> None:
        since = self.covered + 1
        if checkpoint.origin != ORIGIN + self.log_id:
            text = f"a checkpoint of {checkpoint.origin}, expected {ORIGIN}{self.log_id}"
            self.finding = Finding(WRONG_LOG, checkpoint.size, text)
        elif self.verify and (text := self._unsigned(checkpoint)):
            self.finding = Finding(BAD_SIGNATURE, checkpoint.size, text)
        elif (checkpoint.size, checkpoint.head) != (link.seq, link.hash):
            text = f"the checkpoint at {checkpoint.size} names another entry: history was rewritten"
            self.finding = Finding(FORKED, checkpoint.size, text, since)
        elif checkpoint.root != self.tree.root().hex():
            text = f"the checkpoint at {checkpoint.size} has another root: history was rewritten"
            self.finding = Finding(FORKED, checkpoint.size, text, since)
        else:
            self.covered = checkpoint.size

    def _unsigned(self, checkpoint: Checkpoint) -> str:
        """Say why the checkpoint is not signed as it must be; empty when it is."""
        if not self.in_force:
            offered = [*self.keys, *self.trusted]
            first = next((key for key in offered if self._signed(checkpoint, key)), None)
            if first is None:
                return f"no known key signed the checkpoint at {checkpoint.size}"
            self.in_force.append(first)
        needed = [self.in_force[-1], *([self.handing_over] if self.handing_over else [])]
        for key in needed:
            if not self._signed(checkpoint, key):
                return f"the checkpoint at {checkpoint.size} is not signed by the key {key.id}"
        self.handing_over = None
        self.signers.update(needed)
        return ""

    def finish(self) -> Finding | None:
        """Say what is wrong when nothing follows any more, and nothing was before."""
        if beyond := self._waiting[-1:]:
            text = f"the checkpoint at {beyond[0].size} lies beyond the log's end"
            kind = CUT if self._may_be_ours(beyond[0]) else BAD_SIGNATURE
            return Finding(kind, self.tree.size + 1 if kind == CUT else beyond[0].size, text)
        if not self.trusted or not self.verify or self.signers.intersection(self.trusted):
            return None
        if not self.signers:
            return Finding(UNCOVERED, 1, "no checkpoint is signed by the key that you gave")
        names = ", ".join(sorted(key.id for key in self.signers))
        text = f"signed by the key {names}, which is none of yours"
        return Finding(BAD_SIGNATURE, self.covered, text)


def without_lost(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Drop, from an anchor's lines in their order, those that a later one declares given up."""
    kept: list[Checkpoint] = []
    for checkpoint in checkpoints:
        if checkpoint.lost and checkpoint.lost in [each.newest for each in kept]:
            kept = [each for each in kept if each.size <= checkpoint.kept]
        kept.append(checkpoint)
    return kept


# --- The rules ------------------------------------------------------------------------------------
# audit/README.md lists the fields of each action's body.

PHASES = ("draft", "dual_run", "canary", "full", "decommissioned")
LIVE = ("dual_run", "canary", "full")
WEIGHTS: Mapping[str, range] = {
    "draft": range(1),
    "dual_run": range(1),
    "canary": range(1, 101),
    "full": range(100, 101),
    "decommissioned": range(100, 101),
    "abandoned": range(1),
}
# The least role of a person for each verb, and what happens without a person at all: Banyan itself
# stops and goes back, a command on a host describes migrations and goes back.
ROLES = ("viewer", "operator", "approver", "lead", "admin")
NEEDS: Mapping[str, str] = {
    "override": "lead",
    "reset": "lead",
    "waive": "lead",
    "end_waiver": "lead",
    "grant_approval": "approver",
    "decline_approval": "approver",
    "close_review": "approver",
}
_BY_ITSELF = ("create", "hold", "roll_back", "late_entry", "in_effect")
UNATTENDED: Mapping[str, Sequence[str]] = {
    "automation": (*_BY_ITSELF, "resume", "latch"),
    "host": _BY_ITSELF,
}
LIVE_GATES = ("errors", "latency_regression")  # judged from the first step on, not before it
NOT_GIVEN = "not given"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


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
    if text := _illegal(value, which):
        raise BrokenRuleError(text)
    phase, step, weight = value["phase"], value.get("step"), value["weight"]
    return Place(phase, step, weight, value.get("held", False), value["version"])


def _illegal(place: Mapping[str, Any], which: str) -> str:  # noqa: PLR0911 - one for each flaw
    phase, step, weight = place.get("phase"), place.get("step"), place.get("weight")
    if not isinstance(phase, str) or phase not in WEIGHTS:
        return f"`{which}` has the unknown phase {phase!r}"
    if not _is_int(weight):
        return f"`{which}` has no whole weight"
    if not _is_int(place.get("version")):
        return f"`{which}` has no version"
    if step is not None and not _is_int(step):
        return f"`{which}` has no whole step"
    if not isinstance(place.get("held", False), bool):
        return f"`{which}` does not say whether it is held"
    if weight not in WEIGHTS[phase]:
        return f"{phase} at {weight} % is not a legal place"
    return f"{phase} with the step {step!r}" if (step is None) == (phase == "canary") else ""


class Who(NamedTuple):
    """Who acted, as the entry names them."""

    kind: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry about a migration, as the rules read it."""

    seq: int
    verb: str
    body: Mapping[str, Any]
    who: Who
    at: str

    def text(self, name: str) -> str:
        """Return a field that must be a text that says something."""
        value = self.body.get(name)
        _require(isinstance(value, str) and bool(value.strip()), f"{self.verb} without `{name}`")
        return str(value)

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a field that must be an object."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise BrokenRuleError(f"{self.verb} without `{name}`")
        return value

    def later(self, value: object) -> str:
        """Return a moment that must lie after this entry."""
        _require(isinstance(value, str) and bool(_MOMENT.fullmatch(value)), "no expiry in UTC")
        _require(str(value) > self.at, "it had expired when it was written")
        return str(value)

    def number(self, name: str) -> str:
        """Return a field that must name a row: a whole number or a text."""
        value = self.body.get(name)
        return str(value) if _is_int(value) else self.text(name)


def read_entry(seq: int, verb: str, body: Mapping[str, Any]) -> Entry:
    """Read who, when and what; raises BrokenRuleError when one of them is not there."""
    who, at = body.get("actor"), body.get("at")
    if not isinstance(who, dict) or not isinstance(at, str) or not _MOMENT.fullmatch(at):
        raise BrokenRuleError("it does not say who acted when")
    kind, name, role = who.get("kind"), who.get("name"), who.get("role")
    return Entry(seq, verb, body, Who(str(kind), str(name), str(role or "")), at)


@dataclass(slots=True)
class Approval:
    """A second person's consent: asked for, given or not, used once."""

    asked_by: str
    action: str
    to: tuple[object, object, object]
    plan: str
    builds: object
    expires: str
    state: str = "requested"


@dataclass(slots=True)
class Life:
    """What the entries so far say about one migration.

    `places` has each version's place and the entry that brought it; `waivers` when each item's
    ends; `reviews` who opened each open one; `attempts` the present one of each latched gate.
    """

    slug: str
    place: Place
    policy: Mapping[str, Any]
    places: dict[int, tuple[Place, int]] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    reviews: dict[int, str] = field(default_factory=dict)
    waivers: dict[str, str] = field(default_factory=dict)
    attempts: Counter[tuple[object, ...]] = field(default_factory=Counter)
    imported: set[str] = field(default_factory=set)

    def stand(self, place: Place, seq: int) -> None:
        """Note where the migration stands since entry `seq`."""
        self.place = place
        self.places.setdefault(place.version, (place, seq))

    @property
    def weights(self) -> list[Any]:
        """The weights of the canary's steps; empty when no entry names them."""
        steps = self.policy.get("steps")
        named = steps if isinstance(steps, list) else []
        return [each.get("weight") if isinstance(each, dict) else each for each in named]

    def required(self, to: Place) -> list[str]:
        """Name the gates that a promotion to `to` must cite; none when no entry names them."""
        gates, found = self.policy.get("gates"), []
        for rule in gates if isinstance(gates, list) else []:
            named = rule if isinstance(rule, dict) else {"gate": rule}
            gate, weight = str(named.get("gate")), named.get("from_weight", 1)
            early = to.step == 0 and gate in LIVE_GATES
            if _is_int(weight) and to.weight >= weight and not early:
                found.append(gate)
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """A move of one migration: from, to, and the entry that records it."""

    life: Life
    was: Place
    now: Place
    entry: Entry


def _start(step: Step) -> None:
    phases = (step.was.phase, step.now.phase)
    _require(phases == ("draft", "dual_run"), "start leads from draft to dual_run")


def _promote(step: Step) -> None:
    _require_next_place(step)
    override = step.entry.body.get("override")
    passed_by = _override(step) if override or step.entry.verb == "override" else ()
    _require_passing(step, passed_by)
    approval_from = step.life.policy.get("approval_from")
    wanted = _is_int(approval_from) and step.now.weight >= int(str(approval_from))
    if wanted and not passed_by:
        _require_approval(step)


def _require_next_place(step: Step) -> None:
    was, now = step.was, step.now
    _require(was.phase in ("dual_run", "canary"), f"promote cannot leave {was.phase}")
    _require(now.phase in ("canary", "full"), f"promote cannot reach {now.phase}")
    _require(now.rank > was.rank, "promote leads toward the candidate")
    _require(now.phase != "full" or was.weight == now.weight, "full is reached from 100 % only")
    _require(not was.held, "promoted while it was held")
    _require(not now.held, "a promotion holds nothing")
    if now.step is not None:
        following = 0 if was.step is None else was.step + 1
        _require(now.step == following, f"promote leads to step {following}, not {now.step}")
    _require_planned(step.life, now)


def _require_planned(life: Life, place: Place) -> None:
    """Refuse a canary step whose weight is another than the policy's."""
    weights = life.weights
    if place.step is None or not weights:
        return
    planned = weights[place.step] if 0 <= place.step < len(weights) else None
    _require(planned == place.weight, f"step {place.step} is {planned} %, not {place.weight} %")


def _require_passing(step: Step, passed_by: Sequence[object]) -> None:
    """Refuse a cited verdict that is no PASS, unless not required, overridden or waived."""
    relied_on = _relied_on(step.entry.body)
    needed = step.now.weight > step.was.weight and not passed_by
    _require(bool(relied_on) or not needed, "promoted without a verdict and without an override")
    for verdict in relied_on:
        name, value = verdict.get("gate"), verdict.get("verdict")
        excused = value == "PASS" or name in passed_by or _is_waived(step, verdict)
        _require(excused, f"promoted while the gate {name!r} was {value}")
        evidence = verdict.get("evidence_sha256")
        _require(_is_digest(evidence), f"the verdict of the gate {name!r} names no evidence")
    cited = {each.get("gate") for each in relied_on}.union(passed_by)
    if lacking := [gate for gate in step.life.required(step.now) if gate not in cited]:
        raise BrokenRuleError(f"promoted without the verdict of the gate {lacking[0]!r}")


def _relied_on(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    verdicts = body.get("verdicts")
    named = verdicts if isinstance(verdicts, list) else []
    return [each for each in named if isinstance(each, dict) and each.get("required", True)]


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{64}", value))


def _is_waived(step: Step, verdict: Mapping[str, Any]) -> bool:
    """Whether a verdict cites a waiver; refuses one that ended or never was."""
    if not verdict.get("waived"):
        return False
    item = str(verdict.get("gate"))
    _require(item in step.life.waivers, f"there is no waiver of {item!r}")
    _require(step.life.waivers[item] > step.entry.at, f"the waiver of {item!r} had expired")
    return True


def _override(step: Step) -> Sequence[object]:
    """Check an override, and return the gates that it goes past; its review is open from now on."""
    entry, override = step.entry, step.entry.part("override")
    gates, incident = override.get("gates"), override.get("incident")
    _require(isinstance(incident, str) and bool(incident.strip()), "an override without incident")
    _require(isinstance(gates, list) and bool(gates), "an override that names no gate")
    entry.later(override.get("expires_at"))
    _require_approval(step)
    step.life.reviews[entry.seq] = entry.who.name
    return list(gates or ())


def _require_approval(step: Step) -> None:
    """Refuse a move without a second person's fitting, fresh and unused approval."""
    entry, life = step.entry, step.life
    approval = life.approvals.get(str(entry.body.get("approval")))
    if approval is None:
        raise BrokenRuleError(f"{entry.verb} without the approval of a second person")
    _require(approval.state == "granted", f"it rests on an approval that was {approval.state}")
    _require(approval.expires > entry.at, "it rests on an approval that had expired")
    _require(approval.action == entry.verb, f"the approval is for {approval.action}")
    _require(approval.to == step.now.position, "the approval is for another place")
    _require(approval.plan == entry.body.get("plan_sha256"), "the approved plan was changed")
    _require(approval.builds == entry.body.get("builds"), "the approval is for other builds")
    approval.state = "used"


def _roll_back(step: Step) -> None:
    was, now, entry = step.was, step.now, step.entry
    _require(was.phase in LIVE, f"roll back cannot leave {was.phase}")
    _require(now.held or was == now, "after a roll back the migration is held")
    if was.position != now.position:
        _require(was.phase != "dual_run", "roll back cannot leave dual_run")
        _require(now.phase in ("dual_run", "canary"), f"roll back cannot reach {now.phase}")
        _require(now.rank < was.rank, "roll back leads toward legacy")
        _require_planned(step.life, now)
    if entry.body.get("reason") == NOT_GIVEN and entry.who.kind != "automation":
        step.life.reviews[entry.seq] = entry.who.name


def _late_entry(step: Step) -> None:
    """A roll back that a proxy's host made on its own, imported afterwards.

    Where nothing was left to move, it is entered all the same, and changes nothing.
    """
    entry, digest = step.entry, step.entry.body.get("record_sha256")
    _require(entry.who.kind in UNATTENDED, "a late entry by a person")
    _require(step.now.weight <= step.was.weight, "a late entry never raises the weight")
    _require(_is_digest(digest), "a late entry without the hash of its record")
    record = hashlib.sha256(entry.text("record").encode("utf-8", "surrogatepass")).hexdigest()
    _require(digest == record, "a late entry whose record has another hash")
    _require(digest not in step.life.imported, "the same record was imported twice")
    happened = entry.text("happened_at")
    _require(bool(_MOMENT.fullmatch(happened)), "a late entry without a moment in UTC")
    _require(happened <= entry.at, "a late entry of something that had not happened yet")
    entry.text("proxy")
    if step.was != step.now:
        _roll_back(step)
    step.life.imported.add(str(digest))
    step.life.reviews[entry.seq] = entry.who.name


def _hold(step: Step) -> None:
    _require(step.was.phase in LIVE, f"hold is not possible in {step.was.phase}")
    _require(step.was.position == step.now.position and step.now.held, "hold only holds")


def _resume(step: Step) -> None:
    unmoved = step.was.position == step.now.position
    _require(unmoved and not step.now.held, "resume only lifts the hold")


def _decommission(step: Step) -> None:
    entry, phases = step.entry, (step.was.phase, step.now.phase)
    _require(phases == ("full", "decommissioned"), "only full is decommissioned")
    _require(not step.was.held, "decommissioned while it was held")
    _require(entry.body.get("confirmed") == step.life.slug, "decommissioned without confirmation")
    drain = entry.part("drain")
    _require(drain.get("legacy_requests") == 0, "decommissioned while legacy was still asked")
    open_reviews = ", ".join(map(str, sorted(step.life.reviews)))
    _require(not open_reviews, f"decommissioned while reviews were open: {open_reviews}")
    _require(bool(_relied_on(entry.body)), "decommissioned without a verdict")
    _require_passing(step, ())
    _require_approval(step)


def _abandon(step: Step) -> None:
    phases = (step.was.phase, step.now.phase)
    _require(phases == ("dual_run", "abandoned"), "only dual_run is abandoned")


def _stay(step: Step) -> None:
    unmoved = step.was.position == step.now.position and step.was.held == step.now.held
    _require(unmoved, "this action moves nothing, yet the place changed")


def _change_policy(step: Step) -> None:
    _stay(step)
    policy, before = step.entry.part("policy"), step.life.policy
    same = all(policy.get(part) == before.get(part) for part in ("name", "version"))
    _require(not same, "the policy was changed under the same name and version")
    step.life.policy = policy
    _require_rising(step.life)
    _require_planned(step.life, step.now)


def _require_rising(life: Life) -> None:
    weights = life.weights
    if not weights:
        return
    whole = all(map(_is_int, weights))
    rising = whole and all(low < high for low, high in pairwise([0, *weights]))
    _require(rising and weights[-1] == 100, "the policy's steps don't rise to 100 %")  # noqa: PLR2004


def _reset(step: Step) -> None:
    """A latched FAIL is understood: the same builds are judged anew, with half the alpha."""
    _stay(step)
    entry = step.entry
    _require(_is_digest(entry.body.get("evidence_sha256")), "a reset that names no evidence")
    key = _latch_key(entry)
    step.life.attempts[key] += 1
    following = step.life.attempts[key] + 1
    _require(entry.body.get("attempt") == following, f"the reset begins attempt {following}")


def _latch_key(entry: Entry) -> tuple[object, ...]:
    """Name what shares its alphas: a gate on a pair of builds, wherever it failed or was reset."""
    builds = tuple(str(entry.part("builds").get(side)) for side in ("legacy", "candidate"))
    return (entry.text("gate"), builds)


def _waive(step: Step) -> None:
    _stay(step)
    expires = step.entry.later(step.entry.body.get("expires_at"))
    step.life.waivers[step.entry.text("item")] = expires


def _end_waiver(step: Step) -> None:
    _stay(step)
    item = step.entry.text("item")
    _require(item in step.life.waivers, f"there is no waiver of {item!r}")
    del step.life.waivers[item]


def _request_approval(life: Life, entry: Entry) -> None:
    number, wanted = entry.number("approval"), entry.part("for")
    _require(number not in life.approvals, f"the approval {number} was asked for twice")
    to = wanted.get("to")
    place = to if isinstance(to, dict) else {}
    life.approvals[number] = Approval(
        asked_by=entry.who.name,
        action=str(wanted.get("action")),
        to=(place.get("phase"), place.get("step"), place.get("weight")),
        plan=entry.text("plan_sha256"),
        builds=entry.body.get("builds"),
        expires=entry.later(entry.body.get("expires_at")),
    )


def _grant_approval(life: Life, entry: Entry) -> None:
    approval = _approval(life, entry, "requested")
    _require(approval.asked_by != entry.who.name, "requester and approver are one person")
    _require(approval.expires > entry.at, "granted after it had expired")
    _require(approval.plan == entry.body.get("plan_sha256"), "another plan was approved")
    _require(approval.builds == entry.body.get("builds"), "other builds were approved")
    approval.state = "granted"


def _decline_approval(life: Life, entry: Entry) -> None:
    _approval(life, entry, "requested", "granted").state = "declined"


def _withdraw_approval(life: Life, entry: Entry) -> None:
    _approval(life, entry, "requested", "granted").state = "withdrawn"


def _approval(life: Life, entry: Entry, *states: str) -> Approval:
    number = entry.number("approval")
    approval = life.approvals.get(number)
    if approval is None:
        raise BrokenRuleError(f"nobody asked for the approval {number}")
    _require(approval.state in states, f"the approval {number} was {approval.state} already")
    return approval


def _close_review(life: Life, entry: Entry) -> None:
    number = entry.body.get("of")
    _require(_is_int(number) and number in life.reviews, f"there is no open review {number!r}")
    entry.text("reason")
    opened_by = life.reviews.pop(int(str(number)))
    _require(opened_by != entry.who.name, "who opened a review closed it")


def _latch(life: Life, entry: Entry) -> None:
    """A FAIL that stays until it is reset."""
    _in_effect(life, entry)
    _require(entry.body.get("verdict") == "FAIL", "only a FAIL is latched")
    present = life.attempts[_latch_key(entry)] + 1
    _require(entry.body.get("attempt") == present, f"the verdict belongs to attempt {present}")


def _in_effect(life: Life, entry: Entry) -> None:
    place = read_place(entry.body.get("place"), "place")
    _require(place == life.place, f"{life.slug} did not stand at that place")


def _nothing(_life: Life, _entry: Entry) -> None:
    """Allow a note that the rules have no say about."""


def _require_entitled(entry: Entry) -> None:
    """Refuse who may not do this, and what wants a reason and has none."""
    kind, role, verb = entry.who.kind, entry.who.role, entry.verb
    if kind in UNATTENDED:
        known = verb in ("create", *MOVES, *NOTES) and NOTES.get(verb) is not _nothing
        _require(verb in UNATTENDED[kind] or not known, f"{verb} by {kind}, not by a person")
    else:
        least = ROLES.index(NEEDS.get(verb, "operator"))
        _require(role in ROLES[least:], f"{verb} by the role {role!r}")
    if verb in MOVES and verb not in UNREASONED:
        entry.text("reason")


MOVES: Mapping[str, Callable[[Step], None]] = {
    "start": _start,
    "promote": _promote,
    "override": _promote,
    "roll_back": _roll_back,
    "late_entry": _late_entry,
    "hold": _hold,
    "resume": _resume,
    "decommission": _decommission,
    "abandon": _abandon,
    "change_policy": _change_policy,
    "change_rules": _stay,
    "reset": _reset,
    "waive": _waive,
    "end_waiver": _end_waiver,
}
# Entries that move nothing, and have no `from` and `to`.
NOTES: Mapping[str, Callable[[Life, Entry], None]] = {
    "request_approval": _request_approval,
    "grant_approval": _grant_approval,
    "decline_approval": _decline_approval,
    "withdraw_approval": _withdraw_approval,
    "close_review": _close_review,
    "in_effect": _in_effect,
    "latch": _latch,
    "addresses": _nothing,
    "new_build": _nothing,
    "change_check": _nothing,
    "repeated": _nothing,
}
UNREASONED = frozenset({"start", "late_entry", "end_waiver"})


class Restore(NamedTuple):
    """A declared restore from a backup: the entry that says so, and the head that it gave up."""

    seq: int
    old: Head
    reason: str


@dataclass(slots=True)
class Replay:
    """Lives the migrations again, entry by entry; `finding` is the first rule broken.

    1. A migration begins with `create`, as a draft at 0 %.
    2. Each move starts from where the one before it ended, and its places are legal ones.
    3. A move raises the version by one, so there is one decision for each version.
    4. The weight moves by promote, override, roll back and late entry only; every verb has its
       direction, promote leads exactly one place on, Banyan itself never promotes, and a late entry
       never raises the weight.
    5. A promotion toward the candidate names the verdicts it rested on, all PASS or waived; an
       override names the gates that it goes past, its incident and expiry, and a second person.
    6. An approval has another requester than approver; it fits plan, builds, place and version, is
       fresh, and is used once.
    7. Legacy is decommissioned with an approval, drained, with no review open.
    8. Only the place where a migration stands comes into effect; its policy changes by an entry.
    9. A restore from a backup names the head on which the log really goes on.
    Denied attempts move nothing. Actions it doesn't know are counted, and must move nothing either.
    """

    lives: dict[str, Life] = field(default_factory=dict)
    restores: list[Restore] = field(default_factory=list)
    declared: list[Restore] = field(default_factory=list)
    moves: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    finding: Finding | None = None

    @property
    def places(self) -> dict[str, Place]:
        """Where each migration stands."""
        return {slug: life.place for slug, life in self.lives.items()}

    def feed(self, link: Link) -> None:
        """Take the next entry; after the first broken rule nothing more is looked at."""
        if self.finding:
            return
        try:
            self._take(link, read_object(link.body))
        except BrokenRuleError as broken:
            self.finding = Finding(RULE, link.seq, str(broken))

    def _take(self, link: Link, body: dict[str, Any] | None) -> None:
        if body is None:
            raise BrokenRuleError("the body is not a JSON object")
        action = str(body.get("action"))
        subject, _, verb = action.partition(":")
        if action in (GENESIS_ACTION, ROTATE_ACTION, "migration:denied"):
            return
        if action == RESTORED_ACTION:
            self._take_restore(link, body)
        elif subject != "migration":
            self.unknown[action] += 1
        else:
            self._take_migration(link.seq, verb, body)

    def notice(self, link: Link) -> None:
        """Look at an entry before the chain is known to hold up to it: it may explain why not."""
        if f'"{RESTORED_ACTION}"'.encode() in link.body and (body := read_object(link.body)):
            old, reason = body.get("old"), str(body.get("reason") or "")
            if isinstance(old, dict) and _is_int(old.get("size")):
                head = Head(old["size"], str(old.get("head")))
                self.declared.append(Restore(link.seq, head, reason))

    def _take_restore(self, link: Link, body: Mapping[str, Any]) -> None:
        new, declared = body.get("new"), self.declared[-1:]
        place = new if isinstance(new, dict) else {}
        follows = (place.get("size"), place.get("head")) == (link.seq - 1, link.prev)
        _require(follows, "a restore that names another entry before it")
        known = bool(declared) and declared[0].seq == link.seq and _is_digest(declared[0].old.hash)
        _require(known, "restored from nothing")
        _require(bool(declared[0].reason.strip()), "restored without a reason")
        self.restores.append(declared[0])

    def _take_migration(self, seq: int, verb: str, body: Mapping[str, Any]) -> None:
        entry = read_entry(seq, verb, body)
        if verb == "create":
            _require_entitled(entry)
            self._create(entry)
        elif "to" in body:
            self._move(entry)
        elif verb in NOTES:
            _require_entitled(entry)
            NOTES[verb](self._life(body), entry)
        else:
            _require(verb not in MOVES, f"{verb} without `to`")
            self.unknown[f"migration:{verb}"] += 1

    def _life(self, body: Mapping[str, Any]) -> Life:
        slug = str(body.get("migration"))
        _require(slug in self.lives, f"{slug} was never created")
        return self.lives[slug]

    def _create(self, entry: Entry) -> None:
        slug, now = str(entry.body.get("migration")), read_place(entry.body.get("to"), "to")
        _require(slug not in self.lives, f"{slug} was created twice")
        _require((now.phase, now.weight) == ("draft", 0), "a migration begins as a draft")
        policy = entry.body.get("policy")
        life = Life(slug, now, policy if isinstance(policy, dict) else {})
        _require_rising(life)
        life.stand(now, entry.seq)
        self.lives[slug] = life

    def _move(self, entry: Entry) -> None:
        now, was = read_place(entry.body["to"], "to"), read_place(entry.body.get("from"), "from")
        life, rule = self._life(entry.body), MOVES.get(entry.verb)
        _require(was == life.place, f"it starts elsewhere than where {life.slug} stood")
        if rule is None:
            _stay(Step(life, was, now, entry))
            self.unknown[f"migration:{entry.verb}"] += 1
        else:
            _require_entitled(entry)
            self._same_policy(life, entry)
            rule(Step(life, was, now, entry))
        if was == now and entry.verb not in ("promote", "override"):
            return  # a repeated hold or roll back is recorded, and changes nothing
        _require(now.version == was.version + 1, "a change raises the version by exactly one")
        life.stand(now, entry.seq)
        self.moves += 1

    def _same_policy(self, life: Life, entry: Entry) -> None:
        policy = entry.body.get("policy")
        if entry.verb == "change_policy" or not isinstance(policy, dict) or not life.policy:
            return
        same = all(policy.get(part) == life.policy.get(part) for part in ("name", "version"))
        _require(same, "it rests on a policy that no entry brought in")


# --- The export -----------------------------------------------------------------------------------


class Header(NamedTuple):
    """An export's first line: which log, the head at that moment, its checkpoints and keys."""

    log_id: str
    head: Head
    checkpoints: int = 0
    keys: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Write it in the only accepted way."""
        fields = {
            "checkpoints": self.checkpoints,
            "format": FORMAT,
            "head": {"hash": self.head.hash, "seq": self.head.seq},
            "keys": self.keys,
            "log_id": self.log_id,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n"


def export_line(link: Link) -> str:
    """Write an entry in the only accepted way; the body's stored bytes are kept, even odd ones."""
    body = json.dumps(link.body.decode("utf-8", "surrogateescape"))
    return f'{{"body":{body},"hash":"{link.hash}","prev":"{link.prev}","seq":{link.seq}}}\n'


def header_line(log_id: str, head: Head, checkpoints: int = 0, keys: Sequence[str] = ()) -> str:
    """Write the export's first line; `checkpoints` are how many lines of them follow."""
    return Header(log_id, head, checkpoints, tuple(keys)).line


def checkpoint_line(note: str) -> str:
    """Write a signed checkpoint as a line of an export or of an anchor."""
    return json.dumps({"checkpoint": note}, separators=(",", ":")) + "\n"


def read_header(line: bytes) -> tuple[Header, Finding | None]:
    """Read an export's first line. Raises UnreadableError when the line is no header."""
    fields = read_object(line)
    if fields is None or fields.get("format") != FORMAT:
        raise UnreadableError(f"the first line is not the header of a {FORMAT} export")
    head, log_id = fields.get("head"), fields.get("log_id")
    if not isinstance(head, dict) or not isinstance(log_id, str):
        raise UnreadableError("the header names no log and head")
    if not _is_int(head.get("seq")) or not isinstance(head.get("hash"), str):
        raise UnreadableError("the header's head is not a number and a hash")
    number, keys = fields.get("checkpoints"), fields.get("keys")
    if not _is_int(number) or not isinstance(keys, list):
        raise UnreadableError("the header does not say how many checkpoints follow, and which keys")
    known = tuple(map(str, keys))
    found = Header(log_id, Head(head["seq"], head["hash"]), int(str(number)), known)
    if found.line.encode() != line:
        text = "the header was rewritten (CRLF, spaces or keys)"
        return found, Finding(EDITED, 0, text)
    return found, None


def read_checkpoint_line(line: bytes) -> Checkpoint:
    """Read a line that `checkpoint_line` wrote. Raises UnreadableError."""
    note = (read_object(line) or {}).get("checkpoint")
    if not isinstance(note, str):
        raise UnreadableError("not a line with a checkpoint")
    checkpoint = read_note(note)
    if checkpoint_line(note).encode() != line:
        raise UnreadableError("a line with a checkpoint that was rewritten")
    return checkpoint


def read_checkpoints(text: bytes) -> list[Checkpoint]:
    """Read a file of checkpoints: one signed note as it is, or lines as an anchor has them.

    Raises UnreadableError; a last line that breaks off is left out, as after a power failure.
    """
    try:
        return [read_note(text.decode())]
    except (UnreadableError, UnicodeDecodeError):
        lines = [line for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
        return [read_checkpoint_line(line) for line in lines if line.strip()]


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
class Known:
    """What an auditor brings along: the log's id, heads, checkpoints and keys noted earlier."""

    log_id: str | None = None
    heads: Sequence[Head] = ()
    checkpoints: Sequence[Checkpoint] = ()
    keys: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """What an export turned out to be; `finding` is None when all of it holds.

    `signed` says whether signatures could be checked; `coverage` up to where checkpoints vouch.
    """

    log_id: str
    checked: Checked
    replay: Replay
    finding: Finding | None
    coverage: Coverage
    signed: bool


def verify_export(
    lines: Iterable[bytes], *, known: Known | None = None, verify: Verifier | None = None
) -> Verified:
    """Check an export, line by line; `verify` checks signatures (None: they stay unchecked).

    Raises UnreadableError when it is none.
    """
    known, rows = known or Known(), iter(lines)
    header, finding = read_header(next(rows, b""))
    if known.log_id not in (None, header.log_id):
        text = f"it is the log {header.log_id}, expected {known.log_id}"
        finding = Finding(WRONG_LOG, 0, text)
    coverage = Coverage(header.log_id, known.checkpoints)
    if not finding:
        coverage, finding = _read_coverage(header, rows, known, verify)
    if finding:
        checked = Checked(0, NOTHING, finding)
        return Verified(header.log_id, checked, Replay(), finding, coverage, verify is not None)
    return _verify_entries(header, rows, known, coverage)


def _read_coverage(
    header: Header, rows: Iterator[bytes], known: Known, verify: Verifier | None
) -> tuple[Coverage, Finding | None]:
    """Take the header's number of checkpoint lines off the rows."""
    found: list[Checkpoint] = []
    try:
        keys = [read_key(text) for text in header.keys]
        found.extend(
            read_checkpoint_line(next(rows, b"")) for _ in range(max(header.checkpoints, 0))
        )
    except UnreadableError as error:
        place = found[-1].size if found else 0
        text = f"after the checkpoint at {place}: {error}"
        return Coverage(header.log_id, ()), Finding(EDITED, place, text)
    if any(high.size <= low.size for low, high in pairwise(found)):
        return Coverage(header.log_id, ()), Finding(
            REORDERED, 0, "its checkpoints are out of order"
        )
    everything = [*found, *known.checkpoints]
    return Coverage(header.log_id, everything, keys, known.keys, verify), None


def _verify_entries(
    header: Header, rows: Iterator[bytes], known: Known, coverage: Coverage
) -> Verified:
    replay = Replay()
    links = replayed((read_line(row) for row in rows), replay, coverage)
    # Heads noted elsewhere come last: where they and the header disagree, they are believed.
    heads = (header.head, *coverage.known(), *known.heads)
    checked = verify_chain(links, log_id=header.log_id, known=heads, end=header.head.seq)
    finding = first_of(checked.finding, replay.finding, coverage.finding)
    finding = with_restores(finding or coverage.finish(), replay.declared)
    signed = coverage.verify is not None
    return Verified(header.log_id, checked, replay, finding, coverage, signed)


def replayed(links: Iterable[Link], replay: Replay, coverage: Coverage) -> Iterator[Link]:
    """Pass entries on to the chain's check, and those that held to the rules and the tree."""
    for link in links:
        replay.notice(link)
        yield link
        replay.feed(link)
        coverage.feed(link)


def first_of(*findings: Finding | None) -> Finding | None:
    """Pick the finding that begins lowest; of two at one entry, the one named first explains."""
    return min((each for each in findings if each), key=lambda each: each.first, default=None)


def with_restores(finding: Finding | None, restores: Sequence[Restore]) -> Finding | None:
    """Add to a finding about lost history what the log itself declares to have lost."""
    if finding is None or finding.kind not in (CUT, FORKED) or not restores:
        return finding
    last = restores[-1]
    text = f"{finding.text}; entry {last.seq} declares a restore from a backup, which gave up the"
    text += f" history up to {last.old.seq}: {last.reason}"
    return Finding(finding.kind, finding.seq, text, finding.since)


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or len(digest) != len(GENESIS_PREV):
        raise argparse.ArgumentTypeError("a head is SEQ:HASH with 64 hex digits")
    return Head(int(seq), digest.lower())


def _key(text: str) -> Key:
    try:
        return read_key(text)
    except UnreadableError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Verify an export of Banyan's ledger.")
    parser.add_argument("export", help="path of the export, or - for standard input")
    parser.add_argument("--head", action="append", default=[], type=_head, metavar="SEQ:HASH")
    parser.add_argument("--log-id", help="the log that it must be")
    parser.add_argument("--key", action="append", default=[], type=_key, help="a key of the ledger")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, metavar="FILE")
    return parser.parse_args(argv)


def _report(result: Verified, known: Known) -> int:
    checked, replay = result.checked, result.replay
    if result.finding:
        found = result.finding
        print(f"BROKEN  seq {found.seq}  kind {found.kind}: {found.text}")
        print(f"        {min(checked.entries, found.first - 1)} entries before it hold; "
              f"log {result.log_id}")  # fmt: skip
        return 1
    print(f"verified  {checked.entries} entries, log {result.log_id}")
    print(f"          head {checked.head.seq}:{checked.head.hash}")
    print(f"          {replay.moves} moves of {len(replay.places)} migrations keep the rules")
    for restore in replay.restores:
        print(f"          entry {restore.seq} declares a restore from a backup: {restore.reason}")
    for action, count in sorted(replay.unknown.items()):
        print(f"          {count} entries of an action without rules: {action}")
    return _report_coverage(result, known)


def _report_coverage(result: Verified, known: Known) -> int:
    coverage = result.coverage
    number, tail = len(coverage.checkpoints), result.checked.entries - coverage.covered
    print(f"          {number} checkpoints cover it up to {coverage.covered}; the {tail} after that"
          " rest on the chain alone")  # fmt: skip
    if not number:
        return 0
    if not result.signed:
        print("UNCHECKED their signatures: install `cryptography` or openssl 3")
        return 3
    print(f"          signed by {', '.join(map(str, coverage.in_force))}")
    if not known.keys:
        print("          that key is the export's own word: compare it, or pass yours with --key")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Verify the export named in the arguments; returns the exit code."""
    arguments = _arguments(argv)
    try:
        known = _known(arguments)
        if arguments.export == "-":
            return _verify_stream(sys.stdin.buffer, known)
        with Path(arguments.export).open("rb") as lines:
            return _verify_stream(lines, known)
    except (OSError, UnreadableError) as error:
        print(f"unreadable: {error}", file=sys.stderr)
        return 2


def _known(arguments: argparse.Namespace) -> Known:
    checkpoints: list[Checkpoint] = []
    for path in arguments.checkpoint:
        checkpoints += without_lost(read_checkpoints(path.read_bytes()))
    return Known(arguments.log_id, arguments.head, checkpoints, arguments.key)


def _verify_stream(lines: Iterable[bytes], known: Known) -> int:
    return _report(verify_export(lines, known=known, verify=find_verifier()), known)


if __name__ == "__main__":
    sys.exit(main())
