"""Names in a query are escaped for where they stand; a metric's policy is read strictly."""

import copy

import pytest

from rollout.policy import DEMO, GUIDE, MetricRule, Policy, PolicyError
from rollout.policy_reading import changes, loosened
from rollout.promql import PromQLError, render

RULE = {"name": "p99", "provider": "main", "query": "up", "compare": "max", "threshold": 1.0}
HOSTILE = "a\"} or vector(0) # \\ ' \n"


def test_a_value_cannot_end_its_text():
    said = render("x{team=\"{{team}}\",a='{{ route }}'}", {"team": HOSTILE, "route": HOSTILE})
    escaped = "a\\\"} or vector(0) # \\\\ \\' \\U0000000a"
    assert said == f"x{{team=\"{escaped}\",a='{escaped}'}}"


def test_in_a_pattern_a_value_means_itself():
    said = render('x{route=~"{{route}}|b",c!~ "{{team}}"}', {"route": "/v1/.*", "team": "a+"})
    assert said == 'x{route=~"/v1/\\\\.\\\\*|b",c!~ "a\\\\+"}'


@pytest.mark.parametrize(
    "query",
    [
        *("", "  ", "x{", "x}", "sum(x", "x[5m)", 'x{a="b}', "x{a='b}", "x\x00", "x\u202e"),
        *("{{team}}", "x{a={{team}}}", "x{a=`{{team}}`}", 'x{a="{{secret}}"}', 'x{a="{{}}"}'),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(query):
    with pytest.raises(PromQLError):
        render(query, {})
    with pytest.raises(PolicyError) as refused:
        Policy.from_dict({**DEMO.to_dict(), "metrics": [{**RULE, "query": query}]})
    assert refused.value.field == "metrics.0.query"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", {"name": "P99"}),
        ("name", {"name": "a" * 31}),
        ("provider", {"provider": "http://10.0.0.1:9090"}),
        ("compare", {"compare": "equals"}),
        ("threshold", {"threshold": float("nan")}),
        ("threshold", {"threshold": float("inf")}),
        ("threshold", {"threshold": -1.0}),
        ("threshold", {"threshold": "1"}),
        ("threshold", {"threshold": True}),
        ("threshold", {"threshold": 1e16}),
        ("legacy", {"legacy": "up"}),
        ("legacy", {"compare": "max_ratio"}),
        ("legacy", {"compare": "max_difference", "legacy": "("}),
        ("min_count", {"count": "up"}),
        ("min_count", {"min_count": 5}),
        ("expect", {"expect": "service"}),
        ("expect", {"expect": "=a"}),
        ("from_weight", {"from_weight": 0}),
        ("interval_s", {"interval_s": 1}),
        ("readings", {"readings": 0}),
        ("readings", {"readings": 11}),
        ("max_age_s", {"max_age_s": 30}),
        ("max_age_s", {"max_age_s": 90}),
        ("query", {"query": "x" * 2001}),
        ("on", {"on": "x"}),
    ],
)
def test_a_metric_that_decides_nothing_is_refused_by_field(field, wrong):
    with pytest.raises(PolicyError) as refused:
        Policy.from_dict({**DEMO.to_dict(), "metrics": [{**RULE, **wrong}]})
    assert refused.value.field == f"metrics.0.{field}"


def test_two_metrics_of_one_name_or_too_many_are_refused():
    for rules in ([RULE, RULE], [{**RULE, "name": f"m{i}"} for i in range(21)]):
        with pytest.raises(PolicyError) as refused:
            Policy.from_dict({**DEMO.to_dict(), "metrics": rules})
        assert refused.value.field == "metrics"


def test_a_policy_with_metrics_comes_back_as_it_was_and_needs_them_from_their_weight_on():
    rule = MetricRule(**RULE, from_weight=25)
    policy = Policy.from_dict({**GUIDE.to_dict(), "metrics": [{**RULE, "from_weight": 25}]})
    assert policy.metrics == (rule,)
    assert Policy.from_dict(policy.to_dict()) == policy
    without = copy.deepcopy(GUIDE.to_dict())
    del without["metrics"]
    assert Policy.from_dict(without) == GUIDE


def test_a_new_metric_is_stricter_and_one_that_goes_or_changes_is_not():
    old = DEMO.to_dict()
    new = Policy.from_dict({**old, "metrics": [RULE]}).to_dict()
    assert loosened(changes(old, new)) == ()
    assert loosened(changes(new, old))
    other = copy.deepcopy(new)
    other["metrics"][0]["threshold"] = 0.5
    assert loosened(changes(new, other)) == ("metrics.p99.threshold",)
