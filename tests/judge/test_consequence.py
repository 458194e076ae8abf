import pytest

from judge.consequence import attempt_alpha, consequence
from judge.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "error_for_s", "expected"),
    [
        (Verdict.PASS, 0, "may_advance"),
        (Verdict.INCONCLUSIVE, 9999, "stay"),
        (Verdict.ERROR, 120, "stay"),
        (Verdict.ERROR, 121, "step_back"),
        (Verdict.FAIL, 0, "roll_back"),
    ],
)
def test_what_follows_from_a_verdict(verdict, error_for_s, expected):
    assert consequence(verdict, on_fail="roll_back", error_for_s=error_for_s) == expected


def test_the_policy_may_only_hold():
    assert consequence(Verdict.FAIL, on_fail="hold") == "hold"


def test_all_attempts_together_stay_below_twice_the_alpha():
    assert attempt_alpha(0.01, 1) == 0.01
    assert sum(attempt_alpha(0.01, r) for r in range(1, 60)) < 0.02
    with pytest.raises(ValueError, match="from 1"):
        attempt_alpha(0.01, 0)
