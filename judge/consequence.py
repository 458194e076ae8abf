"""What a live step's verdict means for the traffic, and how much alpha another attempt gets."""

from typing import Literal

from judge.verdict import Verdict

OnFail = Literal["hold", "roll_back"]
# "stay": neither up nor down. "step_back": to the weight before.
Consequence = Literal["may_advance", "stay", "hold", "step_back", "roll_back"]
ERROR_LIMIT_S = 120.0


def consequence(
    verdict: Verdict,
    *,
    on_fail: OnFail,
    error_for_s: float = 0.0,
    error_limit_s: float = ERROR_LIMIT_S,
) -> Consequence:
    """Return what follows from the worst verdict of a live step's gates.

    FAIL does what the policy says. Not knowing (ERROR) for longer than the limit steps back, for
    users would otherwise stay exposed unwatched; up to then, and without enough evidence, traffic
    stays where it is.
    """
    match verdict:
        case Verdict.FAIL:
            return on_fail
        case Verdict.ERROR if error_for_s > error_limit_s:
            return "step_back"
        case Verdict.PASS:
            return "may_advance"
        case _:
            return "stay"


def attempt_alpha(alpha: float, attempt: int) -> float:
    """Return the alpha of the attempt-th evaluation (from 1) of the same builds at the same step.

    Halved each time, so that all attempts together stay below twice alpha. A new build is a new
    hypothesis and starts at 1 again. ValueError below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1: {attempt!r}")
    return alpha / 2.0 ** (attempt - 1)
