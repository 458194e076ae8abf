import math
from dataclasses import replace

import numpy as np
import pytest

from judge.errors_live import ErrorsLivePolicy
from judge.full import FullCounts
from judge.full_step import judge_errors_full, judge_latency_full
from judge.latency_live import LatencyLivePolicy
from judge.verdict import Verdict
from tests.judge.build import pairs, survives_json

GUIDE = ErrorsLivePolicy()
SLOW = LatencyLivePolicy()
TAUS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
EQUAL = pairs(plus=10, zero=49_980, minus=10)


def full(rate=0.001, *, blocks=360, requests=2000, frozen=(400_000, 400), reverse=EQUAL):
    source = np.random.default_rng(1)
    n_b = source.poisson(requests, blocks)
    return FullCounts(
        n_b=n_b,
        k_b=source.binomial(n_b, rate),
        frozen_n=frozen[0],
        frozen_k=frozen[1],
        pairs=reverse,
    )


def errors(counts, *, keys=10, elapsed_s=3600, policy=GUIDE, **more):
    return survives_json(
        judge_errors_full(
            counts=counts, error_keys=keys, elapsed_s=elapsed_s, policy=policy, **more
        )
    )


def latency(counts, *, keys=None, elapsed_s=3600, taus=TAUS, **more):
    return survives_json(
        judge_latency_full(
            slow=counts, taus=taus, slow_keys=keys, elapsed_s=elapsed_s, policy=SLOW, **more
        )
    )


def test_equal_pairs_and_a_calm_candidate_pass():
    found = errors(full())
    assert found.verdict is Verdict.PASS
    live, reverse = found.parts
    assert (live.name, live.verdict, live.required) == ("errors_live", Verdict.INCONCLUSIVE, False)
    assert (reverse.name, reverse.verdict) == ("errors_pairs", Verdict.PASS)
    assert found.reasons == ("shown in pairs to be no worse than legacy, within the limits",)
    assert (found.eta_s, found.eta_best_s, found.needed) == (0, 0, ())


def test_without_reverse_pairs_nothing_passes():
    found = errors(full(reverse=pairs()))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no reverse pairs yet for errors" in found.sentence
    assert found.needed == (("pairs_not_bad", 7132),)
    assert (found.eta_s, found.value) == (None, None)


def test_the_candidates_own_blocks_fail_it_against_legacys_frozen_rate():
    found = errors(full(0.01, blocks=30))
    assert found.verdict is Verdict.FAIL
    assert found.parts[0].verdict is Verdict.FAIL
    assert "legacy's rate of before" in found.reasons[0]
    assert (found.eta_s, found.eta_best_s) == (None, None)
    assert errors(full(0.01, blocks=30), keys=2).verdict is not Verdict.FAIL
    assert errors(full(0.01, blocks=30), keys=None).verdict is Verdict.FAIL


def test_the_pairs_fail_it_too():
    found = errors(full(reverse=pairs(plus=60, zero=5000, both=3)))
    assert found.verdict is Verdict.FAIL
    assert found.parts[1].verdict is Verdict.FAIL
    assert "at least +" in found.parts[1].sentence
    assert found.reasons == ("shown in pairs to have 0.1 points more errors than legacy",)


def test_an_unknown_rate_of_before_fails_nothing_and_is_said():
    found = errors(full(0.5, blocks=30, frozen=(0, 0)))
    assert found.parts[0].limit == 1
    assert found.verdict is Verdict.INCONCLUSIVE or found.verdict is Verdict.PASS
    assert "legacy's rate of before is not known" in found.reasons


def test_a_legacy_without_errors_leaves_a_limit_to_test_against():
    found = errors(full(0, frozen=(10**12, 0)))
    assert found.parts[0].limit == 1e-6
    assert errors(FullCounts()).parts[0].sentence.startswith("no requests yet")


def test_window_minimum_and_margin_are_waited_for():
    found = errors(full(blocks=3), elapsed_s=30)
    assert [what for what, _ in found.needed] == ["minimum", "seconds"]
    never = errors(full(reverse=pairs(zero=10)), policy=replace(GUIDE, delta=0.0))
    assert never.needed_text == "evidence that the candidate has fewer errors"


def test_bursts_and_strata_ask_for_more():
    assert errors(full(), deff=4.0).verdict is Verdict.INCONCLUSIVE
    more = errors(full(), strata_count=5).fail_log_needed
    assert more == pytest.approx(errors(full()).fail_log_needed + math.log(5))


def test_slow_requests_pass_by_pairs_at_every_threshold():
    shares = {name: 1 - tau for name, tau in TAUS.items()}
    counts = {
        name: full(share, frozen=(400_000, int(400_000 * share)), reverse=EQUAL)
        for name, share in shares.items()
    }
    found = latency(counts)
    assert found.verdict is Verdict.PASS
    assert [part.name for part in found.parts][:2] == ["p50_live", "p50_pairs"]
    assert found.parts[1].limit == pytest.approx(0.05)
    assert found.parts[5].limit == pytest.approx(0.005)
    assert latency(counts, keys={}, deff={"p50": 2.0}).verdict is Verdict.PASS


def test_slow_pairs_open_nothing_but_only_the_blocks_fail():
    # The copies go to a legacy that is idle: quicker than under the load it was measured at.
    shares = {name: 1 - tau for name, tau in TAUS.items()}
    counts = {
        name: full(share, frozen=(400_000, int(400_000 * share))) for name, share in shares.items()
    }
    slower = {**counts, "p99": replace(counts["p99"], pairs=pairs(plus=900, zero=9000, minus=100))}
    found = latency(slower)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.parts[5].fail_log_e is None
    slow = full(0.05, frozen=(400_000, 4000))
    assert latency({**counts, "p99": slow}).verdict is Verdict.FAIL


def test_slow_requests_that_lack_pairs_are_named():
    found = latency(dict.fromkeys(TAUS, full(reverse=pairs(zero=50))))
    assert "reverse pairs without attempts slower than p50, attempts slower" in found.needed_text


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (FullCounts(n_b=[1], k_b=[2]), "more bad requests"),
        (FullCounts(frozen_n=-1), "-1 requests of legacy"),
        (FullCounts(frozen_n=3, frozen_k=4), "more bad requests than requests"),
        (FullCounts(frozen_n=3, frozen_k=-4), "-4 bad requests of legacy"),
        (FullCounts(frozen_n=10**13), "10000000000000 requests of legacy"),
        (FullCounts(pairs=pairs(plus=-1)), "negative"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(counts, why):
    for found in (errors(counts), latency(dict.fromkeys(TAUS, counts))):
        assert found.verdict is Verdict.ERROR
        assert why in found.sentence


def test_other_input_that_cannot_be_is_an_error():
    assert errors(full(), elapsed_s=math.inf).verdict is Verdict.ERROR
    assert errors(full(), deff=0.0).verdict is Verdict.ERROR
    assert errors(full(), keys=-1).verdict is Verdict.ERROR
    assert "above p50" in latency({}).sentence


@pytest.mark.parametrize("taus", [{}, {**TAUS, "p50": 1.0}])
def test_a_threshold_without_its_share_is_refused(taus):
    with pytest.raises(ValueError, match="taus"):
        latency({}, taus=taus)
