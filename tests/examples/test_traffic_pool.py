"""The generated traffic has the promised shape; no process and no socket is needed to see it."""

import random
import statistics
from itertools import islice

from generator import user_keys
from requests_pool import MEDIAN, build_pool, vector_length
from stats import Stats


def test_the_deck_is_the_same_for_the_same_seed():
    assert build_pool(seed=3) == build_pool(seed=3) != build_pool(seed=4)


def test_about_one_request_in_a_hundred_is_wrong():
    deck = build_pool()
    wrong = sum(not request.valid for request in deck)
    assert 0.005 < wrong / len(deck) <= 0.0101


def test_both_routes_are_used_alike():
    valid = [request for request in build_pool() if request.valid]
    share = sum(request.path == "/infer" for request in valid) / len(valid)
    assert share == 0.5


def test_lengths_run_from_3_to_4000_around_50():
    rng = random.Random(1)  # noqa: S311
    lengths = [vector_length(rng) for _ in range(4000)]
    assert min(lengths) == 3
    assert 3500 < max(lengths) <= 4000
    assert abs(statistics.median(lengths) - MEDIAN) < 10


def test_values_stay_within_a_hundred_unless_wide():
    for wide, limit in ((False, 200.1), (True, 200_000.1)):
        deck = build_pool(wide=wide)
        outputs = [max(r.expected["output"]) for r in deck if r.valid and r.path == "/infer"]
        assert limit * 0.9 < max(outputs) <= limit


def test_every_user_comes_back_though_a_few_are_busier():
    keys = list(islice(user_keys(1000, random.Random(1)), 4000))  # noqa: S311
    assert {f"user-{number}" for number in range(1000)} <= set(keys[:2200]) | set(keys[2200:])
    assert len(set(keys[:2200])) > 990
    busiest = sum(key in {f"user-{number}" for number in range(10)} for key in keys)
    assert busiest > 4 * 4000 * 10 / 1000


def test_a_valid_request_without_a_200_is_counted_and_a_wrong_one_is_not():
    stats = Stats()
    stats.answered(status=503, expected=200, valid=True, seconds=0.1)
    stats.answered(status=422, expected=422, valid=False, seconds=0.1)
    stats.answered(status=500, expected=422, valid=False, seconds=0.1)
    stats.refused(OSError("gone"), valid=True)
    assert (stats.non_200_valid, stats.wrong_unexpected, stats.failed) == (2, 1, 1)
