"""The numbers agree with values computed at 50 digits, to eight of them."""

import numpy as np
import pytest

from judge import discrepancy, histogram, split
from tests.judge.vectors import cases

EXACT = {"rtol": 1e-8, "atol": 1e-9}


@pytest.mark.parametrize(
    "name",
    ["log_e_below", "log_e_above", "rate_upper", "rate_lower", "rate_cs", "min_samples"],
)
def test_rates_agree_with_the_vectors(name):
    for arguments, expected in cases(name):
        found = getattr(discrepancy, name)(**arguments)
        np.testing.assert_allclose(found, expected, **EXACT, err_msg=str(arguments))


def test_rate_gate_gives_the_verdicts_of_the_vectors():
    for arguments, expected in cases("rate_gate"):
        assert discrepancy.rate_gate(**arguments) == expected, arguments


def test_forecast_agrees_with_the_vectors():
    for arguments, expected in cases("eta_samples"):
        found = discrepancy.eta_samples(**arguments)
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=str(arguments))


@pytest.mark.parametrize("name", ["block_log_e_below", "block_log_e_above"])
def test_block_evidence_agrees_with_the_vectors(name):
    for arguments, expected in cases(name):
        n_b, k_b = blocks(**arguments["blocks"])
        found = getattr(discrepancy, name)(n_b, k_b, arguments["p0"])
        np.testing.assert_allclose(found, expected, **EXACT, err_msg=str(arguments))


def test_split_evidence_agrees_with_the_vectors():
    for arguments, expected in cases("srm_log_e"):
        np.testing.assert_allclose(split.srm_log_e(**arguments), expected, **EXACT)


def test_edge_table_agrees_with_the_vectors():
    edges = histogram.edges()
    for arguments, expected in cases("hist_edges"):
        index = arguments["index"]
        found = {"len": edges.size, "sum": int(edges.sum())}.get(index)
        assert (edges[index] if found is None else found) == expected


def test_buckets_agree_with_the_vectors():
    for arguments, expected in cases("hist_bucket"):
        assert histogram.hist_bucket(**arguments) == expected


def blocks(B, n, every=None, k=0, empty=()):  # noqa: N803 - names of the vectors
    n_b = np.full(B, n)
    k_b = np.where(np.arange(B) % every == 0, k, 0) if every else np.zeros(B, dtype=np.int64)
    n_b[list(empty)] = k_b[list(empty)] = 0
    return n_b, k_b
