"""The frozen facts behind a verdict, as they are shown, stored beside a decision and hashed."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from judge.verdict import Verdict

Assumption = Literal["independent", "blocks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the evidence says about one percentile, threshold or test of the gate.

    `value_legacy` and `value_candidate` are in the part's own unit: shares of one, microseconds.
    `lower` and `upper` enclose what the part compares with `limit`: a ratio or a difference. A part
    that is not `required` is shown, and may FAIL, but PASS does not wait for it.
    """

    name: str
    verdict: Verdict
    sentence: str
    value_legacy: float | None = None
    value_candidate: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    log_e: float | None = None
    log_needed: float | None = None
    fail_log_e: float | None = None
    fail_log_needed: float | None = None
    required: bool = True

    def __post_init__(self) -> None:
        _check_finite(f"part {self.name}", _numbers(self))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Part":
        """Return the part of a document; KeyError, ValueError or TypeError when it is none."""
        return cls(**{**document, "verdict": Verdict(document["verdict"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One gate's evidence at one moment: plain numbers, all of them finite.

    `value`, `lower`, `upper`, `limit` are in the gate's own unit (rates as shares of one). The
    logs are natural: PASS asks `log_e >= log_needed`, FAIL asks `fail_log_e >= fail_log_needed`.
    `eta_s` is a forecast at the present rate, `eta_best_s` without a further bad event; None is
    "not at the current rate". `needed` holds what a PASS still lacks as (what, how much), sorted
    by name so that it survives JSON, and `needed_text` the same in words. `parts` are the
    percentiles, thresholds or tests it consists of. Building one with NaN or infinity raises
    ValueError.
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
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        numbers = [*_numbers(self), *(amount for _, amount in self.needed)]
        _check_finite(f"evidence of {self.rule}", numbers)

    def to_dict(self) -> dict[str, Any]:
        """Return a document for JSON; `from_dict` gives the same evidence back."""
        document = dataclasses.asdict(self)
        document["verdict"] = self.verdict.value
        document["needed"] = dict(self.needed)
        document["reasons"] = list(self.reasons)
        for part in document["parts"]:
            part["verdict"] = part["verdict"].value
        document["parts"] = list(document["parts"])
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Evidence":
        """Return the evidence of a document; KeyError, ValueError or TypeError when it is none."""
        fields = dict(document)
        fields["verdict"] = Verdict(document["verdict"])
        fields["needed"] = tuple(sorted(document["needed"].items()))
        fields["reasons"] = tuple(document["reasons"])
        # Documents from before there were parts have none.
        fields["parts"] = tuple(map(Part.from_dict, document.get("parts", ())))
        return cls(**fields)


def _numbers(record: Part | Evidence) -> list[Any]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


def _check_finite(name: str, values: Iterable[Any]) -> None:
    if any(isinstance(x, float) and not math.isfinite(x) for x in values):
        raise ValueError(f"{name} holds a number that is not finite")
