"""The numbers agree with values computed at 50 digits, to eight of them."""

import numpy as np
import pytest

import judge
from shadow.comparison.texts import compare_text
from shadow.comparison.values import compare_values
from tests.judge.vectors import GROUPS, cases

EXACT = {"rtol": 1e-8, "atol": 1e-9}
NUMBERS = {
    "log_e_below",
    "log_e_above",
    "rate_upper",
    "rate_lower",
    "rate_cs",
    "min_samples",
    "deff",
    "ratio_log_e",
    "diff_log_e",
    "paired_log_e",
    "quantile_better_log_e",
    "quantile_ranks",
    "srm_log_e",
    "hist_bucket",
}
BLOCKS = {"block_log_e_below", "block_log_e_above"}
OTHERS = {"rate_gate", "eta_samples", "e_sr", "hist_edges", "compare", "compare_text"}


def test_every_group_of_vectors_is_tested():
    assert set(GROUPS) == NUMBERS | BLOCKS | OTHERS


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_numbers_agree_with_the_vectors(name):
    for arguments, expected in cases(name):
        found = getattr(judge, name)(**arguments)
        np.testing.assert_allclose(found, expected, **EXACT, err_msg=str(arguments)[:200])


def test_rate_gate_gives_the_verdicts_of_the_vectors():
    for arguments, expected in cases("rate_gate"):
        assert judge.rate_gate(**arguments) == expected, arguments


def test_forecast_agrees_with_the_vectors():
    for arguments, expected in cases("eta_samples"):
        found = judge.eta_samples(**arguments)
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=str(arguments))


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_block_evidence_agrees_with_the_vectors(name):
    for arguments, expected in cases(name):
        n_b, k_b = blocks(**arguments["blocks"])
        found = getattr(judge, name)(n_b=n_b, k_b=k_b, p0=arguments["p0"])
        np.testing.assert_allclose(found, expected, **EXACT, err_msg=str(arguments))


def test_late_regression_agrees_with_the_vectors():
    for arguments, (level, alarm) in cases("e_sr"):
        found = judge.e_sr(**arguments)
        np.testing.assert_allclose(found[0], level, **EXACT)
        assert found[1] == alarm


def test_edge_table_agrees_with_the_vectors():
    edges = judge.hist_edges()
    for arguments, expected in cases("hist_edges"):
        index = arguments["index"]
        found = {"len": edges.size, "sum": int(edges.sum())}.get(index)
        assert (edges[index] if found is None else found) == expected


def test_value_rules_agree_with_the_vectors():
    for arguments, expected in cases("compare"):
        assert compare_values(**arguments) is expected, arguments
    for arguments, expected in cases("compare_text"):
        assert compare_text(**arguments) is expected, arguments


def blocks(B, n, every=None, k=0, empty=()):  # noqa: N803 - names of the vectors
    n_b = np.full(B, n)
    k_b = np.where(np.arange(B) % every == 0, k, 0) if every else np.zeros(B, dtype=np.int64)
    n_b[list(empty)] = k_b[list(empty)] = 0
    return n_b, k_b
