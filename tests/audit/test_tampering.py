"""Every way to alter an export is found, at the right number, and called by its name."""

import json
import random

import pytest

from audit.chain import Head, Link, entry_hash, verify_chain
from audit.verify_audit import (
    CUT,
    EDITED,
    FORKED,
    MISSING,
    REORDERED,
    UNCOVERED,
    WRONG_LOG,
    Known,
    UnreadableError,
    export_line,
    read_line,
    verify_export,
)
from tests.audit.builders import LOG_ID, bodies, export, head_of, linked, log

WHOLE = log()
LAST = len(WHOLE)


def found(lines, *, log_id=None, known=()):
    finding = verify_export(lines, known=Known(log_id, known)).finding
    return (finding.kind, finding.seq) if finding else None


def rehashed(link: Link, **changes) -> Link:
    link = link._replace(**changes)
    return link._replace(hash=entry_hash(link.seq, bytes.fromhex(link.prev), link.body).hex())


def changed_line(number: int, old: str, new: str) -> list[bytes]:
    lines = export(WHOLE)
    text = lines[number].decode()
    assert old in text
    lines[number] = text.replace(old, new, 1).encode()
    return lines


def test_an_untouched_export_is_verified():
    result = verify_export(export(WHOLE), known=Known(LOG_ID, [head_of(WHOLE[:3])]))
    assert result.finding is None
    assert (result.checked.entries, result.checked.head) == (LAST, head_of(WHOLE))
    assert result.replay.moves == 4
    assert result.replay.unknown == {"token:issue": 1}


def test_an_empty_log_is_verified():
    assert found(export([], log_id="", head=Head(0, "0" * 64))) is None


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_an_edited_body_is_found(seq):
    assert found(changed_line(seq, "ada" if seq > 1 else "banyan", "eve")) == (EDITED, seq)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
@pytest.mark.parametrize("field", ["hash", "prev"])
def test_an_edited_hash_is_found(seq, field):
    value = getattr(WHOLE[seq - 1], field)
    for other in (value[:-1] + ("1" if value[-1] == "0" else "0"), value[:-2], "", " " + value):
        assert found(changed_line(seq, value, other)) == (EDITED, seq)
    if value.upper() != value:
        assert found(changed_line(seq, value, value.upper())) == (EDITED, seq)


@pytest.mark.parametrize("number", ["50", "-1", "0", "3.0", '"3"', "null", "18446744073709551616"])
def test_an_edited_number_is_found(number):
    assert found(changed_line(3, '"seq":3', f'"seq":{number}')) == (EDITED, 3)


@pytest.mark.parametrize("seq", range(1, LAST))
def test_a_dropped_entry_is_missing(seq):
    lines = export(WHOLE)
    del lines[seq]
    assert found(lines) == (MISSING, seq)


@pytest.mark.parametrize("seq", range(1, LAST))
def test_swapped_entries_are_reordered(seq):
    lines = export(WHOLE)
    lines[seq], lines[seq + 1] = lines[seq + 1], lines[seq]
    assert found(lines) == (REORDERED, seq)


def test_an_entry_moved_far_is_reordered():
    lines = export(WHOLE)
    lines.insert(2, lines.pop(7))
    assert found(lines) == (REORDERED, 2)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
@pytest.mark.parametrize("later", [0, 2])
def test_an_entry_that_stands_twice_is_reordered(seq, later):
    lines = export(WHOLE)
    lines.insert(min(seq + 1 + later, LAST + 1), lines[seq])
    assert found(lines) == (REORDERED, seq)


def test_two_entries_of_one_number_are_a_fork():
    lines = export(WHOLE)
    twin = rehashed(WHOLE[3], body=WHOLE[3].body.replace(b"ada", b"eve"))
    lines.insert(5, export_line(twin).encode())
    assert found(lines) == (FORKED, 4)


@pytest.mark.parametrize("kept", range(LAST))
def test_a_cut_tail_is_found_against_the_head(kept):
    assert found(export(WHOLE)[: kept + 1]) == (CUT, kept + 1)


@pytest.mark.parametrize("kept", range(1, LAST))
def test_a_cut_with_a_rewritten_header_is_found_against_a_head_noted_elsewhere(kept):
    lines = export(WHOLE[:kept])
    assert found(lines) is None
    assert found(lines, known=[head_of(WHOLE)]) == (CUT, kept + 1)


def test_a_line_that_breaks_off_is_a_cut():
    lines = export(WHOLE)
    for size in (1, 40, len(lines[-1]) - 1):
        assert found([*lines[:-1], lines[-1][:size]]) == (CUT, LAST)


def test_windows_line_ends_are_an_edit():
    lines = export(WHOLE)
    assert found([line.replace(b"\n", b"\r\n") for line in lines]) == (EDITED, 0)
    assert found([lines[0], *(line.replace(b"\n", b"\r\n") for line in lines[1:])]) == (EDITED, 1)


