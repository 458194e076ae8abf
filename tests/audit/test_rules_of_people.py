"""What takes a second person, a reason or an expiry, read back from the entries a year later."""

import hashlib
from datetime import timedelta

import pytest

from audit.chain import Actor
from audit.verify_audit import RULE, Replay
from tests.audit.builders import (
    ADA,
    AT_5,
    AT_25,
    BOB,
    DRAFT,
    DUAL_RUN,
    LEA,
    LIFE,
    NOW,
    PASSED,
    ROBOT,
    bodies,
    linked,
    move,
    note,
    place,
)

LATER = NOW + timedelta(hours=1)
PLAN, BUILDS = "cd" * 32, {"legacy": "v1", "candidate": "r7"}
FAILED = [*PASSED, {"gate": "latency", "verdict": "FAIL", "evidence_sha256": "ef" * 32}]
TERMS = {"gates": ["latency"], "incident": "INC-7", "expires_at": LATER}
POLICY = {
    "name": "guide",
    "version": 1,
    "approval_from": 5,
    "steps": [{"weight": 5}, {"weight": 25}, {"weight": 100}],
    "gates": [
        {"gate": "discrepancy", "from_weight": 1},
        {"gate": "errors", "from_weight": 1},
        {"gate": "load", "from_weight": 100},
    ],
}
BEGUN = LIFE[:2]
STRICT = (move("create", None, DRAFT, policy=POLICY), LIFE[1])
BOUND = {"plan_sha256": PLAN, "builds": BUILDS}


def ask(action="promote", to=AT_5, **more):
    body = {"approval": 1, "for": {"action": action, "to": to}, "expires_at": LATER, **BOUND}
    return note("request_approval", **{**body, **more})


def grant(**more):
    return note("grant_approval", **{"approval": 1, "by": BOB, **BOUND, **more})


def approved(**more):
    return (ask(**more), grant())


def promote(was=DUAL_RUN, now=AT_5, **more):
    return move("promote", was, now, **{"verdicts": PASSED, "approval": 1, **BOUND, **more})


def override(**more):
    body = {"verdicts": FAILED, "override": TERMS, "approval": 1, "by": LEA, **BOUND}
    return move("override", DUAL_RUN, AT_5, **{**body, **more})


OVERRIDDEN = (*BEGUN, *approved(action="override"), override())  # the override is entry 6
AT_100 = place("canary", step=2, weight=100)


def replay(*entries):
    found = Replay()
    for link in linked(bodies(entries)):
        found.notice(link)
        found.feed(link)
    return found


def broken(*entries):
    finding = replay(*entries).finding
    if finding:
        assert (finding.kind, finding.seq) == (RULE, len(entries) + 1), finding
    return finding.text if finding else ""


def full(*, policy=None):
    """A life up to 100 %, entries 2 to 7 or, with an approval each, 2 to 15."""
    return [
        move("create", None, DRAFT, **({"policy": policy} if policy else {})),
        LIFE[1],
        promote(),
        promote(AT_5, AT_25),
        promote(AT_25, {**AT_100, "version": 4}),
        move("promote", {**AT_100, "version": 4}, place("full", weight=100, version=5)),
    ]


FULL, GONE = place("full", weight=100, version=5), place("decommissioned", weight=100, version=6)
DRAINED = {"legacy_requests": 0, "window_s": 86_400}


def decommission(**more):
    body = {"confirmed": "embeddings", "drain": DRAINED, "verdicts": PASSED, "approval": 1, **BOUND}
    return move("decommission", FULL, GONE, **{**body, **more})


DONE = approved(action="decommission", to=GONE)


def waive(was=DUAL_RUN, **more):
    body = {"item": "latency", "expires_at": LATER, "by": LEA}
    return move("waive", was, {**was, "version": was["version"] + 1}, **{**body, **more})


WAIVED = {**DUAL_RUN, "version": 2}
PAST_WAIVER = {**AT_5, "version": 3}
LEAN_ON_IT = [*PASSED, {**FAILED[1], "waived": True}]


def reset(was=DUAL_RUN, attempt=2, **more):
    body = {"gate": "latency", "builds": BUILDS, "evidence_sha256": "ef" * 32, "by": LEA}
    now = {**was, "version": was["version"] + 1}
    return move("reset", was, now, **{**body, "attempt": attempt, **more})


def latch(place=DUAL_RUN, attempt=1, **more):
    body = {"gate": "latency", "builds": BUILDS, "verdict": "FAIL", "by": ROBOT, **more}
    return note("latch", place=place, attempt=attempt, **body)


