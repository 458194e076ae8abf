"""Random damage to a ledger: as lines of an export, and as rows of a database without triggers.

Each function takes dice and returns what was damaged together with the numbers of the entries that
may rightly be named for it. A number is named when it lies between a finding's `first` and `seq`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from audit.chain import Head, Link, entry_hash
from audit.verify_audit import Checkpoint, checkpoint_line
from tests.audit.builders import LIFE, head_of, linked, log
from tests.audit.signing import checkpoint, signed_export

LIVES = [{**entry, "migration": f"{name}"} for entry in LIFE for name in ("a", "b", "c", "d", "e")]
WHOLE = log(LIVES)  # 41 entries
LAST = len(WHOLE)
SIZES = (4, 9, 10, 21, 33, 38)
ANCHORED = [checkpoint(WHOLE[:size]) for size in SIZES]


@dataclass(frozen=True)
class Damaged:
    """An export's lines, and where the damage is."""

    lines: list[bytes]
    at: tuple[int, ...]


def lines_of(
    links: list[Link], kept: list[Checkpoint] | None = None, head: Head | None = None
) -> list[bytes]:
    return signed_export(links, ANCHORED if kept is None else kept, head=head)


PLAIN = lines_of(WHOLE)
FIRST_LINE = len(ANCHORED) + 1  # of the entries


def entry(dice: Random, last: int = LAST) -> int:
    return dice.randint(1, last)


def line_of(seq: int) -> int:
    return FIRST_LINE + seq - 1


def flip_a_bit(dice: Random) -> Damaged:
    seq, lines = entry(dice), list(PLAIN)
    line = lines[line_of(seq)]
    at = dice.randrange(len(line))
    lines[line_of(seq)] = line[:at] + bytes([line[at] ^ (1 << dice.randrange(8))]) + line[at + 1 :]
    return Damaged(b"".join(lines).splitlines(keepends=True), (seq,))


def lose_bytes(dice: Random) -> Damaged:
    seq, lines = entry(dice), list(PLAIN)
    line = lines[line_of(seq)]
    at = dice.randrange(len(line) - 1)
    lines[line_of(seq)] = line[:at] + line[dice.randrange(at + 1, len(line)) :]
    return Damaged(b"".join(lines).splitlines(keepends=True), (seq,))


def drop_a_line(dice: Random) -> Damaged:
    seq, lines = entry(dice), list(PLAIN)
    del lines[line_of(seq)]
    return Damaged(lines, (seq,))


def swap_lines(dice: Random) -> Damaged:
    low, high = sorted(dice.sample(range(1, LAST + 1), 2))
    lines = list(PLAIN)
    a, b = line_of(low), line_of(high)
    lines[a], lines[b] = lines[b], lines[a]
    return Damaged(lines, (low,))


def repeat_a_line(dice: Random) -> Damaged:
    seq, place, lines = entry(dice), entry(dice), list(PLAIN)
    lines.insert(line_of(place), lines[line_of(seq)])
    # Before its own place it is out of order there; after it, it is the entry that stands twice.
    return Damaged(lines, (seq, place))


def edit_and_rehash_one(dice: Random) -> Damaged:
    seq, links = entry(dice), list(WHOLE)
    links[seq - 1] = forged(links[seq - 1], dice)
    return Damaged(lines_of(links, head=head_of(WHOLE)), (seq,))


def insert_an_entry(dice: Random) -> Damaged:
    """A made-up entry with a fitting number and hash; those after it stay as they were."""
    seq, links = entry(dice, LAST - 1), list(WHOLE)
    links.insert(seq, linked([forged(links[seq - 1], dice).body], after=head_of(links[:seq]))[0])
    return Damaged(lines_of(links), (seq + 1,))


def rehash_from(dice: Random) -> Damaged:
    """History rewritten from an entry to the end, header and all."""
    seq = entry(dice, SIZES[-1])
    links = rewritten(dice, seq)
    return Damaged(lines_of(links), (seq,))


def insert_and_rehash(dice: Random) -> Damaged:
    """An entry slipped in, all later ones numbered and hashed anew."""
    seq = entry(dice, SIZES[-1] - 1)
    bodies = [link.body for link in WHOLE]
    bodies.insert(seq, forged(WHOLE[seq - 1], dice).body)
    return Damaged(lines_of(linked(bodies)), (seq + 1,))


