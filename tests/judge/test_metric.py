"""A metric opens a gate only when its last readings were shown to be good; 200 bad ones do not."""

import itertools
import json
import math

import pytest

from judge.evidence import Evidence
from judge.metric import MetricPolicy, Reading, Sample, judge_metric, read_readings
from judge.recompute import inputs_of, plain, recompute
from judge.verdict import Verdict
from rollout.promql import read_answer

NOW = 1_800_000_000.0
POLICY = MetricPolicy("max", 10.0, readings=3, max_age_s=60)


def answer(value="5", at=NOW, **series):
    return {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [{"metric": {"service": "a"}, "value": [at, value], **series}],
        },
    }


def data(kind, result):
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def sample(document, **options):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_answer(body, **options)


GOOD = sample(answer())


def judge(*newest_first, policy=POLICY, now=NOW, step=10):
    readings = [
        s if isinstance(s, Reading) else Reading(now - i * step, s)
        for i, s in enumerate(newest_first)
    ]
    return judge_metric(name="p99", query="q", readings=readings, policy=policy, now=now)


ERRORS = {
    "html": b"<html>All is well</html>",
    "empty-body": b"",
    "cut": b'{"status":"success","data":{"resultType":"vec',
    "not-utf8": b'{"status":"\xff"}',
    "null": None,
    "list": [],
    "number": 5,
    "text": "success",
    "no-status": {"data": {}},
    "status-error": {"status": "error", "errorType": "bad_data", "error": "parse error\nat 1"},
    "error-with-data": {**answer(), "status": "error"},
    "no-data": {"status": "success"},
    "data-list": {"status": "success", "data": []},
    "no-type": {"status": "success", "data": {"result": []}},
    "matrix": data("matrix", [{"metric": {}, "values": [[NOW, "1"]]}]),
    "string": data("string", [NOW, "1"]),
    "streams": data("streams", []),
    "vector-null": data("vector", None),
    "vector-object": data("vector", {}),
    "two-series": data("vector", [{"metric": {}, "value": [NOW, "1"]}] * 2),
    "thousand-series": data("vector", [{"metric": {}, "value": [NOW, "1"]}] * 1000),
    "series-null": data("vector", [None]),
    "series-without-value": data("vector", [{"metric": {}}]),
    "series-without-labels": data("vector", [{"value": [NOW, "1"]}]),
    "labels-list": data("vector", [{"metric": [], "value": [NOW, "1"]}]),
    "histogram": data("vector", [{"metric": {}, "histogram": [NOW, {"count": "1"}]}]),
    "value-null": data("vector", [{"metric": {}, "value": None}]),
    "value-alone": data("vector", [{"metric": {}, "value": ["1"]}]),
    "value-of-three": data("vector", [{"metric": {}, "value": [NOW, "1", "1"]}]),
    "scalar-nan": data("scalar", [NOW, "NaN"]),
    "scalar-alone": data("scalar", "1"),
    "duplicate-key": b'{"status":"error","status":"success","data":{}}',
    "deep": b"[" * 5000,
    "nan-literal": b'{"status":"success","data":{"resultType":"scalar","result":[NaN,"1"]}}',
    **{
        f"value-{text!r}": answer(text)
        for text in (
            *("NaN", "nan", "+Inf", "-Inf", "Inf", "inf", "Infinity", "", " ", "five", "0x5"),
            *("5 ", " 5", "5,0", "1_0", "٥", "1e400", "-1e400", "1e308", "1e16", "-5", "-0.1"),
            *("1e", "e5", ".5", "5.5.5", "--5", "1" * 60, "null", "true", "1e99999"),
        )
    },
    **{f"raw-{raw!r}": answer(raw) for raw in (5, 5.0, 0, None, True, False, [], {}, ["5"])},
}
UNKNOWN = {
    "empty": data("vector", []),
    "old": answer(at=NOW - 3600),
    "a-minute-old": answer(at=NOW - 200),
    "future": answer(at=NOW + 3600),
    "milliseconds": answer(at=NOW * 1000),
    "zero-time": answer(at=0),
    "negative-time": answer(at=-NOW),
    "no-time": answer(at=None),
    "text-time": answer(at=str(NOW)),
    "true-time": answer(at=True),
    "list-time": answer(at=[]),
    "warnings": {**answer(), "warnings": ["a store did not answer"]},
    "partial": {**answer(), "isPartial": True},
}
BAD = {**ERRORS, **UNKNOWN}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_never_pass_and_the_reason_names_the_metric(name):
    """Rows 49 and 50, G3: as the newest, an older or the only reading, as value or baseline."""
    bad = sample(BAD[name])
    ratio = MetricPolicy("max_ratio", 10.0, readings=1, max_age_s=60)
    thin = MetricPolicy("max", 10.0, readings=1, max_age_s=60, min_count=1)
    found = [
        judge(bad, GOOD, GOOD),
        judge(bad, bad, bad),
        judge(bad),
        judge(GOOD, bad, GOOD),
        judge(Reading(NOW, GOOD, legacy=bad), policy=ratio),
        judge(Reading(NOW, bad, legacy=GOOD), policy=ratio),
        judge(Reading(NOW, GOOD, count=bad), policy=thin),
    ]
    assert Verdict.PASS not in {each.verdict for each in found}
    assert all(each.sentence.startswith("p99") for each in found)
    assert found[0].verdict is (Verdict.ERROR if name in ERRORS else Verdict.INCONCLUSIVE)


def test_the_corpus_holds_at_least_two_hundred_cases():
    assert len(BAD) * 7 > 200


