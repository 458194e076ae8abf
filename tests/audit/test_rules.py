"""A chain can be whole and still record what was never allowed; the replay says so."""

import pytest

from audit.verify_audit import RULE, Replay, verify_export
from tests.audit.builders import (
    AT_5,
    AT_25,
    BACK,
    DRAFT,
    DUAL_RUN,
    LIFE,
    PASSED,
    bodies,
    export,
    log,
    move,
    place,
)

FAILED = [{**PASSED[0], "verdict": "INCONCLUSIVE"}]
FULL = place("full", weight=100, version=4)
AT_100 = place("canary", step=3, weight=100, version=3)
BEGUN = LIFE[:2]


def broken(*entries):
    replay = Replay()
    for seq, body in enumerate(bodies(entries), start=1):
        replay.feed(seq, body)
    return replay.finding


def test_a_whole_life_keeps_the_rules():
    ahead = place("canary", step=0, weight=5, version=5)
    life = (
        *LIFE,
        move("resume", BACK, ahead := {**BACK, "held": False, "version": 5}),
        move("hold", ahead, held := {**ahead, "held": True, "version": 6}),
        move("hold", held, held),
        move("roll_back", held, held),
        move("resume", held, free := {**held, "held": False, "version": 7}),
        move("promote", free, top := {**AT_100, "version": 8}, verdicts=PASSED),
        move("promote", top, full := {**FULL, "version": 9}, verdicts=[]),
        move("decommission", full, place("decommissioned", weight=100, version=10)),
    )
    assert broken(*life) is None


def test_a_dual_run_can_be_abandoned():
    assert broken(*BEGUN, move("abandon", DUAL_RUN, place("abandoned", version=2))) is None


def test_an_override_stands_for_a_verdict():
    override = {"incident": "INC-1", "reason": "understood"}
    assert (
        broken(*BEGUN, move("promote", DUAL_RUN, AT_5, verdicts=FAILED, override=override)) is None
    )
    assert broken(*BEGUN, move("override", DUAL_RUN, AT_5, override=override)) is None


def test_a_verdict_that_was_not_required_does_not_count():
    extra = [*PASSED, {**FAILED[0], "required": False}]
    assert broken(*BEGUN, move("promote", DUAL_RUN, AT_5, verdicts=extra)) is None
    assert broken(*BEGUN, move("promote", DUAL_RUN, AT_5, verdicts=extra[1:]))


def promote(was=DUAL_RUN, now=AT_5, **more):
    return move("promote", was, now, **{"verdicts": PASSED, **more})