RECORD = {
    "record": '{"hold":"h1"}',
    "record_sha256": hashlib.sha256(b'{"hold":"h1"}').hexdigest(),
    "happened_at": NOW,
    "proxy": "edge-1",
    "by": Actor("host", "root@edge-1", "host"),
}
AGAIN = {"record": "2", "record_sha256": hashlib.sha256(b"2").hexdigest()}


def late(was=AT_5, **more):
    now = place("dual_run", held=True, version=was["version"] + 1)
    return move("late_entry", was, now, **{**RECORD, **more})


def unmoved_late(where=None, **more):
    stands = where or place("dual_run", held=True, version=3)
    return move("late_entry", stands, stands, **{**RECORD, **more})


def new_policy(was=DUAL_RUN, **more):
    now = {**was, "version": was["version"] + 1}
    return move("change_policy", was, now, policy={**POLICY, "version": 2, **more})


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([*STRICT, *approved(), promote()], id="promote with approval"),
        pytest.param([*STRICT, ask(), note("decline_approval", approval=1, by=BOB)], id="declined"),
        pytest.param([*STRICT, *approved(), note("withdraw_approval", approval=1)], id="withdrawn"),
        pytest.param(OVERRIDDEN, id="override"),
        pytest.param(
            [*OVERRIDDEN, note("close_review", of=6, reason="right", by=BOB)], id="reviewed"
        ),
        pytest.param([*full(), *DONE, decommission()], id="decommission"),
        pytest.param(
            [*BEGUN, waive(), promote(WAIVED, PAST_WAIVER, verdicts=LEAN_ON_IT)], id="waiver"
        ),
        pytest.param([*BEGUN, waive(), move("end_waiver", WAIVED, {**WAIVED, "version": 3},
                      item="latency", by=LEA)], id="waiver ended"),
        pytest.param([*BEGUN, reset(), reset(WAIVED, 3)], id="reset twice"),
        pytest.param([*BEGUN, reset(), reset(WAIVED, builds={**BUILDS, "candidate": "r8"})],
                     id="reset on another build"),
        pytest.param([*BEGUN, latch(), reset(), latch(WAIVED, 2), reset(WAIVED, 3)], id="latch"),
        pytest.param([STRICT[0] | {"policy": {**POLICY, "approval_from": 25}}, LIFE[1],
                      promote(approval=None)], id="approval from 25 %"),
        pytest.param([*BEGUN, promote(), late()], id="late entry"),
        pytest.param(
            [*BEGUN, promote(), late(), unmoved_late(**AGAIN)], id="late entry of a second proxy"
        ),
        pytest.param([LIFE[0], unmoved_late(DRAFT)], id="late entry with nothing left to move"),
        pytest.param([*BEGUN, new_policy()], id="policy"),
        pytest.param([*BEGUN, note("new_build", builds=BUILDS, by=ROBOT)], id="new build"),
        pytest.param([*BEGUN, note("addresses", by=ROBOT)], id="addresses"),
    ],
)  # fmt: skip
def test_what_people_may_do_keeps_the_rules(entries):
    found = replay(*entries)
    assert found.finding is None
    assert not found.unknown


TWO = [*STRICT, *approved()]