@pytest.mark.parametrize(
    "extra", [b"\n", b"{}\n", b"hello\n", b"null\n", b'{"seq":1}\n', b"\xff\n"]
)
def test_an_extra_line_is_found(extra):
    lines = export(WHOLE)
    assert found([*lines[:4], extra, *lines[4:]]) == (EDITED, 4)
    assert found([*lines, extra]) == (UNCOVERED, LAST + 1)


def test_an_entry_beyond_the_head_is_uncovered():
    made_up = linked([WHOLE[5].body], after=head_of(WHOLE))
    assert found([*export(WHOLE), export_line(made_up[0]).encode()]) == (UNCOVERED, LAST + 1)


def test_another_log_is_not_this_one():
    other = log(log_id="beef" * 8)
    assert found(export(other, log_id="beef" * 8), log_id=LOG_ID) == (WRONG_LOG, 0)
    assert found(export(other)) == (WRONG_LOG, 1)
    assert found(export(linked(bodies()[1:]))) == (WRONG_LOG, 1)


@pytest.mark.parametrize("seq", range(2, LAST))
def test_the_tail_of_another_log_is_a_fork(seq):
    other = log(log_id="beef" * 8)
    spliced = export([*WHOLE[: seq - 1], *other[seq - 1 :]], head=head_of(WHOLE))
    assert found(spliced) == (FORKED, seq)
    # With a header made for it, the spliced file looks as if the entry before had been rewritten.
    assert found(export([*WHOLE[: seq - 1], *other[seq - 1 :]])) == (EDITED, seq - 1)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_an_entry_rewritten_with_its_hash_is_named_itself(seq):
    old, new = (b"ada", b"eve") if seq > 1 else (b"system", b"tester")
    links = list(WHOLE)
    links[seq - 1] = rehashed(links[seq - 1], body=links[seq - 1].body.replace(old, new))
    assert found(export(links, head=head_of(WHOLE))) == (EDITED if seq < LAST else FORKED, seq)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_an_entry_rewritten_to_follow_another_is_named_itself(seq):
    links = list(WHOLE)
    links[seq - 1] = rehashed(links[seq - 1], prev="7" * 64)
    assert found(export(links, head=head_of(WHOLE))) == (FORKED, seq)


def test_a_history_rewritten_to_its_end_is_found_against_a_head_noted_elsewhere():
    texts = [body.replace(b"ada", b"eve") for body in bodies()]
    forged = linked(texts)
    assert found(export(forged)) is None
    assert found(export(forged), known=[head_of(WHOLE[:5])]) == (FORKED, 5)


def test_a_log_that_grew_still_contains_the_older_head():
    assert verify_chain(WHOLE, known=[head_of(WHOLE[:5])]).finding is None


@pytest.mark.parametrize(
    "first",
    [b"", b"\n", b"hello\n", b"[]\n", b"{}\n", b'{"format":"x"}\n', b"\x00\xff",
     b'{"format":"banyan-ledger-v1"}\n',
     b'{"format":"banyan-ledger-v1","head":{"seq":"1","hash":""},"log_id":"a"}\n',
     b'{"format":"banyan-ledger-v1","head":{"seq":1,"hash":""},"log_id":"a"}\n',
     b'{"checkpoints":true,"format":"banyan-ledger-v1","head":{"seq":1,"hash":""},"log_id":""}\n'],
)  # fmt: skip
def test_what_is_no_export_is_unreadable(first):
    with pytest.raises(UnreadableError):
        verify_export([first, *export(WHOLE)[1:]] if first else [])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 20_000])
def test_a_bomb_of_brackets_is_a_flaw_not_a_crash(text):
    assert read_line(text.encode() + b"\n").flaw == EDITED


def test_bytes_that_are_no_text_survive_the_export():
    odd = Link(1, "0" * 64, b'{"a":"\xff\xc3\xa9\x80"}\r\n', "ab" * 32)
    assert read_line(export_line(odd).encode()) == odd


def test_random_damage_never_passes_and_never_crashes():
    dice = random.Random(2026)  # noqa: S311 - a seed, for the same damage each time
    whole = b"".join(export(WHOLE))
    for _ in range(3_000):
        at = dice.randrange(len(whole))
        damaged = dice.choice((
            whole[:at] + bytes([whole[at] ^ (1 << dice.randrange(8))]) + whole[at + 1 :],
            whole[:at] + whole[at + 1 + dice.randrange(300) :],
            whole[:at] + bytes([dice.randrange(256)]) + whole[at:],
        ))  # fmt: skip
        if damaged == whole:
            continue
        try:
            finding = verify_export(damaged.splitlines(keepends=True)).finding
        except UnreadableError:
            assert at < len(export(WHOLE)[0])
            continue
        assert finding is not None, damaged
        assert json.dumps(finding.text)