@pytest.mark.parametrize(
    ("words", "entries"),
    [
        ("without a verdict", [*BEGUN, promote(verdicts=[])]),
        ("without a verdict", [*BEGUN, promote(verdicts=None)]),
        ("was INCONCLUSIVE", [*BEGUN, promote(verdicts=FAILED)]),
        ("was FAIL", [*BEGUN, promote(verdicts=[*PASSED, {"gate": "x", "verdict": "FAIL"}])]),
        ("toward the candidate", [*LIFE[:5], promote(AT_25, {**AT_5, "version": 4})]),
        ("cannot leave draft", [LIFE[0], promote(DRAFT, {**AT_5, "version": 1})]),
        ("cannot reach dual_run", [*BEGUN, promote(now={**DUAL_RUN, "version": 2, "step": 1})]),
        ("100 % only", [*LIFE[:5], promote(AT_25, FULL)]),
        ("while it was held", [*LIFE, promote(BACK, {**AT_5, "version": 5})]),
        ("exactly one", [*BEGUN, promote(now={**AT_5, "version": 3})]),
        ("exactly one", [*BEGUN, promote(now={**AT_5, "version": 1})]),
        ("stood", [*BEGUN, promote({**DUAL_RUN, "version": 7}, {**AT_5, "version": 8})]),
        ("stood", [*LIFE[:3], promote(now=AT_25)]),
        ("never created", [LIFE[1]]),
        ("created twice", [LIFE[0], LIFE[0]]),
        ("as a draft", [move("create", None, AT_5)]),
        ("not a legal place", [*BEGUN, promote(now={**AT_5, "weight": 0})]),
        ("not a legal place", [*BEGUN, promote(now={**AT_5, "weight": 101})]),
        ("not a legal place", [LIFE[0], move("start", DRAFT, {**DUAL_RUN, "weight": 5})]),
        ("unknown phase", [*BEGUN, promote(now={**AT_5, "phase": "moon"})]),
        ("unknown phase", [*BEGUN, promote(now={**AT_5, "phase": ["canary"]})]),
        ("no whole weight", [*BEGUN, promote(now={**AT_5, "weight": "5"})]),
        ("no whole weight", [*BEGUN, promote(now={**AT_5, "weight": True})]),
        ("no whole step", [*BEGUN, promote(now={**AT_5, "step": "one"})]),
        ("no version", [*BEGUN, promote(now={**AT_5, "version": None})]),
        ("whether it is held", [*BEGUN, promote(now={**AT_5, "held": "no"})]),
        ("not a place", [*BEGUN, promote(now=None)]),
        ("not a place", [*BEGUN, promote(was=None)]),
        ("from draft", [*BEGUN, move("start", DUAL_RUN, {**DUAL_RUN, "version": 2})]),
        ("toward legacy", [*LIFE[:4], move("roll_back", AT_5, {**AT_25, "held": True})]),
        ("is held", [*LIFE[:4], move("roll_back", AT_5, {**DUAL_RUN, "version": 3})]),
        ("cannot reach draft", [*LIFE[:4], move("roll_back", AT_5, {**DRAFT, "version": 3})]),
        ("cannot leave dual_run", [*BEGUN, move("roll_back", DUAL_RUN, {**AT_5, "held": True})]),
        ("only holds", [*LIFE[:4], move("hold", AT_5, {**AT_25, "held": True})]),
        ("only lifts", [*LIFE, move("resume", BACK, {**AT_5, "version": 5})]),
        ("only full", [*BEGUN, move("decommission", DUAL_RUN, {**FULL, "version": 2})]),
        ("only dual_run", [*LIFE[:4], move("abandon", AT_5, place("abandoned", version=3))]),
        ("moves nothing", [*BEGUN, move("in_effect", DUAL_RUN, {**AT_5})]),
        ("did not stand", [*BEGUN, LIFE[3]]),
        ("not a place", [*BEGUN, {**LIFE[3], "place": None}]),
        ("moves nothing", [*BEGUN, move("retune", DUAL_RUN, {**AT_5})]),
    ],
)
def test_a_move_that_was_never_allowed_is_named(words, entries):
    finding = broken(*entries)
    assert finding.kind == RULE
    assert finding.seq == len(entries) + 1  # the genesis is number 1
    assert words in finding.text


def test_an_unknown_action_that_moves_nothing_is_counted():
    replay = Replay()
    for seq, body in enumerate(bodies([*LIFE, move("retune", BACK, BACK)]), start=1):
        replay.feed(seq, body)
    assert replay.finding is None
    assert replay.unknown == {"token:issue": 1, "migration:retune": 1}


def test_a_body_that_is_no_object_is_named():
    replay = Replay()
    replay.feed(4, b"[]")
    assert (replay.finding.kind, replay.finding.seq) == (RULE, 4)


def test_a_whole_chain_with_a_forbidden_move_is_not_verified():
    links = log([*BEGUN, promote(verdicts=[])])
    assert verify_export(export(links)).finding.seq == 4


def test_what_comes_first_is_reported():
    lines = export(log([*BEGUN, promote(verdicts=[]), *LIFE[5:7]]))
    assert verify_export([*lines[:5], b"{}\n", *lines[6:]]).finding.kind == RULE
    assert verify_export([*lines[:2], b"{}\n", *lines[3:]]).finding.kind == "edited"
