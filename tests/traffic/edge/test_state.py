"""What survives a crash at any point, and what happens to files that cannot be read."""

import json
from pathlib import Path

import pytest

from tests.traffic.edge.documents import document
from traffic.edge.fence import Hold
from traffic.edge.files import XdsFiles
from traffic.edge.state import EdgeState, StateStore, position_of

HOLD = Hold(id="h1234", cap_tth=0, reason="drill", at=12.5, generation=8)


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path)


def accepted(store: StateStore, doc: dict[str, object]) -> EdgeState:
    state = EdgeState(position_of(doc), applied=False)
    store.begin(state, doc)
    done = EdgeState(position_of(doc), applied=True)
    store.commit(done)
    return done


def test_nothing_on_disk_is_no_position(store: StateStore) -> None:
    assert store.load() == EdgeState()
    assert store.last_good() is None


def test_state_and_hold_come_back_as_they_were(store: StateStore) -> None:
    state = EdgeState(position_of(document()), HOLD, applied=False)
    store.save(state)
    assert store.load() == state


def test_a_pending_document_becomes_the_last_good_one_when_accepted(store: StateStore) -> None:
    first, second = document(7), document(8)
    accepted(store, first)
    pending = EdgeState(position_of(second), applied=False)
    store.begin(pending, second)
    assert store.load() == pending
    assert store.document(pending) == second
    assert store.last_good() == first
    done = accepted(store, second)
    assert store.last_good() == store.document(done) == second


def test_a_refused_document_is_forgotten(store: StateStore) -> None:
    done = accepted(store, document(7))
    store.begin(EdgeState(position_of(document(8)), applied=False), document(8))
    store.abort(done)
    assert store.load() == done
    assert store.document(done) == document(7)


def test_a_crash_between_rename_and_state_still_finds_the_document(
    store: StateStore, tmp_path: Path
) -> None:
    state = EdgeState(position_of(document()), applied=False)
    store.begin(state, document())
    (tmp_path / "pending.json").rename(tmp_path / "last-good.json")
    assert store.document(store.load()) == document()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"lineage": "L1"}', b"\xff\xfe"])
def test_an_unreadable_state_is_set_aside_and_rebuilt(
    store: StateStore, tmp_path: Path, content: bytes
) -> None:
    accepted(store, document())
    (tmp_path / "state.json").write_bytes(content)
    assert store.load() == EdgeState(position_of(document()))
    assert (tmp_path / "state.json.corrupt-1").read_bytes() == content
    assert EdgeState.from_dict(json.loads((tmp_path / "state.json").read_text())) == store.load()


def test_a_hold_is_not_forgotten_with_the_state(store: StateStore, tmp_path: Path) -> None:
    accepted(store, document())
    files = XdsFiles(tmp_path)
    files.prepare()
    files.write("routes", "8-h1234", document()["safe_routes"])
    (tmp_path / "state.json").write_bytes(b"garbage")
    hold = store.load().hold
    assert hold is not None
    assert (hold.id, hold.cap_tth, hold.generation) == ("h1234", 0, 8)


def test_a_damaged_document_is_set_aside_and_not_used(store: StateStore, tmp_path: Path) -> None:
    accepted(store, document())
    path = tmp_path / "last-good.json"
    doc = json.loads(path.read_text())
    doc["exposure"] = {"embeddings": 10_000}
    path.write_text(json.dumps(doc))
    assert store.last_good() is None
    assert (tmp_path / "last-good.json.corrupt-1").exists()


def test_several_damaged_files_are_all_kept(store: StateStore, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "state.json").write_text(f"bad {number}")
        store.load()
    kept = sorted(path.read_text() for path in tmp_path.glob("state.json.corrupt-*"))
    assert kept == ["bad 1", "bad 2"]
