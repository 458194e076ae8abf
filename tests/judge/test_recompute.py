"""The same evidence gives the same verdict for ever."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.arms import ArmBlocks
from judge.discrepancy import DiscrepancyPolicy
from judge.errors_live import ErrorsLivePolicy
from judge.errors_paired import ErrorsPairedPolicy
from judge.full import FullCounts
from judge.latency import Latencies, LatencyPolicy
from judge.latency_live import LatencyLivePolicy
from judge.metric import MetricPolicy, Reading, Sample
from judge.pairs import PairCounts
from judge.recompute import (
    RULES,
    BadDocumentError,
    UnknownRuleError,
    inputs_of,
    plain,
    recompute,
    rules,
)
from judge.split_gate import SplitCounts, SplitPolicy

# What is counted, also what no counter should say.
count = st.one_of(st.integers(0, 3000), st.sampled_from([-1, 10**13, 1.5, math.nan, None, True]))
good = st.integers(0, 3000)
seconds = st.one_of(st.floats(0, 1e6), st.sampled_from([-1.0, math.nan, math.inf]))
deffs = st.one_of(st.floats(1, 5), st.sampled_from([0.5, math.nan]))
strata = st.integers(1, 6)
keys = st.one_of(st.none(), st.integers(-1, 9))
planned = st.integers(0, 500)


def column(size):
    """Return an array or a list of counts: mostly good ones, of the same size."""
    plain_counts = st.lists(good, min_size=size, max_size=size)
    return st.one_of(
        plain_counts,
        plain_counts.map(lambda values: np.array(values, dtype=np.int64)),
        st.lists(count, min_size=size, max_size=size),
    )


def columns(*names, record):
    return st.integers(0, 5).flatmap(
        lambda size: st.builds(record, **{name: column(size) for name in names})
    )


@st.composite
def arm_blocks(draw):
    size = draw(st.integers(0, 6))
    n_c, n_l = (draw(st.lists(good, min_size=size, max_size=size)) for _ in range(2))
    k_c, k_l = ([draw(st.integers(0, n)) for n in column] for column in (n_c, n_l))
    return ArmBlocks(n_c=np.array(n_c, dtype=int), k_c=k_c, n_l=n_l, k_l=k_l)


pair_counts = columns("n_plus", "n_zero", "n_minus", record=PairCounts)
any_arms = st.one_of(arm_blocks(), columns("n_c", "k_c", "n_l", "k_l", record=ArmBlocks))
full_counts = st.builds(
    FullCounts,
    n_b=st.just([20, 30]),
    k_b=st.sampled_from([[0, 0], [5, 9], [21, 0]]),
    frozen_n=st.integers(0, 5000),
    frozen_k=st.integers(0, 50),
    pairs=pair_counts,
)
histograms = st.dictionaries(st.integers(0, 1700), st.integers(-1, 4000), max_size=4)
sides = st.builds(
    Latencies, even=histograms, odd=histograms, rejected=st.integers(0, 3), warming=good
)
thresholds = ("p50", "p95", "p99")

samples = st.builds(
    Sample,
    st.one_of(st.none(), st.floats(), st.integers(0, 20)),
    st.one_of(st.none(), st.floats(900, 1100), st.just(math.nan)),
    st.sampled_from(["", "", "", "empty", "timeout"]),
)
readings = st.lists(
    st.builds(
        Reading,
        at=st.floats(900, 1100),
        candidate=samples,
        legacy=st.one_of(st.none(), samples),
        count=st.one_of(st.none(), samples),
    ),
    max_size=4,
)
metric_policies = st.builds(
    MetricPolicy,
    compare=st.sampled_from(["max", "min", "max_ratio", "max_difference"]),
    threshold=st.floats(0, 20),
    readings=st.integers(1, 3),
    max_age_s=st.just(60),
    min_count=st.sampled_from([0, 5]),
)
CALLS = {
    "metric": st.fixed_dictionaries(
        {
            "name": st.just("metric p99"),
            "query": st.just("candidate: q"),
            "readings": readings,
            "policy": metric_policies,
            "now": st.just(1000.0),
        }
    ),
    "discrepancy": st.fixed_dictionaries(
        {
            "n_b": column(3),
            "k_b": st.one_of(st.just([0, 0, 0]), column(3)),
            "elapsed_s": seconds,
            "policy": st.sampled_from([DiscrepancyPolicy(), DiscrepancyPolicy(use_blocks=False)]),
            "strata_count": strata,
            "stratum": st.booleans(),
        }
    ),
    "latency": st.fixed_dictionaries(
        {
            "legacy": sides,
            "candidate": sides,
            "required": st.sampled_from([(0.5,), (0.5, 0.99)]),
            "elapsed_s": seconds,
            "policy": st.sampled_from([LatencyPolicy(), LatencyPolicy(margin=-2, min_samples=1)]),
            "deff": st.one_of(st.none(), st.fixed_dictionaries({0.99: deffs})),
            "strata_count": strata,
        }
    ),
    "errors_paired": st.fixed_dictionaries(
        {
            "pairs": pair_counts,
            "elapsed_s": seconds,
            "policy": st.just(ErrorsPairedPolicy()),
            "deff": deffs,
            "strata_count": strata,
        }
    ),
    "errors_live": st.fixed_dictionaries(
        {
            "arms": any_arms,
            "error_keys": keys,
            "elapsed_s": seconds,
            "planned_blocks": planned,
            "policy": st.sampled_from([ErrorsLivePolicy(), ErrorsLivePolicy(min_requests=0)]),
            "deff": deffs,
            "strata_count": strata,
        }
    ),
    "latency_live": st.fixed_dictionaries(
        {
            "slow": st.fixed_dictionaries(dict.fromkeys(thresholds, any_arms)),
            "slow_keys": st.one_of(st.none(), st.fixed_dictionaries({"p50": st.integers(0, 5)})),
            "elapsed_s": seconds,
            "planned_blocks": planned,
            "policy": st.just(LatencyLivePolicy()),
            "deff": st.one_of(st.none(), st.fixed_dictionaries({"p95": deffs})),
            "strata_count": strata,
        }
    ),
    "errors_full": st.fixed_dictionaries(
        {
            "counts": full_counts,
            "error_keys": keys,
            "elapsed_s": seconds,
            "policy": st.just(ErrorsLivePolicy()),
            "deff": deffs,
            "strata_count": strata,
        }
    ),
    "latency_full": st.fixed_dictionaries(
        {
            "slow": st.fixed_dictionaries(dict.fromkeys(thresholds, full_counts)),
            "taus": st.just({"p50": 0.5, "p95": 0.95, "p99": 0.99}),
            "slow_keys": st.none(),
            "elapsed_s": seconds,
            "policy": st.just(LatencyLivePolicy()),
            "deff": st.one_of(st.none(), st.fixed_dictionaries({"p95": deffs})),
            "strata_count": strata,
        }
    ),
    "split": st.fixed_dictionaries(
        {
            "counts": st.builds(
                SplitCounts,
                candidate_keys=st.integers(-1, 300),
                legacy_keys=st.integers(0, 3000),
                weight=st.sampled_from([0.0, 0.05, 1.0, math.nan]),
                flips=st.integers(0, 2),
                flips_for_s=seconds,
                request_share=st.one_of(st.none(), st.floats(0, 1)),
                exposed_for_s=seconds,
                effective_keys=st.one_of(st.none(), st.floats(1, 900)),
            ),
            "elapsed_s": seconds,
            "policy": st.just(SplitPolicy()),
        }
    ),
}


def test_every_rule_is_called_here():
    assert {name for name, _ in rules()} == set(CALLS)


@pytest.mark.parametrize("rule", sorted(CALLS))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_stored_document_gives_the_evidence_of_the_call(rule, data):
    arguments = data.draw(CALLS[rule])
    evidence = RULES[rule, "1"].judge(**arguments)
    assert (evidence.rule, evidence.rule_version) == (rule, "1")
    stored = json.dumps(inputs_of(rule, "1", **arguments), sort_keys=True, allow_nan=False)
    assert recompute(json.loads(stored)) == evidence


def test_a_key_of_numpy_is_stored_as_the_number_it_is():
    assert plain({np.float64(0.5): np.int64(3)}) == {"0.5": 3}


def test_counts_of_fractions_that_are_not_finite_come_back_as_such():
    arguments = {
        "n_b": [math.nan, 3.0, -math.inf],
        "k_b": [0, 0, 0],
        "elapsed_s": math.inf,
        "policy": DiscrepancyPolicy(),
    }
    document = inputs_of("discrepancy", "1", **arguments)
    assert document["inputs"]["n_b"] == ["nan", 3.0, "-inf"]
    assert recompute(document).reasons == ("a window of inf s",)


@pytest.mark.parametrize(("rule", "version"), [("discrepancy", "2"), ("nothing", "1"), (None, 1)])
def test_a_rule_that_there_is_not_is_refused(rule, version):
    with pytest.raises(UnknownRuleError):
        recompute({"rule": rule, "version": version, "inputs": {}})
    with pytest.raises(UnknownRuleError):
        inputs_of(rule, version)


def document(rule, **changes):
    arguments = {
        "errors_paired": {
            "pairs": PairCounts(),
            "elapsed_s": 1.0,
            "policy": ErrorsPairedPolicy(),
        },
        "latency": {
            "legacy": Latencies(),
            "candidate": Latencies(),
            "required": (0.5,),
            "elapsed_s": 1.0,
            "policy": LatencyPolicy(),
            "deff": {0.5: 1.0},
        },
    }[rule]
    stored = inputs_of(rule, "1", **arguments)
    stored["inputs"].update(changes)
    return stored


@pytest.mark.parametrize(
    "broken",
    [
        {"rule": "latency", "version": "1"},
        {"rule": "latency", "version": "1", "inputs": [1]},
        document("errors_paired", pairs=[1, 2]),
        document("errors_paired", pairs={"n_plus": [], "n_other": []}),
        document("latency", legacy={"even": [1]}),
        document("latency", legacy={"even": {"x": 1}}),
        document("latency", deff={"x": 1}),
        document("latency", deff=3),
    ],
)
def test_a_document_that_is_none_is_refused(broken):
    with pytest.raises(BadDocumentError):
        recompute(broken)


def test_arguments_that_the_rule_refuses_are_refused_again():
    with pytest.raises(ValueError, match="required"):
        recompute(document("latency", required=[0.42]))
    with pytest.raises(TypeError):
        recompute(document("latency", other=1))
