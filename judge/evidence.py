"""The frozen facts behind a verdict, as they are shown, stored beside a decision and hashed."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from judge.verdict import Verdict

Assumption = Literal["independent", "blocks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One gate's evidence at one moment: plain numbers, all of them finite.

    `value`, `lower`, `upper`, `limit` are in the gate's own unit (rates as shares of one). The
    logs are natural: PASS asks `log_e >= log_needed`, FAIL asks `fail_log_e >= fail_log_needed`.
    `eta_s` is a forecast at the present rate, `eta_best_s` without a further bad event; None is
    "not at the current rate". `needed` holds what a PASS still lacks as (what, how much), sorted
    by name so that it survives JSON, and `needed_text` the same in words. Building one with NaN or
    infinity raises ValueError.
    """

    rule: str
    rule_version: str
    verdict: Verdict
    limit: float
    alpha: float
    assumption: Assumption
    sentence: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    k: int = 0
    log_e: float | None = None
    log_needed: float | None = None
    fail_log_e: float | None = None
    fail_log_needed: float | None = None
    progress: float = 0.0
    eta_s: float | None = None
    eta_best_s: float | None = None
    window_s: float = 0.0
    window_needed_s: float = 0.0
    needed: tuple[tuple[str, float], ...] = ()
    needed_text: str = ""
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = [getattr(self, field.name) for field in dataclasses.fields(self)]
        numbers += [amount for _, amount in self.needed]
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            raise ValueError(f"evidence of {self.rule} holds a number that is not finite")

    def to_dict(self) -> dict[str, Any]:
        """Return a document for JSON; `from_dict` gives the same evidence back."""
        document = dataclasses.asdict(self)
        document["verdict"] = self.verdict.value
        document["needed"] = dict(self.needed)
        document["reasons"] = list(self.reasons)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Evidence":
        """Return the evidence of a document; KeyError, ValueError or TypeError when it is none."""
        fields = dict(document)
        fields["verdict"] = Verdict(document["verdict"])
        fields["needed"] = tuple(sorted(document["needed"].items()))
        fields["reasons"] = tuple(document["reasons"])
        return cls(**fields)
