"""The invariants of RELIABILITY's section 1 as functions: a world and a moment in, problems out.

Each looks at everything since that moment, from outside where that is possible: what users were
answered, what Envoy and the edge's files say, the database's file, the ledger's export. Moments in
which a part was hurt are `World.absences`; only what that part alone does is excused.
"""

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.drill.database import Entry, unix
from tests.drill.eye import UNREADABLE, Look
from tests.drill.history import Operation
from tests.drill.world import World
from tests.walkthrough.stack import ROOT
from tests.walkthrough.users import Seen

# From RELIABILITY: a roll back is in effect, and a request has ended.
ROLL_BACK_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
# A moment for requests that were on their way when the routes changed.
ON_THE_WAY_SECONDS = 1.0
SIGMAS = 5.0
KEYS_FOR_A_SHARE = 400

Problems = list[str]


def i1_moves_only_by_decision(world: World, since: float) -> Problems:
    """Every observed weight belongs to a committed decision, never above a later roll back."""
    exposures, asked = world.database.exposures(), _weights_by_generation(world)
    problems = [
        f"snapshot {g} gives {share / 100:g} %, decided were {_weight_at(asked, g)[0]} %"
        for g, share in exposures.items()
        if share != 100 * _weight_at(asked, g)[0]
    ]
    for look in world.eye.since(since):
        served = look.served_generation
        stands = look.generation if look.applied else 0
        for generation in {stands, served or 0} - {0, UNREADABLE}:
            if generation not in exposures:
                problems.append(f"generation {generation} was seen and is nowhere recorded")
            elif look.at < _weight_at(asked, generation)[1]:
                problems.append(f"generation {generation} was seen before its decision")
    problems += _late_roll_backs(world, since)
    for start, end in _spans_without_candidate(world, since, exposures):
        wrong = [s for s in world.users.since(start, end).seen if s.side == "candidate"]
        if wrong:
            problems.append(f"{len(wrong)} users met the candidate while its weight was 0")
    return problems


def i2_roll_back_works(world: World, since: float) -> Problems:
    """No roll back was refused or lost, whatever else was broken (I10: it is never gated)."""
    return [
        f"{op.tag}: {op.status or 'no answer'} {op.answer.get('code', '')}"
        for op in _whole_calls(world, since)
        if op.verb == "rollback" and op.outcome != "ok" and not _database_away(world, op)
    ]


def i3_only_good_evidence_opens(world: World, since: float) -> Problems:
    """Each promotion rests on PASS of every gate that the policy asked, from fresh evaluations."""
    found = world.database.rows(
        "SELECT d.entry_id, d.at, e.gate, e.verdict, e.at FROM rollout_decision d "
        "LEFT JOIN rollout_decision_evaluations l ON l.decision_id = d.id "
        "LEFT JOIN rollout_gateevaluation e ON e.id = l.gateevaluation_id "
        "WHERE d.action = 'promote'"
    )
    problems = []
    for entry, at, gate, verdict, judged in found:
        if gate is None:
            problems.append(f"promotion {entry} rests on nothing")
        elif verdict != "PASS" or abs(unix(at) - unix(judged)) > DEADLINE_SECONDS:
            problems.append(f"promotion {entry} rests on {gate} {verdict} of {judged}")
    return problems


def i4_one_decision_per_version(world: World, since: float) -> Problems:
    """Exactly one decision for each version that the migration ever had."""
    rows = world.database.rows(
        "SELECT d.from_version, m.version FROM rollout_decision d "
        "JOIN rollout_servicemigration m ON m.id = d.migration_id ORDER BY d.id"
    )
    versions = [made for made, _ in rows]
    if versions != list(range(rows[0][1] if rows else 0)):
        return [f"versions of decisions have gaps or doubles: {versions[-12:]}"]
    return []


def i5_ledger_is_the_truth(world: World, since: float) -> Problems:
    """The ledger verifies, by us and by the script alone; its moves are the rows' moves."""
    online = world.rest.get("/audit/verify/")
    export = world.state_dir / "drill-ledger.jsonl"
    export.write_text(world.rest.text("/audit/export/"))
    script = [sys.executable, str(ROOT / "audit" / "verify_audit.py"), str(export)]
    offline = subprocess.run(script, capture_output=True, text=True, check=False)
    problems = [] if online["verified"] else [f"verification says: {online['text']}"]
    if offline.returncode:
        problems.append(f"the script says: {offline.stdout.strip()[-200:]}")
    entries = {entry.seq: entry for entry in world.database.entries()}
    moves = [entry for entry in entries.values() if entry.is_move]
    for made in world.database.decisions():
        body = entries[made.entry].body
        if (body["from"], body["to"]) != (made.from_place, made.to_place):
            problems.append(f"decision {made.from_version} and entry {made.entry} differ")
    problems += [
        f"entry {late.seq} starts where entry {early.seq} did not end"
        for early, late in pairwise(moves)
        if early.body["to"] != late.body["from"]
    ]
    if moves and moves[-1].body["to"] != world.database.migration():
        problems.append("the last entry does not lead to where the migration stands")
    return problems


