"""The four verdicts of a gate and their order: whatever is not shown to be good is not PASS."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a gate says now, declared from best to worst."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"


_SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of the verdicts; nothing at all is INCONCLUSIVE, never PASS."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INCONCLUSIVE)
