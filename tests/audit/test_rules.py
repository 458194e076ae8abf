"""A chain can be whole and still record what was never allowed; the replay says so."""

import json

import pytest

from audit.chain import Actor
from audit.verify_audit import RULE, Link, Replay, verify_export
from tests.audit.builders import (
    AT_5,
    AT_25,
    BACK,
    DRAFT,
    DUAL_RUN,
    LIFE,
    PASSED,
    ROBOT,
    bodies,
    export,
    linked,
    log,
    move,
    note,
    place,
)

FAILED = [{**PASSED[0], "verdict": "INCONCLUSIVE"}]
FULL = place("full", weight=100, version=4)
TOP = place("canary", step=3, weight=100)
BEGUN = LIFE[:2]


def climb(was, *weights):
    for step, weight in enumerate(weights):
        version = was["version"] + 1
        now = place("canary", step=step, weight=weight, version=version)
        yield move("promote", was, now, verdicts=PASSED)
        was = now


def broken(*entries):
    replay = Replay()
    for link in linked(bodies(entries)):
        replay.feed(link)
    return replay.finding


def test_a_whole_life_keeps_the_rules():
    life = (
        *LIFE,
        move("resume", BACK, ahead := {**BACK, "held": False, "version": 5}),
        move("hold", ahead, held := {**ahead, "held": True, "version": 6}, by=ROBOT),
        move("hold", held, held),
        move("roll_back", held, held, by=ROBOT),
        move("resume", held, free := {**held, "held": False, "version": 7}),
        *climb(free, 5, 25, 50, 100),
        move("promote", {**TOP, "version": 11}, {**FULL, "version": 12}, verdicts=[]),
        move("roll_back", {**FULL, "version": 12}, place("dual_run", held=True, version=13)),
    )
    assert broken(*life) is None


def test_a_dual_run_can_be_abandoned():
    assert broken(*BEGUN, move("abandon", DUAL_RUN, place("abandoned", version=2))) is None


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
        ("names no evidence", [*BEGUN, promote(verdicts=[{"gate": "x", "verdict": "PASS"}])]),
        ("to step 0, not 1", [*BEGUN, promote(now={**AT_25, "version": 2})]),
        ("to step 1, not 2", [*LIFE[:3], promote(AT_5, {**AT_25, "step": 2})]),
        ("holds nothing", [*BEGUN, promote(now={**AT_5, "held": True})]),
        ("without `reason`", [*BEGUN, promote(reason=" ")]),
        ("without `to`", [*BEGUN, note("promote")]),
        ("promote by automation", [*BEGUN, promote(by=ROBOT)]),
        ("promote by host", [*BEGUN, promote(by=Actor("host", "root", "host"))]),
        ("by the role 'viewer'", [*BEGUN, promote(by=Actor("user", "vic", "viewer"))]),
        ("by the role ''", [*BEGUN, promote(by=Actor("token", "ci", ""))]),
        ("with the step", [*BEGUN, promote(now={**AT_5, "step": None})]),
        ("with the step", [LIFE[0], move("start", DRAFT, {**DUAL_RUN, "step": 1})]),
        ("hold is not possible", [LIFE[0], move("hold", DRAFT, {**DRAFT, "held": True})]),
        ("toward the candidate", [*LIFE[:5], promote(AT_25, {**AT_5, "version": 4})]),
        ("cannot leave draft", [LIFE[0], promote(DRAFT, {**AT_5, "version": 1})]),
        ("cannot reach dual_run", [*BEGUN, promote(now={**DUAL_RUN, "version": 2})]),
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
        (
            "cannot reach draft",
            [*LIFE[:4], move("roll_back", AT_5, {**DRAFT, "held": True, "version": 3})],
        ),
        ("cannot leave dual_run", [*BEGUN, move("roll_back", DUAL_RUN, {**AT_5, "held": True})]),
        ("cannot leave draft", [LIFE[0], move("roll_back", DRAFT, {**DRAFT, "held": True})]),
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
    replay = replayed_links(log([*LIFE, move("retune", BACK, BACK), note("admire")]))
    assert replay.finding is None
    assert replay.unknown == {"token:issue": 1, "migration:retune": 1, "migration:admire": 1}


def test_a_body_that_is_no_object_is_named():
    replay = Replay()
    replay.feed(Link(4, "", b"[]", ""))
    assert (replay.finding.kind, replay.finding.seq) == (RULE, 4)


def test_a_whole_chain_with_a_forbidden_move_is_not_verified():
    links = log([*BEGUN, promote(verdicts=[])])
    assert verify_export(export(links)).finding.seq == 4


def test_what_comes_first_is_reported():
    lines = export(log([*BEGUN, promote(verdicts=[]), *LIFE[5:7]]))
    assert verify_export([*lines[:5], b"{}\n", *lines[6:]]).finding.kind == RULE
    assert verify_export([*lines[:2], b"{}\n", *lines[3:]]).finding.kind == "edited"


@pytest.mark.parametrize("missing", ["actor", "at"])
def test_an_entry_without_who_or_when_is_named(missing):
    whole = json.loads(bodies(BEGUN)[2])
    text = json.dumps({key: value for key, value in whole.items() if key != missing}).encode()
    assert "who acted when" in replayed_links(linked([*bodies(BEGUN)[:2], text])).finding.text


def replayed_links(links):
    replay = Replay()
    for link in links:
        replay.feed(link)
    return replay
