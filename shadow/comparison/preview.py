"""What other rules would have decided on kept examples, before they are put in force. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from shadow.comparison.answers import Answer, Outcome
from shadow.comparison.engine import compare
from shadow.comparison.rules import Rules

# An example that the present rules judge otherwise than when it was kept has lost what mattered:
# it was cut, or a redacted value differed.
NOT_REPRODUCED = "not_reproduced"


@dataclass(frozen=True, slots=True)
class Example:
    """A kept pair: `was` says whether it matched or not when it was compared."""

    key: str
    was: str
    legacy: Answer
    candidate: Answer


@dataclass(frozen=True, slots=True)
class Judged:
    """One example under the other rules; `becomes` is an outcome's kind, or NOT_REPRODUCED."""

    key: str
    was: str
    becomes: str
    outcome: Outcome

    @property
    def changed(self) -> bool:
        """Whether the other rules decide otherwise."""
        return self.becomes not in {self.was, NOT_REPRODUCED}


def preview(examples: Iterable[Example], *, present: Rules, proposed: Rules) -> list[Judged]:
    """Judge each example by the proposed rules, if the present ones still judge it as they did."""
    return [_judge(example, present, proposed) for example in examples]


def _judge(example: Example, present: Rules, proposed: Rules) -> Judged:
    now = compare(example.legacy, example.candidate, present)
    if now.kind != example.was:
        return Judged(example.key, example.was, NOT_REPRODUCED, now)
    then = compare(example.legacy, example.candidate, proposed)
    return Judged(example.key, example.was, then.kind, then)
