"""How verdicts and places read on the pages: one word and one glyph each, in one spot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates import GATES, GateResult
from rollout.lifecycle import Phase, Place, gated_place, next_place
from rollout.pages.charts import Mark
from rollout.pages.words import plural
from rollout.policy import Policy
from rollout.readings import NavRow

NOT_MEASURED = "Not measured yet."
SILENT = "No pair was compared"
GATE_ORDER = tuple(gate.key for gate in GATES)

MARKS: Mapping[str, Mark] = {"err": "fail", "go": "col", "hold": "none", "cur": "col"}


@dataclass(frozen=True, slots=True)
class Said:
    """A status of the glyph set and the word beside it."""

    status: str
    word: str


PASS = Said("pass", "Pass")
FAIL = Said("fail", "Fail")
ERROR = Said("err", "Error")
COLLECTING = Said("col", "Collecting")
INCONCLUSIVE = Said("inc", "Inconclusive")
NOT_STARTED = Said("none", "Not measured yet")
NO_DATA = Said("stale", "No data")


def said_of(evidence: Evidence | None) -> Said:
    """Turn evidence into its word: what still grows is collecting, else it is inconclusive."""
    if evidence is None or evidence.sentence == NOT_MEASURED:
        return NOT_STARTED
    if evidence.verdict is not Verdict.INCONCLUSIVE:
        return {Verdict.PASS: PASS, Verdict.FAIL: FAIL}.get(evidence.verdict, ERROR)
    if evidence.sentence.startswith(SILENT):
        return NO_DATA
    growing = evidence.eta_s is not None or evidence.progress == 0
    return COLLECTING if growing else INCONCLUSIVE


def mark(status: str) -> Mark:
    """Return the gate strip's mark for a status."""
    found = MARKS.get(status, status)
    return found if found in _MARKS else "none"  # type: ignore[return-value]  # checked here


_MARKS = frozenset({"pass", "fail", "inc", "col", "stale", "over", "none"})


def where(phase: str, weight: int) -> str:
    """Say in one word where a migration stands, for lists."""
    words = {
        Phase.DRAFT: "draft",
        Phase.DUAL_RUN: "shadow",
        Phase.DECOMMISSIONED: "done",
        Phase.ABANDONED: "given up",
    }
    return words.get(Phase(phase), f"{weight}%")


def place_words(place: Place) -> str:
    """Name a place as a heading does."""
    if place.phase is Phase.CANARY:
        return f"Canary {place.weight}%"
    return {
        Phase.DRAFT: "Draft",
        Phase.DUAL_RUN: "Dual-run",
        Phase.FULL: "Full migration",
        Phase.DECOMMISSIONED: "Decommissioned",
        Phase.ABANDONED: "Abandoned",
    }[place.phase]


def target_words(place: Place) -> str:
    """Name where promote leads: "25%", "full migration", "dual-run"."""
    if place.phase is Phase.CANARY:
        return f"{place.weight}%"
    return {Phase.DUAL_RUN: "dual-run", Phase.FULL: "full migration"}.get(
        place.phase, place.phase.value
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """A migration in one line: its worst status, the pill's words, and each gate's status."""

    status: str
    pill: str
    gates: tuple[tuple[str, Said], ...]
    failed: int
    no_data: int
    passing: int
    required: int
    place: Place
    following: Place | None

    @property
    def waiting(self) -> int:
        """How many required gates do not pass."""
        return self.required - self.passing


def standing_of_row(row: NavRow, *, now: datetime) -> Standing:
    """Work the standing out from stored verdicts; old ones are no data."""
    policy = Policy.from_dict(row.policy)
    old = row.measured_at is None or (now - row.measured_at).total_seconds() > policy.stale_after_s
    place = Place(Phase(row.phase), row.step, row.weight)
    required = policy.required(gated_place(place, policy.weights))
    gates = []
    for key in (*GATE_ORDER, *(rule.gate for rule in policy.metrics)):
        if key not in required:
            continue
        found = said_of(row.evidence.get(key))
        silent = old and Phase(row.phase) not in ENDED and row.shadow_since is not None
        gates.append((key, NO_DATA if silent else found))
    return _standing(place, policy, gates, held=row.held, in_effect=row.in_effect)


def standing_of_gates(
    place: Place, policy: Policy, results: Sequence[GateResult], *, held: bool, in_effect: bool
) -> Standing:
    """Work the standing out from gates evaluated now."""
    gates = [(r.key, said_of(r.evidence)) for r in results if r.required]
    return _standing(place, policy, gates, held=held, in_effect=in_effect)


ENDED = frozenset({Phase.DECOMMISSIONED, Phase.ABANDONED, Phase.DRAFT})


def _standing(
    place: Place,
    policy: Policy,
    gates: Sequence[tuple[str, Said]],
    *,
    held: bool,
    in_effect: bool,
) -> Standing:
    statuses = [s.status for _, s in gates]
    failed = statuses.count("fail") + statuses.count("err")
    following = next_place(place, policy.weights)
    status, pill = _pill(place, statuses, held=held, in_effect=in_effect, following=following)
    return Standing(
        status=status,
        pill=pill,
        gates=tuple(gates),
        failed=failed,
        no_data=statuses.count("stale"),
        passing=statuses.count("pass"),
        required=len(gates),
        place=place,
        following=following,
    )


def _pill(
    place: Place,
    statuses: Sequence[str],
    *,
    held: bool,
    in_effect: bool,
    following: Place | None,
) -> tuple[str, str]:
    name = place_words(place)
    if place.phase in ENDED:
        return ("none" if place.phase is Phase.DRAFT else "pass"), name
    failed = statuses.count("fail") + statuses.count("err")
    if failed:
        return "fail", f"{name}, {plural(failed, 'gate')} failed"
    if held:
        return "hold", f"Held at {place.weight}%"
    if "stale" in statuses:
        return "stale", f"{name}, no data"
    if not in_effect and place.phase is not Phase.DUAL_RUN:
        return "col", f"Moving to {place.weight}%"
    return _advance(name, statuses, following)


def _advance(name: str, statuses: Sequence[str], following: Place | None) -> tuple[str, str]:
    if following is None:
        return "pass", name
    waiting = len(statuses) - statuses.count("pass")
    if waiting:
        status = "inc" if "inc" in statuses else "col"
        return status, f"{name}, waiting on {plural(waiting, 'gate')}"
    return "go", f"{name}, ready for {target_words(following)}"


def strip_words(standing: Standing) -> str:
    """Count what passes, then name what does not."""
    parts = [f"{standing.passing} of {standing.required}"]
    statuses = [s.status for _, s in standing.gates]
    for status, word in (
        ("fail", "failed"),
        ("err", "in error"),
        ("inc", "inconclusive"),
        ("stale", "no data"),
        ("col", "collecting"),
        ("none", "not measured"),
    ):
        if n := statuses.count(status):
            parts.append(f"{n} {word}")
    return ", ".join(parts) + (" pass" if len(parts) == 1 else "")


def forecast_s(evidence: Evidence) -> float | None:
    """Return the seconds still needed, None when never at this rate.

    While nothing differed, the forecast without a further mismatch: the other one starts from half
    a mismatch, and promises half an hour where a minute will do.
    """
    return evidence.eta_s if evidence.k else evidence.eta_best_s or evidence.eta_s