def i6_users_keep_their_split(world: World, since: float) -> Problems:
    """Every user is answered rightly, and the share stays as served, whatever of ours is dead."""
    bad = [
        s
        for s in world.users.since(since).seen
        if (s.status != 200 or not s.right) and not _excused(world, s)
    ]
    problems = []
    if bad:
        told = Counter(s.status for s in bad)
        problems.append(f"{len(bad)} users were not answered: {dict(told)}")
    exposures = world.database.exposures()
    for start, end, served in _steady_spans(world.eye.since(since)):
        sides = world.users.since(start + ON_THE_WAY_SECONDS, end).sides()
        share = 0.0 if served.safe_routes else exposures.get(served.served_generation or 0, 0) / 1e4
        if len(sides) < KEYS_FOR_A_SHARE or world.is_away("candidate", start, end):
            continue
        measured = sum(1 for side in sides.values() if side == "candidate") / len(sides)
        if abs(measured - share) > SIGMAS * math.sqrt(share * (1 - share) / len(sides)):
            problems.append(f"{measured:.3f} of the keys on the candidate, {share:g} was served")
    return problems


def i7_in_effect_is_true(world: World, since: float) -> Problems:
    """In effect only when each proxy accepted before, and the keys fell as asked."""
    acknowledged = [
        (int(generation), unix(at))
        for generation, at in world.database.rows(
            "SELECT generation, at FROM traffic_acknowledgement WHERE state = 'accepted'"
        )
    ]
    problems = []
    for entry in _entries(world, "migration:in_effect"):
        body, at = entry.body, unix(entry.body["at"])
        if not any(g >= body["generation"] and moment <= at for g, moment in acknowledged):
            problems.append(f"entry {entry.seq}: in effect before a proxy accepted")
        share, keys = body["place"]["weight"] / 100, body["keys"]
        if abs(float(body["share"]) - share) > SIGMAS * math.sqrt(share * (1 - share) / keys):
            problems.append(f"entry {entry.seq}: in effect with {body['share']} of {share:g}")
    return problems


def i8_nothing_stale_is_written(world: World, since: float) -> Problems:
    """What Banyan writes by itself is about the version that stands at that point of the ledger."""
    version, problems = 0, []
    for entry in world.database.entries():
        if entry.is_move:
            if entry.body["from"]["version"] != version:
                problems.append(f"entry {entry.seq} decides on an old version")
            version = entry.body["to"]["version"]
        elif entry.action == "migration:in_effect" and entry.body["place"]["version"] != version:
            problems.append(f"entry {entry.seq}: in effect for a place that was left")
    return problems


def i9_once_is_once(world: World, since: float) -> Problems:
    """One request is one decision at most; a pair is compared once."""
    tags = Counter(m.reason for m in world.database.decisions() if m.reason.startswith("drill "))
    problems = [f"{tag}: decided {count} times" for tag, count in tags.items() if count > 1]
    wrong = world.database.value(
        "SELECT COUNT(*) FROM shadow_pairblock WHERE mismatched > compared"
    )
    return [*problems, *([f"{wrong} blocks count more than was compared"] if wrong else [])]


def i11_acknowledged_survives(world: World, since: float) -> Problems:
    """What was acknowledged is there, what was refused is not, the rest is whole or absent."""
    made = {each.reason: each for each in world.database.decisions()}
    entries = {entry.seq: entry for entry in world.database.entries()}
    exposures = world.database.exposures()
    problems = []
    for op in world.history.operations:
        there = made.get(op.tag)
        if op.changed and (there is None or there.entry != op.answer["entry"]):
            problems.append(f"{op.tag}: acknowledged and lost")
        elif op.outcome == "fail" and there is not None:
            problems.append(f"{op.tag}: refused with {op.status} and done")
        if there is None:
            continue
        entry = entries.get(there.entry)
        if entry is None or entry.body["reason"] != op.tag:
            problems.append(f"{op.tag}: decided without its entry")
        elif entry.body["generation"] not in exposures:
            problems.append(f"{op.tag}: decided without its snapshot")
    return problems


def i12_never_back_in_time(world: World, since: float) -> Problems:
    """The proxy never went to an older generation, nor to none."""
    problems = []
    looks = world.eye.since(since)
    readable = [look for look in looks if look.applied and look.generation != UNREADABLE]
    for early, late in pairwise(readable):
        if late.generation < early.generation:
            problems.append(f"the edge went from {early.generation} to {late.generation}")
    served = [look.served_generation for look in looks if look.served_generation is not None]
    for before, after in pairwise(served):
        if after < before:
            problems.append(f"Envoy went from {before} to {after}")
    if readable and readable[0].generation and 0 in served:
        problems.append("Envoy served the empty start-up routes")
    return problems


