"""A witness, to run under another administrator: it refuses a checkpoint that does not grow.

    python witness.py VKEY LAST.txt < LINE         (beside a copy of verify_audit.py)

LINE is what `manage.py audit_checkpoint --since SIZE` prints, SIZE being that of the last one seen;
LAST.txt keeps it. Exit 0: accepted, and kept. Exit 1: refused, and the reason printed.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    from audit import verify_audit as va
except ImportError:  # one of two files copied to another machine
    import verify_audit as va  # type: ignore[import-not-found,no-redef]


def refusal(
    last: va.Checkpoint | None, new: va.Checkpoint, proof: Sequence[bytes], key: va.Key
) -> str:
    """Say why the new checkpoint is not a grown last one; empty when it is."""
    verify = va.find_verifier()
    if verify is None:
        return "no Ed25519 here: install `cryptography` or openssl 3"
    if new.origin != key.name or not va.is_signed_by(new, key, verify):
        return f"not signed by {key.id}"
    if last is None:
        return ""
    if new.size < last.size:
        return f"it shrank from {last.size} to {new.size} entries"
    old_tree = va.TreeHead(last.size, bytes.fromhex(last.root))
    new_tree = va.TreeHead(new.size, bytes.fromhex(new.root))
    if not va.verify_consistency(old_tree, new_tree, proof):
        return f"the {new.size} entries do not begin with the {last.size} seen before"
    return ""


def main(argv: Sequence[str]) -> int:
    """Judge the line on standard input; returns the exit code."""
    try:
        key, place, line = va.read_key(argv[0]), Path(argv[1]), json.load(sys.stdin)
        new, proof = va.read_note(line["checkpoint"]), [bytes.fromhex(n) for n in line["proof"]]
        last = va.read_note(place.read_text()) if place.exists() else None
    except (va.UnreadableError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        sys.stderr.write(f"unreadable: {error}\n")
        return 1
    if reason := refusal(last, new, proof, key):
        sys.stderr.write(f"REFUSED {reason}\n")
        return 1
    kept = place.with_name(f"{place.name}.new")
    kept.write_text(new.note)
    kept.replace(place)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
