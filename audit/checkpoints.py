"""Verbs about the ledger as a whole: sign it, change the signing key, declare a restore.

No disk but the database's is touched while a lock is held: a hung key file or anchor delays only
who asks for a checkpoint, never a decision.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction

from audit import conf, keys, services, stored
from audit.anchoring import Anchored, anchored, declared_loss
from audit.anchors import Anchor, further_anchors, main_anchor, within
from audit.chain import Actor, Head, utc_text
from audit.errors import (
    AnchorProblemError,
    DamagedLedgerError,
    KeyProblemError,
    LedgerError,
    NothingToRestoreError,
)
from audit.models import Checkpoint as Row
from audit.models import LedgerEntry
from audit.verify_audit import (
    GENESIS_PREV,
    ORIGIN,
    RESTORED_ACTION,
    ROTATE_ACTION,
    Checkpoint,
    Frontier,
    Key,
    UnreadableError,
    read_note,
)

log = logging.getLogger(__name__)


def checkpoint_now(*, now: datetime) -> Anchored:
    """Sign and anchor every committed entry, and say how the ledger stands to its anchor then.

    1. Read, in one short transaction, the entries since the last checkpoint; they must hold.
    2. Sign the tree, and put the checkpoint on the anchor's disk, then on further anchors.
    3. Keep it in the database.
    Whatever is wrong with key or anchor is in the answer and in the log, and stops no decision.
    Call it outside any transaction: an entry that is not committed must not be vouched for.
    """
    plan, state, problem = _plan(), anchored(now=now), ""
    if state.state == "freeze":
        log.error("no checkpoint: %s", state.reason)
        return state
    try:
        if plan.tree.size or plan.problem:
            _carry_out(plan, now)
    except LedgerError as error:
        problem = str(error)
        log.warning("no checkpoint of the ledger: %s", problem)
    return anchored(now=now, problem=problem)


@dataclass(frozen=True, slots=True)
class _Rotation:
    """The newest change of keys: the entry that says so, and the new public key."""

    seq: int
    new: str
    lost: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be signed, read from the database; `problem` says why not."""

    origin: str
    head: Head
    tree: Frontier
    last: Checkpoint | None
    key: str
    rotation: _Rotation | None
    given_up: Head | None
    problem: str = ""


def _plan() -> _Plan:
    # `durable` refuses to run inside a transaction, whose own entries may yet be rolled back.
    with transaction.atomic(durable=True):
        head, row = stored.head(), stored.newest_checkpoint()
        tree, last, problem = _last(row)
        return _Plan(
            origin=ORIGIN + stored.log_id(),
            head=head,
            tree=tree,
            last=last,
            key=row.key if row else "",
            rotation=_newest_rotation(),
            given_up=declared_loss(),
            problem=problem or _grow(tree, last, head),
        )


def _last(row: Row | None) -> tuple[Frontier, Checkpoint | None, str]:
    """Read the last checkpoint and the tree at its size, or say why they are not to be trusted."""
    if row is None:
        return Frontier(), None, ""
    try:
        nodes, last = bytes.fromhex(row.nodes), read_note(row.note)
        tree = Frontier(last.size, [nodes[at : at + 32] for at in range(0, len(nodes), 32)])
    except (ValueError, UnreadableError):
        return Frontier(), None, "the last checkpoint was altered; run audit_verify"
    whole = tree.root().hex() == last.root
    return tree, last, "" if whole else "the last checkpoint was altered; run audit_verify"


def _grow(tree: Frontier, checkpoint: Checkpoint | None, head: Head) -> str:
    """Add the entries since the last checkpoint to its tree; says which one does not hold."""
    last = checkpoint.newest if checkpoint else Head(0, GENESIS_PREV)
    for link in stored.links(after=tree.size, until=head.seq):
        if (link.seq, link.prev) != (last.seq + 1, last.hash) or link.flaw or not link.holds():
            return f"entry {last.seq + 1} does not hold; run audit_verify"
        tree.append(bytes.fromhex(link.hash))
        last = Head(link.seq, link.hash)
    whole = head.seq == 0 or last == head
    return "" if whole else "the head is not the last entry; run audit_verify"


def _newest_rotation() -> _Rotation | None:
    entry = LedgerEntry.objects.filter(action=ROTATE_ACTION).order_by("-seq").first()
    if entry is None:
        return None
    return _Rotation(entry.seq, entry.data["new"], entry.data.get("lost", False))


def _carry_out(plan: _Plan, now: datetime) -> None:
    if plan.problem:
        raise DamagedLedgerError(plan.problem)
    signed, key = within(conf.IO_SECONDS, lambda: _sign_and_anchor(plan, now))
    if plan.last is None or signed.size > plan.last.size:
        _keep(signed, key, plan.tree)
    within(conf.IO_SECONDS, lambda: _retire(key))
    others = further_anchors()
    within(conf.IO_SECONDS, lambda: _push(signed, others))