@pytest.mark.parametrize(
    ("words", "entries"),
    [
        # approvals
        ("without the approval", [*STRICT, promote(approval=None)]),
        ("without the approval", [*STRICT, promote()]),
        ("was requested", [*STRICT, ask(), promote()]),
        ("was declined", [*STRICT, ask(), note("decline_approval", approval=1, by=BOB), promote()]),
        ("was withdrawn", [*TWO, note("withdraw_approval", approval=1), promote()]),
        ("one person", [*STRICT, ask(by=BOB), grant()]),
        ("by the role 'operator'", [*STRICT, ask(by=BOB), grant(by=ADA)]),
        ("by automation", [*STRICT, ask(), grant(by=ROBOT)]),
        ("by automation", [*STRICT, ask(by=ROBOT)]),
        ("expired when it was written", [*STRICT, ask(expires_at=NOW)]),
        ("no expiry", [*STRICT, ask(expires_at="tomorrow")]),
        ("no expiry", [*STRICT, ask(expires_at=None)]),
        ("granted after", [*STRICT, ask(expires_at=NOW + timedelta(seconds=3)), grant()]),
        ("had expired", [*STRICT, ask(expires_at=NOW + timedelta(seconds=4)), grant(), promote()]),
        ("another plan", [*STRICT, ask(), grant(plan_sha256="00" * 32)]),
        ("other builds", [*STRICT, ask(), grant(builds={})]),
        ("plan was changed", [*TWO, promote(plan_sha256="00" * 32)]),
        ("other builds", [*TWO, promote(builds={**BUILDS, "candidate": "r8"})]),
        ("another place", [*STRICT, ask(to=AT_25), grant(), promote()]),
        ("another place", [*STRICT, ask(to=None), grant(), promote()]),
        ("is for override", [*STRICT, *approved(action="override"), promote()]),
        ("was used", [*TWO, promote(), promote(AT_5, AT_25, verdicts=[*PASSED, {
            **PASSED[0], "gate": "errors"}])]),
        ("asked for twice", [*STRICT, ask(), ask()]),
        ("granted already", [*TWO, grant()]),
        ("nobody asked", [*STRICT, grant(approval="2")]),
        ("without `approval`", [*STRICT, grant(approval=None)]),
        ("without `for`", [*STRICT, note("request_approval", approval=1)]),
        ("never created", [grant()]),
        # overrides
        ("by the role 'operator'", [*OVERRIDDEN[:-1], override(by=ADA)]),
        ("without `reason`", [*OVERRIDDEN[:-1], override(reason="")]),
        ("without incident", [*OVERRIDDEN[:-1], override(override={**TERMS, "incident": ""})]),
        ("names no gate", [*OVERRIDDEN[:-1], override(override={**TERMS, "gates": []})]),
        ("had expired", [*OVERRIDDEN[:-1], override(override={**TERMS, "expires_at": NOW})]),
        ("without `override`", [*OVERRIDDEN[:-1], override(override=None)]),
        ("'discrepancy' was FAIL",
         [*OVERRIDDEN[:-1], override(verdicts=[{**PASSED[0], "verdict": "FAIL"}])]),
        ("without the approval", [*BEGUN, override()]),
        ("without the approval", [*BEGUN, promote(verdicts=FAILED, override=TERMS, by=LEA)]),
        ("no open review", [*BEGUN, note("close_review", of=3, reason="x", by=BOB)]),
        ("no open review", [*BEGUN, note("close_review", of=True, reason="x", by=BOB)]),
        ("who opened a review",
         [*OVERRIDDEN, note("close_review", of=6, reason="x", by=LEA)]),
        ("without `reason`", [*OVERRIDDEN, note("close_review", of=6, by=BOB)]),
        # the end
        ("without the approval", [*full(), decommission()]),
        ("still asked", [*full(), *DONE, decommission(drain={"legacy_requests": 3})]),
        ("without `drain`", [*full(), *DONE, decommission(drain=None)]),
        ("without confirmation", [*full(), *DONE, decommission(confirmed="yes")]),
        ("without a verdict", [*full(), *DONE, decommission(verdicts=[])]),
        ("'latency' was FAIL", [*full(), *DONE, decommission(verdicts=FAILED)]),
        ("while it was held", [*full(), move("hold", FULL, held := {**FULL, "held": True,
          "version": 6}), *DONE, move("decommission", held, {**GONE, "version": 7})]),
        ("reviews were open: 4", [*BEGUN, move("roll_back", DUAL_RUN, {**DUAL_RUN, "held": True,
          "version": 2}, reason="not given"),
          move("resume", {**DUAL_RUN, "held": True, "version": 2}, {**DUAL_RUN, "version": 3}),
          *(move("promote", {**a, "version": v}, {**b, "version": v + 1}, verdicts=PASSED)
            for v, (a, b) in enumerate([(DUAL_RUN, AT_5), (AT_5, AT_25), (AT_25, AT_100),
                                        (AT_100, FULL)], start=3)),
          *DONE, move("decommission", {**FULL, "version": 7}, {**GONE, "version": 8},
                      confirmed="embeddings", drain=DRAINED)]),
        # waivers
        ("by the role 'operator'", [*BEGUN, waive(by=ADA)]),
        ("by automation", [*BEGUN, waive(by=ROBOT)]),
        ("without `reason`", [*BEGUN, waive(reason="")]),
        ("without `item`", [*BEGUN, waive(item="")]),
        ("had expired", [*BEGUN, waive(expires_at=NOW)]),
        ("no waiver", [*BEGUN, promote(verdicts=LEAN_ON_IT)]),
        ("waiver of 'latency' had expired", [*BEGUN, waive(expires_at=NOW + timedelta(seconds=3)),
          promote(WAIVED, PAST_WAIVER, verdicts=LEAN_ON_IT)]),
        ("no waiver", [*BEGUN, move("end_waiver", DUAL_RUN, WAIVED, item="load", by=LEA)]),
        ("moves nothing", [*BEGUN, move("waive", DUAL_RUN, AT_5, by=LEA)]),
        # resets
        ("by the role 'operator'", [*BEGUN, reset(by=ADA)]),
        ("begins attempt 2", [*BEGUN, reset(attempt=1)]),
        ("begins attempt 3", [*BEGUN, reset(), reset(WAIVED, 2)]),
        ("names no evidence", [*BEGUN, reset(evidence_sha256="")]),
        ("without `builds`", [*BEGUN, reset(builds=None)]),
        ("belongs to attempt 2", [*BEGUN, latch(), reset(), latch(WAIVED, 1)]),
        ("only a FAIL", [*BEGUN, latch(verdict="PASS")]),
        ("did not stand", [*BEGUN, latch(AT_5)]),
        ("latch by host", [*BEGUN, latch(by=Actor("host", "root", "host"))]),
        # late entries
        ("imported twice", [*BEGUN, promote(), late(), unmoved_late()]),
        ("without `record`", [*BEGUN, promote(), late(record=None)]),
        ("another hash", [*BEGUN, promote(), late(record="other")]),
        ("without `proxy`", [*BEGUN, promote(), late(proxy="")]),
        ("by a person", [*BEGUN, promote(), late(by=ADA)]),
        ("never raises", [*BEGUN, move("late_entry", DUAL_RUN, AT_5, **RECORD)]),
        ("cannot leave draft", [LIFE[0], move("late_entry", DRAFT, {**DUAL_RUN, "held": True},
          **RECORD)]),
        ("hash of its record", [*BEGUN, promote(), late(record_sha256="x")]),
        ("had not happened", [*BEGUN, promote(), late(happened_at=LATER)]),
        ("without a moment", [*BEGUN, promote(), late(happened_at="noon")]),
        ("is held", [*BEGUN, promote(), move("late_entry", AT_5, {**DUAL_RUN, "version": 3},
          **RECORD)]),
        # policies
        ("same name and version", [STRICT[0], LIFE[1], new_policy(version=1)]),
        ("don't rise", [*BEGUN, new_policy(steps=[50, 25, 100])]),
        ("don't rise", [*BEGUN, new_policy(steps=[0, 100])]),
        ("don't rise", [*BEGUN, new_policy(steps=[5, 50])]),
        ("don't rise", [*BEGUN, new_policy(steps=[5, "100"])]),
        ("don't rise", [move("create", None, DRAFT, policy={"steps": [100, 5]})]),
        ("without `policy`", [*BEGUN, move("change_policy", DUAL_RUN, WAIVED)]),
        ("is 10 %, not 5 %", [*BEGUN, promote(), new_policy(AT_5, steps=[10, 100])]),
        ("is None %", [*TWO, promote(), move("roll_back", AT_5, place(
            "canary", step=7, weight=1, held=True, version=3))]),
        ("is 5 %, not 7 %", [*TWO, promote(now={**AT_5, "weight": 7})]),
        ("that no entry brought in", [*STRICT, promote(policy={"name": "guide", "version": 2})]),
        ("verdict of the gate 'errors'", [*TWO, promote(), promote(AT_5, AT_25)]),
        ("verdict of the gate 'discrepancy'",
         [*TWO, promote(verdicts=[{**PASSED[0], "gate": "load"}])]),
    ],
)  # fmt: skip
def test_what_people_may_not_do_is_named(words, entries):
    assert words in broken(*entries)


def test_a_restore_names_the_entry_on_which_the_log_goes_on():
    head = linked(bodies(BEGUN))[-1]
    old, new = {"size": 9, "head": "ab" * 32}, {"size": head.seq, "head": head.hash}
    entry = {"action": "ledger:restored", "old": old, "new": new, "reason": "a disk died"}
    found = replay(*BEGUN, entry)
    assert found.finding is None
    assert found.restores[0][1:] == ((9, "ab" * 32), "a disk died")
    for words, change in (
        ("another entry", {"new": {**new, "size": 2}}),
        ("another entry", {"new": {**new, "head": "cd" * 32}}),
        ("another entry", {"new": None}),
        ("from nothing", {"old": None}),
        ("without a reason", {"reason": " "}),
    ):
        assert words in broken(*BEGUN, {**entry, **change})
