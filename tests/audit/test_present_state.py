"""The check also asks whether migrations stand where the ledger says."""

import pytest

from audit import queries
from audit.services import append
from audit.verification import compare_states
from audit.verify_audit import Head, Replay
from tests.audit.builders import (
    ADA,
    AT_5,
    AT_25,
    BACK,
    LIFE,
    NOW,
    head_of,
    log,
    place,
)

WHOLE = log()
STATES = {"embeddings": BACK}


def states():
    return list(STATES.items())


def lived(links=WHOLE):
    replay = Replay()
    for link in links:
        replay.feed(link)
    assert replay.finding is None
    return replay


@pytest.mark.parametrize("before", [1, 2, 4, 9])
def test_a_state_that_the_ledger_knows_and_that_is_new_enough_agrees(before):
    assert compare_states(STATES, lived(), head_of(WHOLE[:before])) is None


def test_states_read_while_the_log_grew_agree():
    # Read when the log had six entries; by the time the entries were read it had nine.
    assert compare_states({"embeddings": AT_25}, lived(), head_of(WHOLE[:6])) is None


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("stands at canary 25 % (version 4), the ledger says dual_run 0 % held", {
            **AT_25, "version": 4}),
        ("the ledger says nothing about that version", {**BACK, "version": 5}),
        ("is at version 3, the ledger at 4", AT_25),
        ("is at version 2, the ledger at 4", AT_5),
        ("says dual_run 0 % held (version 4)", {**BACK, "held": False}),
        ("is nowhere: `state` has the unknown phase", {**BACK, "phase": "moon"}),
    ],
)  # fmt: skip
def test_a_state_that_no_entry_brought_about_is_found(words, state):
    finding = compare_states({"embeddings": state}, lived(), head_of(WHOLE))
    assert (finding.kind, finding.seq) == ("uncovered", 10)
    assert words in finding.text


def test_a_migration_of_which_only_one_side_knows_is_found():
    ranking = {"ranking": place("draft")}
    finding = compare_states({**STATES, **ranking}, lived(), head_of(WHOLE))
    assert "ranking stands somewhere, yet the ledger never saw it" in finding.text
    finding = compare_states(ranking, lived([*WHOLE[:1]]), Head(1, ""))
    assert "never saw it" in finding.text
    two = lived(log([*LIFE, {**LIFE[0], "migration": "ranking"}]))
    assert "has lost embeddings" in compare_states(ranking, two, Head(10, "")).text
    assert compare_states(STATES, two, Head(9, "")) is None


@pytest.mark.django_db
def test_the_check_asks_the_function_that_the_settings_name(settings):
    for entry in LIFE:
        body = {key: value for key, value in entry.items() if key != "action"}
        append(actor=ADA, action=entry["action"], body=body, now=NOW)
    settings.BANYAN_STATE_COMPARISON = ""
    assert queries.verify().compared == 0
    settings.BANYAN_STATE_COMPARISON = f"{__name__}.states"
    report = queries.verify()
    assert (report.verified, report.compared) == (True, 1)
    append(actor=ADA, action="migration:resume", now=NOW, body={
        "migration": "embeddings", "from": BACK, "to": {**BACK, "held": False, "version": 5},
        "reason": "go on"})  # fmt: skip
    report = queries.verify()
    assert (report.kind, report.first_bad_seq) == ("uncovered", 11)
    assert "is at version 4, the ledger at 5" in report.text