def remove_and_rehash(dice: Random) -> Damaged:
    """An entry taken out, all later ones numbered and hashed anew."""
    seq = entry(dice, SIZES[-1])
    bodies = [link.body for link in WHOLE]
    del bodies[seq - 1]
    return Damaged(lines_of(linked(bodies)), (seq,))


def cut_past_an_anchor(dice: Random) -> Damaged:
    """The tail gone, with header and checkpoints made to fit."""
    size = dice.randint(1, SIZES[-1] - 1)
    kept = [each for each in ANCHORED if each.size <= size]
    return Damaged(lines_of(WHOLE[:size], kept), (size + 1,))


def alter_a_checkpoint(dice: Random) -> Damaged:
    at = dice.randrange(len(ANCHORED))
    old, lines = ANCHORED[at], list(PLAIN)
    change = dice.choice((
        {"root": flipped(old.root, dice)},
        {"head": flipped(old.head, dice)},
        {"size": dice.choice([n for n in range(1, LAST + 1) if n not in SIZES])},
        {"at": old.at.replace("2026", str(dice.randint(2000, 2025)))},
        {"signatures": (altered(old.signatures[0], dice),)},
    ))  # fmt: skip
    new = old._replace(**change)
    lines[at + 1] = checkpoint_line(new.note).encode()
    # Out of order, or no longer readable, it is named by its neighbours or by the header.
    near = {0, old.size, new.size, *SIZES[max(at - 1, 0) : at + 2]}
    return Damaged(lines, tuple(near))


def forged(link: Link, dice: Random) -> Link:
    body = link.body.replace(b'"at":"2026', b'"at":"%d' % dice.randint(1000, 2025), 1)
    digest = entry_hash(link.seq, bytes.fromhex(link.prev), body).hex()
    return link._replace(body=body, hash=digest)


def rewritten(dice: Random, seq: int) -> list[Link]:
    bodies = [link.body for link in WHOLE[seq - 1 :]]
    bodies[0] = forged(WHOLE[seq - 1], dice).body
    if seq == 1:
        return linked(bodies)
    return [*WHOLE[: seq - 1], *linked(bodies, after=head_of(WHOLE[: seq - 1]))]


def flipped(text: str, dice: Random) -> str:
    at = dice.randrange(len(text))
    return (
        text[:at] + dice.choice([d for d in "0123456789abcdef" if d != text[at]]) + text[at + 1 :]
    )


def altered(signature: str, dice: Random) -> str:
    at = dice.randrange(len(signature) - 80, len(signature) - 2)
    other = dice.choice([char for char in "ABCDEFGHabcdefgh01234567" if char != signature[at]])
    return signature[:at] + other + signature[at + 1 :]


ON_EXPORTS: tuple[Callable[[Random], Damaged], ...] = (
    flip_a_bit,
    lose_bytes,
    drop_a_line,
    swap_lines,
    repeat_a_line,
    edit_and_rehash_one,
    insert_an_entry,
    rehash_from,
    insert_and_rehash,
    remove_and_rehash,
    cut_past_an_anchor,
    alter_a_checkpoint,
)


@dataclass(frozen=True)
class Rows:
    """Statements that damage a database holding WHOLE and ANCHORED, and where the damage is."""

    statements: list[tuple[str, list[object]]]
    at: tuple[int, ...]


ENTRY = "audit_ledgerentry"
HEAD_BACK = (
    f"UPDATE audit_ledgerhead SET seq = %s, hash = (SELECT hash FROM {ENTRY} WHERE seq = %s)"
)


def edit_a_column(dice: Random) -> Rows:
    seq = entry(dice)
    column, value = dice.choice((
        ("action", "migration:hold_"), ("actor", "user:eve"), ("subject", "other"),
        ("at", "2020-02-02 02:02:02+00:00"), ("hash", flipped("ab" * 32, dice)),
        ("prev", flipped("cd" * 32, dice)),
    ))  # fmt: skip
    return Rows([(f"UPDATE {ENTRY} SET {column} = %s WHERE seq = %s", [value, seq])], (seq,))


def edit_a_body(dice: Random) -> Rows:
    seq = entry(dice)
    body = bytearray(WHOLE[seq - 1].body)
    body[dice.randrange(len(body))] ^= 1 << dice.randrange(7)
    return Rows([(f"UPDATE {ENTRY} SET body = %s WHERE seq = %s", [bytes(body), seq])], (seq,))


