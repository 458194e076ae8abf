from tests.traffic.edge.builders import (
    LEGACY_AT,
    START_US,
    Bench,
    attempt,
    broken_off,
    capture,
    request,
)
from traffic.edge.joiner import Limits
from traffic.edge.pairs import Tally

ONE_PAIR = {Tally.SAMPLED: 1, Tally.PAIRS: 1}
LEFT = frozenset({"downstream_connection_termination"})


def test_a_request_of_legacy_and_its_copy_are_a_forward_pair() -> None:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow"))
    (pair,) = bench.pairs
    assert (pair.kind, pair.id, pair.split, pair.route) == (
        "forward",
        "m1",
        "embeddings",
        "POST /infer",
    )
    assert (pair.a.body, pair.b.body, pair.request_body) == (
        b"legacy",
        b"candidate-shadow",
        b"question",
    )
    assert (pair.a.us, pair.at_us, pair.path, pair.flags) == (1500, START_US, "/infer?x=1", ())


def test_a_pair_is_booked_when_the_users_record_says_in_which_block() -> None:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow"))
    assert bench.tallies == {}
    bench.see(request("legacy", started_us=START_US - 5))
    assert bench.tallies == ONE_PAIR
    assert {booking.started_us for booking in bench.bookings} == {START_US - 5}


def test_a_request_of_the_candidate_and_its_copy_are_a_reverse_pair_with_legacy_as_reference() -> (
    None
):
    bench = Bench().see(capture("candidate-safe"), capture("legacy-shadow"), request("candidate"))
    (pair,) = bench.pairs
    assert (pair.kind, pair.a.body, pair.b.body) == (
        "reverse",
        b"legacy-shadow",
        b"candidate-safe",
    )
    assert bench.tallies == ONE_PAIR


def test_a_triple_gives_a_forward_and_a_noise_pair_but_one_outcome() -> None:
    bench = Bench().see(
        capture("legacy"),
        capture("legacy-shadow"),
        capture("candidate-shadow"),
        request("legacy"),
    )
    assert sorted(bench.kinds) == ["forward", "noise"]
    assert bench.tallies == ONE_PAIR
    assert bench.joiner.waiting == 0
    assert bench.joiner.bytes == 0


def test_a_noise_copy_that_is_slower_than_the_candidate_still_pairs() -> None:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow"), request("legacy"))
    bench.wait(4).see(capture("legacy-shadow"))
    assert bench.kinds == ["forward", "noise"]


def test_bodies_are_let_go_when_no_noise_copy_comes() -> None:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow"), request("legacy"))
    assert bench.joiner.bytes > 0
    bench.wait(5)
    assert (bench.joiner.waiting, bench.joiner.bytes) == (0, 0)


def test_a_repeated_capture_or_record_makes_no_second_pair() -> None:
    events = (
        capture("legacy"),
        capture("candidate-shadow"),
        capture("legacy-shadow"),
        request("legacy"),
    )
    bench = Bench().see(*events, *events).wait(30).see(*events)
    assert sorted(bench.kinds) == ["forward", "noise"]
    assert bench.tallies == ONE_PAIR


def test_a_copy_that_is_reset_is_a_pair_without_an_answer() -> None:
    flags = frozenset({"upstream_connection_termination"})
    bench = Bench().see(
        capture("legacy"),
        request("legacy"),
        attempt("candidate-shadow", status=0, flags=flags),
    )
    assert bench.pairs == []  # its capture ends later, and holds the request
    bench.see(broken_off("candidate-shadow"))
    (pair,) = bench.pairs
    assert (pair.b.status, pair.b.body, pair.request_body) == (0, b"", b"question")
    assert pair.flags == ("no_answer_b",)
    assert bench.tallies == ONE_PAIR


def test_a_copy_that_timed_out_has_no_flag_in_envoys_record_and_is_a_pair_all_the_same() -> None:
    bench = Bench().see(
        capture("legacy"),
        request("legacy"),
        attempt("candidate-shadow", status=0),
        broken_off("candidate-shadow"),
    )
    assert [pair.b.status for pair in bench.pairs] == [0]


def test_a_copy_that_breaks_off_in_its_body_is_no_answer() -> None:
    bench = Bench().see(
        capture("legacy"),
        request("legacy"),
        attempt("candidate-shadow", flags=frozenset({"upstream_protocol_error"})),
        broken_off("candidate-shadow", status=200, response_body=b"ha"),
    )
    (pair,) = bench.pairs
    assert (pair.b.status, pair.b.body, pair.flags) == (0, b"", ("broken_b",))


def test_a_copy_that_envoy_took_back_half_sent_is_no_failure_of_the_candidate() -> None:
    cut = broken_off("candidate-shadow", request_ended=False)
    mute = attempt("candidate-shadow", status=0)
    bench = Bench().see(capture("legacy", status=415), request("legacy", status=415), cut, mute)
    bench.wait(19)
    assert bench.pairs == []
    assert Tally.UNPAIRED in {booking.tally for booking in bench.bookings}


def test_a_failed_copy_without_any_capture_is_still_a_pair_in_the_end() -> None:
    refused = attempt(
        "candidate-shadow", status=0, flags=frozenset({"upstream_connection_failure"})
    )
    bench = Bench().see(capture("legacy"), request("legacy"), refused)
    bench.wait(19)
    (pair,) = bench.pairs
    assert pair.flags == ("no_answer_b", "no_request_body")
    assert bench.tallies == ONE_PAIR


