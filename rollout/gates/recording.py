"""What a verdict was computed from, kept beside the decision that rests on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from judge.evidence import Evidence
from judge.recompute import inputs_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """One verdict function's call: gate, route ("" is overall), its arguments, what it said."""

    gate: str
    route: str
    document: dict[str, Any]
    evidence: Evidence


class Recorder:
    """Calls verdict functions; keeps their arguments when a decision asks for it."""

    def __init__(self, *, keep: bool) -> None:
        """Keep nothing on a schedule: arguments are long and most verdicts open nothing."""
        self._keep = keep
        self.calls: list[Recorded] = []

    def judge(
        self,
        gate: str,
        route: str,
        rule: tuple[str, str, Callable[..., Evidence]],
        **arguments: Any,
    ) -> Evidence:
        """Return what the rule (name, version, function) says of the arguments."""
        name, version, function = rule
        evidence = function(**arguments)
        if self._keep:
            document = inputs_of(name, version, **arguments)
            self.calls.append(Recorded(gate, route, document, evidence))
        return evidence
