"""One fault and what came of it."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.drill.invariants import CHECKERS
from tests.drill.world import World


@dataclass(slots=True)
class Trial:
    """What a fault found by itself, and what the checkers found after it."""

    name: str
    component: str
    problems: dict[str, list[str]] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    figures: dict[str, Any] = field(default_factory=dict)
    # What is not promised by an invariant, and still worth a line.
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def expect(self, invariant: str, holds: object, text: str) -> None:
        """Note what must hold for an invariant, and that it did not."""
        self.checked.add(invariant)
        if not holds:
            self.problems.setdefault(invariant, []).append(text)

    def figure(self, name: str, value: float, *, most: float = float("inf")) -> None:
        """Keep a measured number of seconds; the worst where it is measured more than once."""
        self.figures[name] = round(max(value, self.figures.get(name, value)), 3)
        if most != float("inf"):
            self.expect("I2", value <= most, f"{name}: {value:.2f} s, {most:g} s promised")

    @property
    def ok(self) -> bool:
        return not self.problems

    def line(self) -> str:
        """Say it in one line."""
        checked = ",".join(sorted(self.checked, key=lambda name: int(name[1:])))
        numbers = " ".join(f"{name} {value:g}" for name, value in self.figures.items())
        end = (
            "ok"
            if self.ok
            else "BROKEN "
            + "; ".join(
                f"{name}: {texts[0]}" + (f" (and {len(texts) - 1} more)" if texts[1:] else "")
                for name, texts in self.problems.items()
            )
        )
        notes = "".join(f" (note: {note})" for note in self.notes)
        head = f"{self.name:32} {self.seconds:5.1f} s  {checked:44}"
        return f"{head} {end}  {numbers}{notes}".rstrip()

    def document(self) -> dict[str, Any]:
        """Return it for drill.json."""
        return {
            "fault": self.name,
            "component": self.component,
            "seconds": round(self.seconds, 1),
            "ok": self.ok,
            "checked": sorted(self.checked, key=lambda name: int(name[1:])),
            "problems": {name: texts[:20] for name, texts in self.problems.items()},
            "figures": self.figures,
            "notes": self.notes,
        }


Fault = Callable[[World, Trial], None]


def run(world: World, name: str, component: str, fault: Fault) -> Trial:
    """Break something, let everybody come back, and check all invariants."""
    trial, began, since = Trial(name, component), time.monotonic(), time.time()
    # Its own: a fault that runs alone makes the same choices as among all.
    world.rng.seed(f"{world.seed} {name}")
    try:
        fault(world, trial)
        world.settle()
    except Exception as exc:  # noqa: BLE001 - the fence around one fault; the next one still runs
        trial.problems.setdefault("I0", []).append(f"{type(exc).__name__}: {exc}")
        trial.problems["I0"].append(traceback.format_exc()[-1500:])
    for invariant, checker in CHECKERS.items():
        trial.checked.add(invariant)
        try:
            found = checker(world, since)
        except Exception as exc:  # noqa: BLE001 - what cannot be checked does not hold
            found = [f"not checked: {type(exc).__name__}: {exc}"]
        if found:
            trial.problems.setdefault(invariant, []).extend(found)
    trial.seconds = time.monotonic() - began
    return trial
