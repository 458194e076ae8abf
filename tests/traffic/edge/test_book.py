import json

from judge.histogram import OVERFLOW, hist_bucket
from tests.traffic.edge.builders import START, START_US, attempt, book_of, request, topology
from traffic.edge.blocks import MAX_BAD_KEYS
from traffic.edge.book import KEEP_S, Book
from traffic.edge.joiner import Booking
from traffic.edge.keys import MAX_KEYS, KeySet, is_even, key_hash
from traffic.edge.pairs import Tally
from traffic.edge.records import AccessRecord

CLOSED = START + 11.0


def told(book: Book, kind: str = "blocks", *, seq: int = 1, now: float = CLOSED) -> list[dict]:
    return [entry.wire for entry in book.due(seq, now=now) if entry.kind == kind]


def test_a_block_is_told_one_second_after_its_end() -> None:
    book = book_of(attempt("legacy"))
    assert told(book, now=START + 10.9) == []
    (block,) = told(book, now=START + 11)
    assert block["start"] == START
    assert block["seconds"] == 10


def test_attempts_are_counted_by_arm_and_declared_route() -> None:
    book = book_of(
        attempt("legacy"),
        attempt("candidate-shadow", status=404),
        attempt("legacy-shadow", path="/elsewhere"),
        attempt("candidate", status=500),
    )
    rows = {(block["arm"], block["route"]): block for block in told(book)}
    assert rows.keys() == {
        ("legacy", "POST /infer"),
        ("candidate_shadow", "POST /infer"),
        ("legacy_shadow", "other"),
        ("candidate", "POST /infer"),
    }
    candidate = rows["candidate", "POST /infer"]
    assert candidate["status"] == {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 1, "none": 0}
    assert (candidate["requests"], candidate["errors"]) == (1, 1)
    shadow = rows["candidate_shadow", "POST /infer"]
    assert (shadow["status"]["4xx"], shadow["errors"]) == (1, 0)


def test_keys_of_bad_answers_are_told_hashed_distinct_and_bounded() -> None:
    rule = {**topology().rules[0], "slow_us": {"p50": 1000}}
    records = [attempt("candidate", status=500, key=f"user-{number % 2}") for number in range(6)]
    records += [
        attempt("candidate", key=f"slow-{number}", duration_us=2000) for number in range(99)
    ]
    records += [attempt("candidate", key="quick", duration_us=1000)]
    (block,) = told(book_of(*records, rules=[rule]))
    salt = topology().salt
    users = {f"{key_hash(f'user-{number}', salt):016x}" for number in range(2)}
    assert block["errors"] == 6
    assert set(block["keys"]["errors"]) == users
    assert len(set(block["keys"]["p50"])) == MAX_BAD_KEYS
    assert f"{key_hash('quick', salt):016x}" not in block["keys"]["p50"]


def test_keys_are_told_of_the_candidates_users_alone() -> None:
    (block,) = told(book_of(attempt("legacy", status=500, key="user")))
    assert (block["errors"], block["keys"]) == (1, {})


def test_latency_is_a_sparse_histogram_and_halves_by_the_marks_parity() -> None:
    records = [attempt("legacy", f"m{number}", duration_us=1000) for number in range(20)]
    records.append(attempt("legacy", "", duration_us=5000))
    (block,) = told(book_of(*records))
    latency = block["latency"]
    assert latency["table"] == "us-1pct-v1"
    assert latency["all"] == {str(hist_bucket(1000)): 20, str(hist_bucket(5000)): 1}
    even = sum(is_even(f"m{number}") for number in range(20))
    assert 0 < even < 20
    assert latency["even"] == {str(hist_bucket(1000)): even}
    assert latency["odd"] == {str(hist_bucket(1000)): 20 - even}


def test_an_attempt_without_an_answer_is_an_error_and_counts_as_endless() -> None:
    (block,) = told(book_of(attempt("candidate-shadow", status=0)))
    assert (block["errors"], block["status"]["none"]) == (1, 1)
    assert block["latency"]["all"] == {str(OVERFLOW): 1}