def delete_rows(dice: Random) -> Rows:
    seq = entry(dice)
    end = dice.choice((seq, dice.randint(seq, LAST)))
    return Rows([(f"DELETE FROM {ENTRY} WHERE seq BETWEEN %s AND %s", [seq, end])], (seq,))


def swap_numbers(dice: Random) -> Rows:
    low, high = sorted(dice.sample(range(1, LAST + 1), 2))
    sql = f"UPDATE {ENTRY} SET seq = %s WHERE seq = %s"
    return Rows([(sql, [999, low]), (sql, [low, high]), (sql, [high, 999])], (low,))


def swap_bodies(dice: Random) -> Rows:
    low, high = sorted(dice.sample(range(1, LAST + 1), 2))
    sql = f"UPDATE {ENTRY} SET body = %s WHERE seq = %s"
    a, b = WHOLE[low - 1].body, WHOLE[high - 1].body
    return Rows([(sql, [b, low]), (sql, [a, high])], (low,))


def rewrite_rows(dice: Random) -> Rows:
    """Re-hash from an entry to the end, with the head made to fit."""
    seq = entry(dice, SIZES[-1])
    sql = f"UPDATE {ENTRY} SET prev = %s, body = %s, hash = %s, at = at WHERE seq = %s"
    moved = [(f"UPDATE {ENTRY} SET prev = 'x' || seq, hash = 'y' || seq WHERE seq >= %s", [seq])]
    links = rewritten(dice, seq)[seq - 1 :]
    moved += [(sql, [link.prev, link.body, link.hash, link.seq]) for link in links]
    return Rows([*moved, (HEAD_BACK, [LAST, LAST])], (seq,))


def rewrite_one_row(dice: Random) -> Rows:
    seq = entry(dice)
    link = forged(WHOLE[seq - 1], dice)
    sql = f"UPDATE {ENTRY} SET body = %s, hash = %s WHERE seq = %s"
    return Rows([(sql, [link.body, link.hash, seq])], (seq,))


def cut_rows_past_an_anchor(dice: Random) -> Rows:
    size = dice.randint(1, SIZES[-1] - 1)
    cut = [(f"DELETE FROM {ENTRY} WHERE seq > %s", [size]),
           ("DELETE FROM audit_checkpoint WHERE size > %s", [size])]  # fmt: skip
    return Rows([*cut, (HEAD_BACK, [size, size])], (size + 1,))


def move_the_head(dice: Random) -> Rows:
    size = dice.randint(1, LAST - 1)
    return Rows([(HEAD_BACK, [size, size])], (size + 1,))


def add_beyond_the_head(dice: Random) -> Rows:
    link = linked([forged(WHOLE[entry(dice) - 1], dice).body], after=head_of(WHOLE))[0]
    sql = (
        f"INSERT INTO {ENTRY} (seq, prev, body, hash, at, action, actor, subject)"
        " SELECT %s, %s, %s, %s, at, action, actor, subject FROM audit_ledgerentry WHERE seq = %s"
    )
    return Rows([(sql, [link.seq, link.prev, link.body, link.hash, 2])], (LAST + 1,))


def edit_a_checkpoint_row(dice: Random) -> Rows:
    old = dice.choice(ANCHORED)
    column, value = dice.choice((
        ("root", flipped(old.root, dice)), ("head", flipped(old.head, dice)),
        ("note", old._replace(root=flipped(old.root, dice)).note), ("note", "none"),
        ("note", replace_signature(old, dice)),
    ))  # fmt: skip
    sql = f"UPDATE audit_checkpoint SET {column} = %s WHERE size = %s"
    return Rows([(sql, [value, old.size])], (old.size,))


def replace_signature(old: Checkpoint, dice: Random) -> str:
    return old._replace(signatures=(altered(old.signatures[0], dice),)).note


ON_ROWS: tuple[Callable[[Random], Rows], ...] = (
    edit_a_column,
    edit_a_body,
    delete_rows,
    swap_numbers,
    swap_bodies,
    rewrite_rows,
    rewrite_one_row,
    cut_rows_past_an_anchor,
    move_the_head,
    add_beyond_the_head,
    edit_a_checkpoint_row,
)
