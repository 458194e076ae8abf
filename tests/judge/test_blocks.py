import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import blocks

P0 = 0.001
LN100 = math.log(100)
block = st.integers(0, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def arrays(rows):
    return np.array([n for n, _ in rows]), np.array([k for _, k in rows])


def clean(count, n=20):
    return np.full(count, n), np.zeros(count, dtype=np.int64)


def test_seventeen_hours_of_clean_blocks_are_needed_whatever_the_load():
    for n in (1, 20, 10_000):
        assert blocks.block_log_e_below(*clean(6160, n), P0) >= LN100
        assert blocks.block_log_e_below(*clean(6159, n), P0) < LN100


@given(st.lists(block, max_size=30))
def test_empty_blocks_bet_nothing(rows):
    n_b, k_b = arrays(rows)
    padded = np.concatenate([n_b, [0, 0]]), np.concatenate([k_b, [0, 0]])
    for function in (blocks.block_log_e_below, blocks.block_log_e_above):
        assert function(*padded, P0) == pytest.approx(function(n_b, k_b, P0), abs=1e-12)


@given(st.lists(block, min_size=1, max_size=30), st.randoms())
def test_order_of_blocks_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    for function in (blocks.block_log_e_below, blocks.block_log_e_above):
        assert function(*arrays(rows), P0) == pytest.approx(function(*arrays(shuffled), P0))


@given(st.lists(block, min_size=1, max_size=30))
def test_block_evidence_is_the_mean_of_the_plain_products(rows):
    rates = [k / n for n, k in rows if n]
    bets = [0.05, 0.1, 0.25, 0.5, 0.75, 0.999]
    products = [math.prod(1 + bet * (P0 - x) for x in rates) for bet in bets]
    expected = math.log(sum(products) / len(bets))
    assert blocks.block_log_e_below(*arrays(rows), P0) == pytest.approx(expected, abs=1e-9)


def test_outlook_without_blocks_knows_only_the_best_case():
    outlook = blocks.outlook(*clean(0), P0, LN100)
    assert outlook.at_this_rate is None
    assert outlook.without_mismatch == 6160


def test_outlook_counts_down_to_nothing():
    outlook = blocks.outlook(*clean(6000), P0, LN100)
    assert outlook.without_mismatch == 160
    assert outlook.at_this_rate == pytest.approx(160, abs=1)
    done = blocks.outlook(*clean(6160), P0, LN100)
    assert (done.at_this_rate, done.without_mismatch) == (0, 0)


def test_outlook_is_never_at_a_rate_above_the_limit():
    n_b, k_b = clean(1000)
    k_b[::10] = 1
    assert blocks.outlook(n_b, k_b, P0, LN100).at_this_rate is None