def test_a_copy_that_its_breaker_shed_is_no_pair() -> None:
    bench = Bench().see(
        capture("legacy"),
        request("legacy"),
        broken_off("candidate-shadow"),
        attempt("candidate-shadow", status=0, flags=frozenset({"upstream_overflow"})),
    )
    assert bench.pairs == []
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.SHED: 1}


def test_legacy_that_fails_is_a_pair_with_an_empty_reference() -> None:
    bench = Bench().see(
        broken_off("legacy"),
        capture("candidate-shadow"),
        request("legacy", status=503, flags=frozenset({"upstream_connection_termination"})),
    )
    (pair,) = bench.pairs
    assert (pair.a.status, pair.b.status, pair.flags) == (0, 200, ("no_answer_a",))


def test_a_user_who_left_is_unpaired() -> None:
    bench = Bench().see(
        broken_off("legacy"),
        capture("candidate-shadow"),
        request("legacy", status=0, flags=LEFT),
    )
    bench.wait(19)
    assert bench.pairs == []
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.UNPAIRED: 1}


def test_a_candidate_that_failed_over_is_never_compared() -> None:
    # A 500 without a body looks like a complete answer until legacy's comes.
    bench = Bench().see(
        capture("candidate-safe", status=500, response_body=b""),
        capture("legacy-shadow"),
        capture("candidate-safe", upstream=LEGACY_AT),
        attempt("candidate", status=500),
        request("legacy", route="embeddings/candidate-sampled", attempts=2),
    )
    assert bench.pairs == []
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.FAILED_OVER: 1}


def test_a_user_diverted_from_an_ejected_candidate_is_never_compared() -> None:
    bench = Bench().see(
        capture("candidate-safe", upstream=LEGACY_AT),
        capture("legacy-shadow"),
        request("legacy", route="embeddings/candidate-sampled"),
    )
    bench.wait(30)
    assert bench.pairs == []
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.DIVERTED: 1}


def test_an_error_of_the_candidate_that_reached_the_user_is_a_reverse_pair() -> None:
    bench = Bench().see(capture("candidate-safe", status=500), capture("legacy-shadow"))
    assert bench.pairs == []
    bench.see(request("candidate", status=500))
    assert [(pair.kind, pair.b.status) for pair in bench.pairs] == [("reverse", 500)]


def test_envoys_record_names_the_candidate_where_its_address_is_unknown() -> None:
    bench = Bench().see(capture("candidate-safe", upstream="10.0.0.9:80"), capture("legacy-shadow"))
    assert bench.pairs == []
    bench.see(request("candidate"))
    assert bench.kinds == ["reverse"]


def test_a_cut_answer_is_a_pair_booked_as_truncated() -> None:
    bench = Bench().see(
        capture("legacy", complete=False, truncated=True),
        capture("candidate-shadow"),
        request("legacy"),
    )
    assert bench.pairs[0].flags == ("truncated_a",)
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.TRUNCATED: 1}


def test_a_cut_request_is_said_on_the_pair_but_does_not_spoil_it() -> None:
    bench = Bench().see(
        capture("legacy"), capture("candidate-shadow", request_truncated=True), request("legacy")
    )
    assert bench.pairs[0].flags == ("truncated_request",)
    assert bench.tallies == ONE_PAIR


def test_a_half_without_its_other_half_is_unpaired_after_the_wait() -> None:
    bench = Bench().see(capture("legacy"), request("legacy")).wait(18.9)
    assert bench.tallies == {Tally.SAMPLED: 1}
    bench.wait(0.2)
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.UNPAIRED: 1}


def test_a_mark_without_any_capture_is_shed() -> None:
    bench = Bench().see(request("legacy"), attempt("candidate-shadow")).wait(20)
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.SHED: 1}


def test_a_pair_that_found_no_room_is_shed() -> None:
    bench = Bench(room=0).see(capture("legacy"), capture("candidate-shadow"), request("legacy"))
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.SHED: 1}


def test_a_mark_whose_record_never_comes_is_counted_once() -> None:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow")).wait(20)
    assert bench.tallies == ONE_PAIR
    bench.see(request("legacy"))
    assert bench.tallies == ONE_PAIR
    assert bench.joiner.stats.unlogged == 1


def test_the_oldest_mark_goes_when_too_many_wait() -> None:
    bench = Bench(limits=Limits(max_waiting=2))
    bench.see(*(capture("legacy", f"m{number}") for number in range(3)))
    assert bench.joiner.waiting == 2
    assert bench.joiner.stats.evicted == 1
    bench.see(capture("candidate-shadow", "m0"), capture("candidate-shadow", "m2"))
    assert [pair.id for pair in bench.pairs] == ["m2"]


def test_the_oldest_mark_goes_when_bodies_take_too_much() -> None:
    bench = Bench(limits=Limits(max_bytes=100))
    bench.see(
        capture("legacy", "old", response_body=b"x" * 60),
        capture("legacy", "new", response_body=b"x" * 60),
    )
    assert bench.joiner.bytes == 60
    assert bench.tallies == {Tally.SAMPLED: 1, Tally.SHED: 1}


def test_stopping_decides_everything() -> None:
    bench = Bench().see(capture("legacy"), request("legacy"), request("legacy", "m2"))
    bench.joiner.flush()
    assert bench.joiner.waiting == 0
    assert bench.tallies == {Tally.SAMPLED: 2, Tally.UNPAIRED: 1, Tally.SHED: 1}


def test_foreign_clusters_routes_and_requests_without_a_mark_are_ignored() -> None:
    bench = Bench().see(
        capture("unknown"),
        request("legacy", route="elsewhere"),
        attempt("unknown"),
        request("legacy", ""),
    )
    assert bench.joiner.waiting == 0