def test_a_broken_answer_is_an_error_whatever_its_status() -> None:
    flags = frozenset({"upstream_protocol_error"})
    (block,) = told(book_of(attempt("candidate", status=200, flags=flags)))
    assert (block["errors"], block["status"]["none"], block["status"]["2xx"]) == (1, 1, 0)


def test_a_shed_copy_is_neither_request_nor_error() -> None:
    shed = attempt("candidate-shadow", status=0, flags=frozenset({"upstream_overflow"}))
    (block,) = told(book_of(shed))
    assert (block["shed"], block["requests"], block["errors"]) == (1, 0, 0)
    assert block["latency"]["all"] == {}


def test_a_user_who_left_is_no_error_but_a_route_timeout_is() -> None:
    left = frozenset({"downstream_connection_termination"})
    timeout = frozenset({"upstream_request_timeout"})
    mute = attempt("legacy", status=0)
    gone = request("legacy", status=0, flags=left, details="downstream_remote_disconnect")
    late = request("legacy", status=504, flags=timeout, details="response_timeout")
    (block,) = told(book_of(mute, gone))
    assert (block["requests"], block["errors"], block["status"]["none"]) == (1, 0, 1)
    (block,) = told(book_of(mute, late))
    assert (block["requests"], block["errors"], block["status"]["none"]) == (1, 1, 1)


def test_a_fallbacks_answer_is_on_no_arm_but_counted_as_failed_over() -> None:
    route = "embeddings/candidate-sampled"
    book = book_of(
        attempt("candidate", status=500),
        attempt("legacy", route=route),
        request("legacy", route=route, attempts=2),
        request("legacy", "m2", route=route, attempts=1),
        request("candidate", "m3"),
        request("legacy", "m4"),
    )
    assert [block["arm"] for block in told(book)] == ["candidate"]
    (routing,) = told(book, "routing")
    assert (routing["intended"], routing["arms"]) == (3, {"candidate": 3, "legacy": 1})
    assert (routing["failed_over"], routing["diverted"]) == (1, 1)


def test_slow_attempts_are_counted_above_the_steps_limits() -> None:
    limits = {"p50": 1000, "p99": 9000}
    rule = {**topology().rules[0], "slow_us": limits}
    records = [attempt("candidate", duration_us=us) for us in (1000, 1001, 9001)]
    (block,) = told(book_of(*records, rules=[rule]))
    assert block["slow"] == {"p50": 2, "p99": 1}


def test_latencies_of_a_warming_candidate_are_left_out_and_errors_are_not() -> None:
    book = book_of(
        attempt("candidate"),
        attempt("candidate", status=500),
        attempt("legacy"),
        warm_us=START_US + 1,
    )
    blocks = {block["arm"]: block for block in told(book)}
    assert (blocks["candidate"]["warming"], blocks["candidate"]["errors"]) == (2, 1)
    assert blocks["candidate"]["latency"]["all"] == {}
    assert blocks["legacy"]["warming"] == 0


def test_an_acknowledged_block_is_told_again_with_all_its_counts_when_it_changes() -> None:
    book = book_of(attempt("legacy"))
    assert told(book)[0]["requests"] == 1
    assert told(book, seq=2)[0]["requests"] == 1
    book.acknowledge(2)
    assert told(book, seq=3) == []
    book.record(attempt("legacy"), now=CLOSED)
    assert told(book, seq=4)[0]["requests"] == 2


def test_what_changed_after_it_was_told_is_not_acknowledged() -> None:
    book = book_of(attempt("legacy"))
    told(book, seq=1)
    book.record(attempt("legacy"), now=CLOSED)
    book.acknowledge(1)
    assert told(book, seq=2)[0]["requests"] == 2


def test_final_blocks_are_dropped_and_the_unacknowledged_handed_over() -> None:
    book = book_of(attempt("legacy"), attempt("candidate-shadow"))
    assert list(book.retire(now=START + 10 + KEEP_S - 1)) == []
    kept = list(book.retire(now=START + 10 + KEEP_S))
    assert [entry.key.arm for entry in kept] == ["candidate_shadow", "legacy"]
    assert len(book) == 0


def test_a_record_later_than_any_kept_block_goes_to_the_newest_one() -> None:
    now = START + 500.0
    book = book_of(attempt("legacy"), now=now)
    (block,) = told(book, now=now + 20)
    assert block["start"] == START + 500
    assert book.moved == 1


