"""How a load test ends. Pure."""

from dataclasses import dataclass, field
from typing import Any

from judge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, one sentence, and the rule that ended the test, if one did."""

    verdict: Verdict
    sentence: str
    rule: str = ""
    details: dict[str, Any] = field(default_factory=dict)
