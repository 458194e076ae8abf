"""What a whole run found, as drill.json holds it."""

import statistics
import subprocess
from dataclasses import dataclass, field
from typing import Any

from tests.drill.faults.skipped import SKIPPED
from tests.drill.trial import Trial
from tests.walkthrough.stack import ROOT


@dataclass(slots=True)
class Results:
    """All trials, the rows that were left out and why, and how long roll backs took (seconds)."""

    seed: int
    trials: list[Trial] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=lambda: dict(SKIPPED))
    # Checkers that did not see a breach planted for them at the end.
    overlooked: list[str] = field(default_factory=list)
    # Per database: (until accepted, until in effect) of each.
    roll_backs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def document(self, *, seconds: float) -> dict[str, Any]:
        """Return the report; ok means that every invariant held after every fault, rightly."""
        broken = [trial.name for trial in self.trials if not trial.ok]
        return {
            "ok": bool(self.trials) and not broken and not self.overlooked,
            "seed": self.seed,
            "seconds": round(seconds, 1),
            "commit": _commit(),
            "broken": broken,
            "overlooked": self.overlooked,
            "roll_back": {name: _summary(took) for name, took in self.roll_backs.items() if took},
            "faults": [trial.document() for trial in self.trials],
            "skipped": self.skipped,
        }


def _summary(took: list[tuple[float, float]]) -> dict[str, Any]:
    accepted, in_effect = zip(*took, strict=True)
    return {
        "n": len(took),
        "accepted_s": _middle_and_worst(accepted),
        "in_effect_s": _middle_and_worst(in_effect),
    }


def _middle_and_worst(seconds: tuple[float, ...]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 3), "worst": round(max(seconds), 3)}


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()
