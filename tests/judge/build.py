"""Builders of counts for the gates' tests."""

import json

import numpy as np

from judge.arms import ArmBlocks
from judge.evidence import Evidence
from judge.histogram import add_many
from judge.latencies import Latencies
from judge.pairs import PairCounts


def pairs(plus=0, zero=0, minus=0, both=None):
    return PairCounts(
        n_plus=[plus], n_zero=[zero], n_minus=[minus], n_both=None if both is None else [both]
    )


def arms(rows):
    """Return blocks of (n_c, k_c, n_l, k_l)."""
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    return ArmBlocks(n_c=columns[0], k_c=columns[1], n_l=columns[2], k_l=columns[3])


def traffic(candidate, legacy, *, blocks, seed=1, requests=2000, share=0.05):
    """Return blocks of random requests that are bad with the given chances."""
    source = np.random.default_rng(seed)
    n_c = source.poisson(requests * share, blocks)
    n_l = source.poisson(requests * (1 - share), blocks)
    return ArmBlocks(
        n_c=n_c, k_c=source.binomial(n_c, candidate), n_l=n_l, k_l=source.binomial(n_l, legacy)
    )


def latencies(scale, n, *, seed=1, **more):
    """Return lognormal latencies around `scale` times 100 ms, half of them odd."""
    source = np.random.default_rng(seed)
    even, odd = {}, {}
    for counts in (even, odd):
        add_many(
            counts, source.lognormal(np.log(100_000 * scale), 0.5, n // 2).astype(int).tolist()
        )
    return Latencies(even=even, odd=odd, **more)


def survives_json(found):
    """Assert that the evidence comes back from JSON as it was, and return it."""
    document = json.loads(json.dumps(found.to_dict(), sort_keys=True, allow_nan=False))
    assert Evidence.from_dict(document) == found
    return found
