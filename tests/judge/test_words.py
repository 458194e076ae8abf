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