def test_no_sample_that_says_nothing_is_pass_by_any_comparison():
    cases = itertools.product(
        (None, math.nan, math.inf, -math.inf, -1.0, 1e308, 2e15),
        (NOW, None, math.nan, NOW - 61, NOW + 61),
        ("max", "min", "max_ratio", "max_difference"),
        (0.0, 1e15),
    )
    for value, at, compare, threshold in cases:
        policy = MetricPolicy(compare, threshold, readings=1, max_age_s=60)
        bad = Sample(value, at)
        sides = [Reading(NOW, bad, legacy=GOOD)]
        if compare.startswith("max_"):
            sides.append(Reading(NOW, GOOD, legacy=bad))
        assert all(judge(r, policy=policy).verdict is not Verdict.PASS for r in sides)


def test_the_last_readings_are_all_good_or_all_bad_or_nothing_is_known():
    bad = sample(answer("11"))
    assert judge(GOOD, GOOD, GOOD).verdict is Verdict.PASS
    assert judge(bad, bad, bad).verdict is Verdict.FAIL
    assert judge(GOOD, GOOD, bad).verdict is Verdict.INCONCLUSIVE
    assert judge(bad, GOOD, GOOD, GOOD).verdict is Verdict.INCONCLUSIVE
    assert judge(GOOD, GOOD).verdict is Verdict.INCONCLUSIVE
    assert judge().verdict is Verdict.INCONCLUSIVE
    assert judge(GOOD, GOOD, GOOD, bad).verdict is Verdict.PASS


def test_readings_older_than_asked_or_from_ahead_open_nothing():
    assert judge(GOOD, GOOD, GOOD, step=31).verdict is Verdict.INCONCLUSIVE
    old = [Reading(NOW - 61 - i, GOOD) for i in range(3)]
    assert "was not measured for 60 s" in judge(*old).sentence
    ahead = [Reading(NOW + 61, GOOD), Reading(NOW, GOOD), Reading(NOW - 10, GOOD)]
    assert judge(*ahead).verdict is Verdict.INCONCLUSIVE


def test_legacy_at_the_same_time_is_the_baseline():
    def against(candidate, legacy, compare, threshold):
        reading = Reading(NOW, Sample(candidate, NOW), legacy=Sample(legacy, NOW))
        policy = MetricPolicy(compare, threshold, readings=1, max_age_s=60)
        return judge(reading, policy=policy)

    assert against(12.0, 10.0, "max_ratio", 1.2).verdict is Verdict.PASS
    assert against(12.1, 10.0, "max_ratio", 1.2).verdict is Verdict.FAIL
    assert against(11.0, 10.0, "max_difference", 1.0).verdict is Verdict.PASS
    assert against(11.5, 10.0, "max_difference", 1.0).verdict is Verdict.FAIL
    assert against(0.0, 0.0, "max_ratio", 1.2).verdict is Verdict.PASS
    found = against(12.1, 10.0, "max_ratio", 1.2)
    assert (found.value, found.limit, found.parts[0].value_legacy) == (12.1, 12.0, 10.0)
    assert found.reasons == ("q",)
    assert "legacy has 10" in found.sentence


def test_at_least_is_a_comparison_too_and_negatives_pass_only_where_they_can_be():
    least = MetricPolicy("min", 5.0, readings=1, max_age_s=60)
    assert judge(GOOD, policy=least).verdict is Verdict.PASS
    assert judge(sample(answer("4.9")), policy=least).verdict is Verdict.FAIL
    below = MetricPolicy("max", 0.0, readings=1, max_age_s=60, may_be_negative=True)
    assert judge(sample(answer("-3")), policy=below).verdict is Verdict.PASS


def test_too_few_observations_are_thin():
    policy = MetricPolicy("max", 10.0, readings=1, max_age_s=60, min_count=100)
    for count, verdict in (("99", Verdict.INCONCLUSIVE), ("100", Verdict.PASS)):
        found = judge(Reading(NOW, GOOD, count=sample(answer(count))), policy=policy)
        assert found.verdict is verdict
    assert judge(GOOD, policy=policy).verdict is Verdict.INCONCLUSIVE


def test_another_services_series_is_a_wrong_target():
    assert not sample(answer(), expect=("service", "a")).error
    wrong = sample(answer(), expect=("service", "b"))
    assert wrong.error == "wrong_target"
    assert judge(wrong).verdict is Verdict.ERROR
    assert sample(answer(), expect=("job", "b")).error == "wrong_target"


@pytest.mark.parametrize("newest", [GOOD, sample(answer("NaN")), Sample(math.inf, NOW)])
def test_a_stored_verdict_is_computed_again_from_its_inputs(newest):
    readings = [Reading(NOW - i, s) for i, s in enumerate((newest, GOOD, GOOD))]
    arguments = {"name": "n", "query": "q", "readings": readings, "policy": POLICY, "now": NOW}
    document = json.loads(json.dumps(inputs_of("metric", "1", **arguments)))
    found = judge_metric(**arguments)
    assert recompute(document) == found
    assert Evidence.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert plain(read_readings(plain(readings))) == plain(readings)


@pytest.mark.parametrize("changes", [{"threshold": math.nan}, {"readings": 0}, {"max_age_s": 0}])
def test_a_policy_that_decides_nothing_is_refused(changes):
    values = {"compare": "max", "threshold": 1.0, "readings": 1, "max_age_s": 60, **changes}
    with pytest.raises(ValueError, match="policy"):
        judge(GOOD, policy=MetricPolicy(**values))