def i13_every_request_ends(world: World, since: float) -> Problems:
    """Every request ends within its deadline, with JSON, and never with a 500."""
    problems = []
    for probe in world.prober.since(since):
        if world.is_away("web", probe.at - 0.5, probe.at + probe.seconds):
            continue
        if probe.error or not probe.is_json or probe.status == 500:
            problems.append(
                f"{probe.path}: {probe.error or probe.status} after {probe.seconds:.1f} s"
            )
        elif probe.seconds > DEADLINE_SECONDS:
            problems.append(f"{probe.path}: {probe.status} took {probe.seconds:.1f} s")
    for op in _whole_calls(world, since):
        if not op.status or not op.is_json or op.status == 500:
            problems.append(f"{op.tag}: {op.status or 'no answer'} after {op.seconds:.1f} s")
        elif op.seconds > DEADLINE_SECONDS:
            problems.append(f"{op.tag}: {op.status} took {op.seconds:.1f} s")
    return problems


CHECKERS: dict[str, Callable[[World, float], Problems]] = {
    "I1": i1_moves_only_by_decision,
    "I2": i2_roll_back_works,
    "I3": i3_only_good_evidence_opens,
    "I4": i4_one_decision_per_version,
    "I5": i5_ledger_is_the_truth,
    "I6": i6_users_keep_their_split,
    "I7": i7_in_effect_is_true,
    "I8": i8_nothing_stale_is_written,
    "I9": i9_once_is_once,
    "I10": i2_roll_back_works,
    "I11": i11_acknowledged_survives,
    "I12": i12_never_back_in_time,
    "I13": i13_every_request_ends,
}


def _excused(world: World, seen: Seen) -> bool:
    """Whether the one proxy, or the service that all fall back to, was hurt at that moment."""
    around = (seen.started - ON_THE_WAY_SECONDS, seen.started + ON_THE_WAY_SECONDS)
    return any(world.is_away(who, *around) for who in ("envoy", "legacy"))


def _entries(world: World, action: str) -> list[Entry]:
    return [entry for entry in world.database.entries() if entry.action == action]


def _weights_by_generation(world: World) -> list[tuple[int, int, float]]:
    """Return (generation, weight, decided at) of every decision that moved users, oldest first."""
    return [
        (entry.body["generation"], entry.body["to"]["weight"], unix(entry.body["at"]))
        for entry in world.database.entries()
        if entry.is_move
    ]


def _weight_at(asked: list[tuple[int, int, float]], generation: int) -> tuple[int, float]:
    """Return the weight decided for a generation, and when the first decision of it was."""
    weight, at, last = 0, 0.0, 0
    for started, decided, moment in asked:
        if started <= generation:
            weight = decided
            at, last = (at, last) if started == last else (moment, started)
    return weight, at


def _late_roll_backs(world: World, since: float) -> Problems:
    """Return the acknowledged roll backs that a reachable proxy had not taken up in time."""
    entries = {entry.seq: entry for entry in world.database.entries()}
    problems = []
    for op in world.history.since(since):
        if op.verb != "rollback" or not op.changed or op.answer["entry"] not in entries:
            continue
        generation = entries[op.answer["entry"]].body["generation"]
        late = [
            look
            for look in world.eye.since(op.ended + ROLL_BACK_SECONDS)
            if (look.served_generation or generation) < generation
            and not look.safe_routes
            and not world.is_away("edge", op.ended, look.at)
        ]
        if late:
            after = late[-1].at - op.ended
            problems.append(f"{op.tag}: not in effect {after:.1f} s after it was acknowledged")
    return problems


def _steady_spans(looks: list[Look]) -> Iterator[tuple[float, float, Look]]:
    """Yield spans in which Envoy served one version: start, end, what was served."""
    first = last = None
    for look in [look for look in looks if look.served]:
        if first is None or last is None or look.served != first.served:
            if first is not None and last is not None:
                yield first.at, last.at, first
            first = look
        last = look
    if first is not None and last is not None:
        yield first.at, last.at, first


def _spans_without_candidate(
    world: World, since: float, exposures: dict[int, int]
) -> Iterator[tuple[float, float]]:
    for start, end, served in _steady_spans(world.eye.since(since)):
        nothing = exposures.get(served.served_generation or 0, 0) == 0
        if (nothing or served.safe_routes) and end - start > ON_THE_WAY_SECONDS:
            yield start + ON_THE_WAY_SECONDS, end


def _whole_calls(world: World, since: float) -> list[Operation]:
    """Return the calls whose server was not hurt while it worked on them."""
    return [
        op
        for op in world.history.since(since)
        if not op.hurt and not world.is_away("web", op.invoked - 0.5, op.ended)
    ]


def _database_away(world: World, op: Operation) -> bool:
    return world.is_away("database", op.invoked, op.ended)