def _push(signed: Checkpoint, others: Sequence[Anchor]) -> None:
    """Hand the newest checkpoint to every further anchor; one that fails does not stop the next."""
    failed = []
    for anchor in others:
        try:
            anchor.push(signed)
        except Exception as error:  # noqa: BLE001 - the fence around what others wrote
            failed.append(f"{anchor.name}: {error}")
    if failed:
        raise AnchorProblemError(f"further anchors failed: {'; '.join(failed)}")


def _sign_and_anchor(plan: _Plan, now: datetime) -> tuple[Checkpoint, Key]:
    """Make the checkpoint, unless nothing grew, and see to it that the anchor has the newest."""
    main = main_anchor()
    newest = main.newest()
    signing = _signing_keys(plan)
    key = keys.public_key(signing[-1], plan.origin)
    signed = plan.last
    if signed is None or signed.size < plan.tree.size:
        lost = plan.given_up if newest and newest.newest == plan.given_up else None
        kept = plan.last.size if plan.last and lost else 0
        root = plan.tree.root().hex()
        draft = Checkpoint(
            plan.origin, plan.tree.size, root, utc_text(now), plan.head.hash, lost, kept
        )
        signed = keys.sign(draft, signing)
    main.push(signed)
    return signed, key


def _signing_keys(plan: _Plan) -> list[Ed25519PrivateKey]:
    """Return the keys that must sign, the one in force last.

    After a rotation the first checkpoint is signed by the old key too, unless that was lost.
    """
    path, rotation = conf.key_path(), plan.rotation
    if not plan.key and not rotation:
        # Made on first use, and never again: a ledger whose key is gone must say so.
        return [keys.load(path) if path.exists() else keys.create(path)]
    expected = rotation.new if rotation else plan.key
    waiting = keys.next_path(path)
    if rotation and waiting.exists():
        successor = keys.load(waiting)
        if str(keys.public_key(successor, plan.origin)) == expected:
            signed_before = plan.last is not None and plan.last.size >= rotation.seq
            alone = signed_before or rotation.lost
            return [successor] if alone else [keys.load(path), successor]
    found = keys.load(path)
    if str(keys.public_key(found, plan.origin)) != expected:
        raise KeyProblemError(f"the signing key {path} is not the one in force")
    return [found]


def _retire(key: Key) -> None:
    """Put the successor in the old key's place, once a checkpoint bears its signature."""
    path = conf.key_path()
    waiting = keys.next_path(path)
    if waiting.exists() and keys.public_key(keys.load(waiting), key.name) == key:
        keys.replace(path, waiting)


def _keep(signed: Checkpoint, key: Key, tree: Frontier) -> None:
    try:
        with transaction.atomic():
            Row.objects.create(
                size=signed.size,
                root=signed.root,
                head=signed.head,
                at=datetime.fromisoformat(signed.at),
                key=str(key),
                note=signed.note,
                nodes=b"".join(tree.nodes).hex(),
            )
    except IntegrityError:
        # Another process signed as much or more in the meantime, and the anchor has both.
        log.info("the checkpoint at %s was made twice", signed.size)


def rotate_key(
    *, actor: Actor, reason: str, now: datetime, lost: bool = False
) -> tuple[Key, Anchored]:
    """Change the signing key: the ledger names the new one, the next checkpoint bears both.

    With `lost`, the old key cannot sign any more; who verifies must then be told the new one.
    Raises KeyProblemError when the old key cannot be used, or was never there.
    """
    path = conf.key_path()
    name, row = ORIGIN + stored.log_id(), stored.newest_checkpoint()
    if row is None:
        raise KeyProblemError("no checkpoint was signed yet; there is nothing to rotate")
    if not lost and str(keys.public_key(keys.load(path), name)) != row.key:
        raise KeyProblemError(f"the signing key {path} is not the one in force")
    waiting = keys.next_path(path)
    new = keys.public_key(keys.create_anew(waiting), name)
    body = {"old": row.key, "new": str(new), "lost": lost, "reason": reason}
    with transaction.atomic():
        services.append(actor=actor, action=ROTATE_ACTION, body=body, now=now)
    return new, checkpoint_now(now=now)


def declare_restore(*, actor: Actor, reason: str, now: datetime) -> tuple[LedgerEntry, Anchored]:
    """Write down that the database is older than its anchor, or another, and go on from here.

    The anchor goes on to show what was lost; the next checkpoint names the one that it gives up.
    Raises NothingToRestoreError when database and anchor agree, AnchorProblemError.
    """
    state = anchored(now=now)
    newest = within(conf.IO_SECONDS, main_anchor().newest)
    if state.state != "freeze" or newest is None:
        raise NothingToRestoreError(
            "the database and its anchor agree; there is nothing to declare"
        )
    with transaction.atomic():
        head = services.begin(now=now)
        body = {
            "old": {"size": newest.size, "head": newest.head, "origin": newest.origin},
            "new": {"size": head.seq, "head": head.hash},
            "found": state.reason,
            "reason": reason,
        }
        entry = services.append(actor=actor, action=RESTORED_ACTION, body=body, now=now)
    return entry, checkpoint_now(now=now)
