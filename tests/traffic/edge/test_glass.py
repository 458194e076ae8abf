"""Records of broken glass: signed, on disk before the roll back, told until they arrived."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from traffic.edge.fence import Hold, Position
from traffic.edge.glass import GlassBox
from traffic.edge.state import EdgeState
from traffic.glass import BrokenGlass, GlassError, Sealed, read

HOLD = Hold("h1a2b3c4d", 0, "users complain", 1_764_000_000.5, 7)
BEFORE = EdgeState(Position("L1", 7, "aaaa", {"embeddings": 2500}))


@pytest.fixture
def box(tmp_path: Path) -> GlassBox:
    found = GlassBox(tmp_path)
    found.prepare("edge-1")
    return found


def only(box: GlassBox) -> tuple[Path, Sealed]:
    (found,) = box.waiting()
    return found


def test_a_record_says_who_did_what_when_and_is_signed_by_this_host(box: GlassBox) -> None:
    box.write(HOLD, BEFORE, "root")
    sealed = only(box)[1]
    assert read(sealed.text) == BrokenGlass(
        proxy="edge-1",
        hold="h1a2b3c4d",
        lineage="L1",
        generation=7,
        exposure={"embeddings": 2500},
        reason="users complain",
        by="root",
        at="2025-11-24T16:00:00.500000Z",
        number=1,
    )
    assert sealed.holds()
    assert sealed.key == box.public_key
    assert not replace(sealed, text=sealed.text.replace("2500", "0500")).holds()
    assert not replace(sealed, signature="00" * 64).holds()
    assert not replace(sealed, signature="", key="").holds()


def test_what_has_arrived_is_told_no_more_and_stays_on_the_host(box: GlassBox) -> None:
    box.write(HOLD, BEFORE, "root")
    path, sealed = only(box)
    box.arrived([path])
    assert box.waiting() == []
    kept = json.loads((path.parent / "reported" / path.name).read_text())
    assert kept == sealed.to_wire()
    box.arrived([path])
    box.write(replace(HOLD, id="h2"), BEFORE, "root")
    assert read(only(box)[1].text).number == 2


def test_records_are_told_in_the_order_in_which_they_were_made(box: GlassBox) -> None:
    for number in range(12):
        box.write(replace(HOLD, id=f"h{number}"), BEFORE, "root")
    assert [read(sealed.text).number for _, sealed in box.waiting()] == list(range(1, 11))


def test_the_key_is_made_once_and_is_its_owners_alone(box: GlassBox, tmp_path: Path) -> None:
    before = box.public_key
    GlassBox(tmp_path).prepare("edge-1")
    GlassBox(tmp_path).prepare("renamed")
    assert (box.public_key, box.identity().proxy) == (before, "renamed")
    assert (tmp_path / "glass.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", '{"proxy": "edge-1", "key": "zz"}'])
def test_without_a_usable_key_the_record_is_kept_unsigned_and_none_is_made_in_its_place(
    box: GlassBox, tmp_path: Path, content: str
) -> None:
    (tmp_path / "glass.key").write_text(content)
    box.prepare("edge-1")
    assert (tmp_path / "glass.key").read_text() == content
    box.write(HOLD, BEFORE, "root")
    sealed = only(box)[1]
    assert (sealed.signature, box.public_key) == ("", "")
    assert not sealed.holds()


def test_a_spool_that_cannot_be_written_stops_nobody(box: GlassBox, tmp_path: Path) -> None:
    (tmp_path / "glass").rename(tmp_path / "elsewhere")
    (tmp_path / "glass").write_text("in the way")
    box.write(HOLD, BEFORE, "root")
    assert box.waiting() == []


def test_a_torn_record_is_set_aside_and_the_next_one_is_told(box: GlassBox) -> None:
    box.write(HOLD, BEFORE, "root")
    torn = only(box)[0]
    torn.write_text(torn.read_text()[:40])
    box.write(replace(HOLD, id="h2"), BEFORE, "root")
    assert read(only(box)[1].text).hold == "h2"
    assert torn.with_suffix(".corrupt").exists()


def test_a_reason_of_any_kind_becomes_plain_text(box: GlassBox) -> None:
    box.write(replace(HOLD, reason="a\nb\x00c\ud800\u202ed" + "x" * 3000), BEFORE, "ro\x1bot")
    record = read(only(box)[1].text)
    assert record.reason.startswith("a b c  d")
    assert (len(record.reason), record.by) == (2000, "ro ot")


def good(**changes: object) -> str:
    record = BrokenGlass(
        proxy="edge-1",
        hold="h1",
        lineage=None,
        generation=0,
        exposure={},
        reason="",
        by="root",
        at="2026-11-24T12:00:00.000000Z",
        number=1,
    )
    body = {**json.loads(record.text()), **changes}
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 10_000,
        '{"kind":"break_glass"}',
        good() + " ",
        good(schema=2),
        good(kind="other"),
        good(extra=1),
        good(hold="h 1"),
        good(hold=None),
        good(number=True),
        good(number=-1),
        good(generation=1.5),
        good(exposure={"s": "all"}),
        good(exposure=[]),
        good(reason="a\nb"),
        good(reason="x" * 2001),
        good(by=7),
        good(at="2026-11-24T12:00:00Z"),
        good(at="2026-13-24T12:00:00.000000Z"),
        good(lineage=7),
    ],
)
def test_a_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(GlassError):
        read(text)


def test_a_good_text_is_read() -> None:
    assert read(good()).by == "root"
