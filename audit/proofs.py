"""Proofs from the stored ledger: an entry is in it, and it only grew."""

from audit.models import LedgerEntry
from audit.verify_audit import consistency_proof, inclusion_proof


def inclusion(*, seq: int, size: int) -> list[bytes]:
    """Return the hashes from entry `seq` to the root of the first `size`. Raises IndexError."""
    return inclusion_proof(_leaves(size), seq - 1)


def consistency(*, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `new` entries begin with the first `old`.

    From nothing there is nothing to prove. Raises IndexError when `old` is more than `new`.
    """
    return consistency_proof(_leaves(new), old) if old else []


def _leaves(size: int) -> list[bytes]:
    hashes = (
        LedgerEntry.objects.filter(seq__lte=size).order_by("seq").values_list("hash", flat=True)
    )
    leaves = [bytes.fromhex(each) for each in hashes]
    if len(leaves) != size:
        raise IndexError(size)
    return leaves
