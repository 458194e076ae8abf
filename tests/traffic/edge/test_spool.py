from pathlib import Path

from traffic.edge.blocks import BlockKey
from traffic.edge.book import Entry
from traffic.edge.spool import Spool


def entry(start: int, *, kind: str = "blocks", size: int = 10) -> Entry:
    return Entry(kind, BlockKey(start, 10, "s"), {"start": start, "fill": "x" * size})


def starts(spool: Spool) -> list[int]:
    """Take everything out in order."""
    found = []
    while (chunk := spool.first()) is not None:
        found += [wire["start"] for wire in chunk.entries["blocks"]]
        spool.drop(chunk.path)
    return found


def test_entries_survive_a_restart_with_their_boot(tmp_path: Path) -> None:
    Spool(tmp_path).append("boot-1", [entry(10), entry(20, kind="taps")])
    spool = Spool(tmp_path)
    spool.append("boot-2", [entry(30)])
    first = spool.first()
    assert first is not None
    assert first.boot == "boot-1"
    assert [wire["start"] for wire in first.entries["blocks"]] == [10]
    assert [wire["start"] for wire in first.entries["taps"]] == [20]
    assert starts(spool) == [10, 30]
    assert len(Spool(tmp_path)) == 0


def test_a_chunk_waits_until_it_is_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("boot", [entry(10)])
    assert spool.first() == spool.first()


def test_many_entries_are_cut_into_chunks_small_enough_for_a_report(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("boot", [entry(number, size=100_000) for number in range(20)])
    assert len(spool) > 2
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000
    assert starts(spool) == list(range(20))


def test_beyond_its_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=350)
    for number in range(10):
        spool.append("boot", [entry(number, size=50)])
    left = starts(spool)
    assert left == list(range(10 - len(left), 10))
    assert 0 < len(left) < 10
    assert spool.lost == 10 - len(left)


def test_a_damaged_chunk_is_counted_and_skipped(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("boot", [entry(10)])
    spool.append("boot", [entry(20)])
    min(tmp_path.iterdir()).write_text('{"boot": "bo')
    assert starts(Spool(tmp_path)) == [20]


def test_nothing_to_keep_writes_nothing(tmp_path: Path) -> None:
    Spool(tmp_path).append("boot", [])
    assert list(tmp_path.iterdir()) == []
