"""Signed checkpoints of logs made in memory, and exports that carry them."""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.chain import Head, Link, utc_text
from audit.keys import public_key, sign
from audit.verify_audit import ORIGIN, Checkpoint, Key, checkpoint_line, header_line, tree_root
from tests.audit.builders import LOG_ID, NOW, export, head_of

OLD, NEW, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))


def key(private: Ed25519PrivateKey, *, log_id: str = LOG_ID) -> Key:
    return public_key(private, ORIGIN + log_id)


def leaves(links: Sequence[Link]) -> list[bytes]:
    return [bytes.fromhex(link.hash) for link in links]


def checkpoint(
    links: Sequence[Link], *by: Ed25519PrivateKey, log_id: str = LOG_ID, **more: Any
) -> Checkpoint:
    """What `by` (else OLD) signs when `links` are the whole log."""
    last = head_of(links)
    root = tree_root(leaves(links)).hex()
    draft = Checkpoint(ORIGIN + log_id, last.seq, root, utc_text(NOW), last.hash)
    return sign(draft._replace(**more), by or (OLD,))


def signed_export(
    links: Sequence[Link],
    checkpoints: Sequence[Checkpoint],
    *,
    keys: Sequence[Ed25519PrivateKey] = (OLD,),
    head: Head | None = None,
) -> list[bytes]:
    """The lines of an export with checkpoints."""
    names = [str(key(each)) for each in keys]
    header = header_line(LOG_ID, head or head_of(links), len(checkpoints), names)
    lines = [header, *(checkpoint_line(each.note) for each in checkpoints)]
    return [*(line.encode() for line in lines), *export(links)[1:]]
