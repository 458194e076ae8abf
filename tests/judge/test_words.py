import pytest

from judge import words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.00052, "0.052 %"),
        (0.001, "0.1 %"),
        (0.07, "7 %"),
        (0.5, "50 %"),
        (0.9999, "100 %"),
        (1, "100 %"),
        (0.0000123456, "0.00123 %"),
    ],
)
def test_shares_read_as_percentages(share, text):
    assert words.percent(share) == text


def test_a_bound_above_the_limit_never_reads_like_the_limit():
    assert words.percent(0.0010001, "up") == "0.101 %"
    assert words.percent(0.00099999, "down") == "0.0999 %"


@pytest.mark.parametrize("rounding", ["up", "down"])
@pytest.mark.parametrize("share", [0.001, 0.07, 0.29, 0.99, 0.05])
def test_a_round_share_stays_as_it_is(share, rounding):
    assert words.percent(share, rounding) == words.percent(share)


def test_thousands_stand_apart():
    assert words.count(61240) == "61 240"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (119.2, "120 s"), (900, "15 min"), (7200, "2 h"), (172800, "48 h")],
)
def test_durations_are_round(seconds, text):
    assert words.duration(seconds) == text


def test_a_window_is_never_rounded_in_its_favour():
    assert words.window(41.99 * 3600, 48 * 3600) == "41 of 48 h"
    assert words.window(99 * 3600, 48 * 3600) == "48 of 48 h"
    assert words.window(59.9, 60) == "59 of 60 s"
    assert words.window(90, 600) == "1 of 10 min"


@pytest.mark.parametrize(
    ("difference", "rounding", "text"),
    [
        (0, "nearest", "0 points"),
        (0.0005, "nearest", "+0.05 points"),
        (-0.012, "nearest", "-1.2 points"),
        (0.00123456, "up", "+0.124 points"),
        (-0.00123456, "up", "-0.123 points"),
        (-0.00123456, "down", "-0.124 points"),
    ],
)
def test_differences_of_shares_have_their_sign(difference, rounding, text):
    assert words.points(difference, rounding) == text


def test_ratios_and_levels_read_plainly():
    assert words.times(1.5) == "1.5 times"
    assert words.times(1.23456, "up") == "1.24 times"
    assert words.confidence(0.0025) == "99.8 % confidence"


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 us"),
        (85, "85 us"),
        (999, "999 us"),
        (11_700, "11.7 ms"),
        (2_100_000, "2.1 s"),
        (602_626_220, "603 s"),
        (1_500_000_000, "1500 s"),
    ],
)
def test_latencies_are_in_the_unit_that_people_use(us, text):
    assert words.microseconds(us) == text
