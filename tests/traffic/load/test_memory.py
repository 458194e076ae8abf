"""Memory that goes on growing under the load is a leak; what comes to rest is not."""

import pytest

from traffic.load.memory import MB, MemorySample, growth


def told(*megabytes: float) -> list[MemorySample]:
    return [MemorySample(at=float(5 * i), resident=int(m * MB)) for i, m in enumerate(megabytes)]


def test_what_goes_on_growing_is_told_with_its_figures():
    how = growth(told(10, 30, 55, 80, 105, 130, 155))
    assert how.startswith("memory grew from 10 to 155 MB within 30 s")


@pytest.mark.parametrize(
    "megabytes",
    [
        (10, 10, 11, 11, 11, 12, 12),  # rests
        (10, 90, 100, 100, 100, 100, 101),  # takes what it needs, then rests
        (400, 420, 440, 460, 480, 500, 520),  # less than half of what it had
        (10, 200, 400),  # too few to say
        (200, 150, 120, 90, 80, 70, 60),
    ],
)
def test_what_comes_to_rest_or_is_too_little_to_say_is_no_leak(megabytes):
    assert growth(told(*megabytes)) == ""