def test_keys_are_told_hashed_once_per_step_by_the_routing_decision() -> None:
    route = "embeddings/candidate-plain"
    book = book_of(
        request("legacy", "", key="anna"),
        request("legacy", "", key="anna"),
        # The candidate crashed and legacy answered: the key still fell on the candidate.
        request("legacy", "", key="bert", route=route, attempts=2),
    )
    (routing,) = told(book, "routing")
    assert routing["new_keys"] == {
        "legacy": [f"{key_hash('anna', b'lineage'):016x}"],
        "candidate": [f"{key_hash('bert', b'lineage'):016x}"],
    }
    assert (routing["epoch"], routing["flips"], routing["flip_count"]) == ("step-1", [], 0)
    # Anna asked twice, Bert once: 2 squared and 1 squared.
    assert (routing["key_requests"], routing["key_squares"]) == (3, 5)
    assert "anna" not in json.dumps(routing)
    book.acknowledge(1)
    later = request("legacy", "", key="anna", started_us=START_US + 10_000_000)
    book.record(later, now=START + 10)
    (routing,) = told(book, "routing", seq=2, now=CLOSED + 10)
    assert routing["new_keys"] == {"candidate": [], "legacy": []}


def test_a_key_on_both_arms_within_a_step_is_a_flip() -> None:
    book = book_of(request("legacy", key="anna"), request("candidate", key="anna"))
    (routing,) = told(book, "routing")
    hashed = f"{key_hash('anna', b'lineage'):016x}"
    assert routing["flips"] == [{"key": hashed, "first": "legacy", "now": "candidate"}]
    assert routing["flip_count"] == 1


def test_a_new_step_forgets_keys_and_ignores_requests_of_the_old_one() -> None:
    book = book_of(request("legacy", key="anna"), request("legacy", key="bert"))
    book.configure(topology(epochs={"embeddings": "step-2"}), now=START + 2)
    book.record(request("legacy", key="carl", started_us=START_US), now=START + 2)
    moved = request("candidate", key="anna", started_us=START_US + 3_000_000)
    book.record(moved, now=START + 4)
    (routing,) = told(book, "routing")
    assert routing["epoch"] == "step-2"
    assert routing["new_keys"] == {
        "candidate": [f"{key_hash('anna', b'lineage'):016x}"],
        "legacy": [],
    }
    assert routing["flip_count"] == 0
    assert routing["arms"] == {"candidate": 1, "legacy": 3}


def test_the_same_step_configured_again_keeps_its_keys() -> None:
    book = book_of(request("legacy", key="anna"))
    book.configure(topology(), now=START + 2)
    book.record(request("legacy", key="anna", started_us=START_US + 4_000_000), now=START + 4)
    (routing,) = told(book, "routing")
    assert len(routing["new_keys"]["legacy"]) == 1


def test_keys_stop_being_added_when_there_are_enough() -> None:
    keys = KeySet("step", 0, first=dict.fromkeys(range(MAX_KEYS), "legacy"))
    assert keys.see(MAX_KEYS + 1, "legacy", started_us=START_US) is None
    assert keys.see(5, "candidate", started_us=START_US) is not None


def test_bookings_balance_with_what_is_still_waiting() -> None:
    book = book_of()
    for tally in (Tally.SAMPLED, Tally.SAMPLED, Tally.PAIRS):
        book.book(Booking("embeddings", "POST /infer", START_US, tally), now=START + 1)
    (row,) = told(book, "taps")
    assert row == {
        "split": "embeddings",
        "route": "POST /infer",
        "start": START,
        "seconds": 10,
        "sampled": 2,
        "pairs": 1,
        "unpaired": 0,
        "truncated": 0,
        "failed_over": 0,
        "diverted": 0,
        "shed": 0,
        "waiting": 1,
    }


def test_before_any_snapshot_nothing_is_counted() -> None:
    book = Book()
    book.record(request("legacy"), now=START + 1)
    book.record(AccessRecord("attempt", 0, 0, "x", "", 200), now=START + 1)
    assert len(book) == 0
    assert book.foreign == 1
