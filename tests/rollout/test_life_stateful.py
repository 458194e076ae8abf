"""A life lived at random on the real services: what holds after every step, whatever was done."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit import queries as ledger
from judge.verdict import Verdict
from rollout import services
from rollout.exceptions import RefusalError
from rollout.lifecycle import LIVE, RAISING, Action
from rollout.models import Decision, ServiceMigration
from rollout.services import OverrideTerms
from tests.rollout.builders import NOW, fresh, make_migration, split_of
from tests.rollout.life import (
    ANNA,
    LENA,
    OLGA,
    Gates,
    evidence,
    in_effect,
    set_builds,
    traffic_of,
)

GATE = st.sampled_from(["discrepancy", "errors", "split"])
WHO = st.sampled_from([OLGA, ANNA, LENA])
MINUTE = timedelta(minutes=1)


class Life(RuleBasedStateMachine):
    """Everything anybody can do, in any order, by anybody."""

    said: Gates
    settings: Any
    place: Path

    @initialize(policy=st.sampled_from(["demo", "guide"]))
    def describe(self, policy):
        self.savepoint = transaction.atomic()
        # As in Django's TestCase: what insists on being outermost accepts it around.
        self.savepoint._from_testcase = True
        self.savepoint.__enter__()
        # Each life has a ledger of its own, and so an anchor.
        self.settings.BANYAN_LEDGER_KEY = self.place / uuid.uuid4().hex / "key"
        self.settings.BANYAN_LEDGER_ANCHOR = self.settings.BANYAN_LEDGER_KEY.with_name("anchor")
        self.now, self.builds = NOW, 1
        self.said.verdicts.clear()
        self.made = make_migration(policy=policy)
        set_builds(self.made, candidate="candidate-1")

    def teardown(self):
        if hasattr(self, "savepoint"):
            assert ledger.verify().verified, ledger.verify().text
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    def attempt(self, call, **values):
        """Do it at the present version; a refusal changes nothing."""
        self.now += timedelta(seconds=1)
        before = fresh(self.made)
        values = {"slug": before.slug, "now": self.now} | values
        try:
            done = call(**values)
        except RefusalError:
            after = fresh(self.made)
            if call is not services.promote and call is not services.override:
                assert after.version == before.version
            assert after.weight <= before.weight
            return None
        return done

    @property
    def version(self):
        return fresh(self.made).version

    @rule(actor=WHO)
    def start(self, actor):
        self.attempt(
            services.decide, action=Action.START, version=self.version, reason="", actor=actor
        )

    @rule(actor=WHO)
    def promote(self, actor):
        self.attempt(services.promote, version=self.version, reason="read", actor=actor)

    @rule(actor=WHO)
    def promote_on_an_old_page(self, actor):
        assert not self.attempt(
            services.promote, version=self.version + 1, reason="read", actor=actor
        )

    @rule(actor=WHO)
    def override(self, actor):
        self.attempt(services.override, version=self.version, reason="fire", actor=actor)

    @rule(actor=WHO, action=st.sampled_from([Action.PROMOTE, Action.OVERRIDE, Action.DECOMMISSION]))
    def ask(self, actor, action):
        terms = OverrideTerms(("discrepancy", "errors"), "INC-1", 600)
        self.attempt(
            services.request_approval,
            action=action,
            version=self.version,
            reason="please",
            actor=actor,
            terms=terms if action is Action.OVERRIDE else None,
        )

    @rule(actor=WHO, verb=st.sampled_from(["grant", "decline", "withdraw"]))
    def answer(self, actor, verb):
        asked = self.made.approvals.first()
        if asked is None:
            return
        text = {"withdraw": {}, "grant": {}, "decline": {"answer": "no"}}[verb]
        call = getattr(services, f"{verb}_approval")
        self.now += timedelta(seconds=1)
        try:
            call(approval_id=asked.pk, actor=actor, now=self.now, **text)
        except RefusalError:
            return

    @rule(actor=WHO)
    def hold(self, actor):
        self.attempt(services.hold, reason="stop", actor=actor)

    @rule(actor=WHO)
    def resume(self, actor):
        self.attempt(services.resume, reason="go on", actor=actor)

    @precondition(lambda self: fresh(self.made).phase in LIVE)
    @rule(actor=WHO, reason=st.sampled_from(["", "errors"]))
    def roll_back(self, actor, reason):
        """Never gated: from any live place, held or not, whatever the gates and versions say."""
        self.now += timedelta(seconds=1)
        services.roll_back(slug=self.made.slug, actor=actor, now=self.now, reason=reason)
        after = fresh(self.made)
        assert (after.phase, after.weight, after.held) == ("dual_run", 0, True)
        assert split_of(after).weight_tth == 0

    @rule(actor=WHO, to=st.sampled_from([5, 25, 50, 100]))
    def roll_back_a_little(self, actor, to):
        self.attempt(services.roll_back, actor=actor, reason="less", to_weight=to)

    @rule(gate=GATE, verdict=st.sampled_from([Verdict.PASS, Verdict.PASS, *Verdict]))
    def judge(self, gate, verdict):
        self.said.say(gate, verdict)

    @rule(gate=GATE)
    def fail(self, gate):
        before = fresh(self.made)
        services.on_gate_fail(migration=before, gate=gate, evidence=evidence(gate), now=self.now)
        assert fresh(self.made).weight <= before.weight

    @rule(gate=GATE, actor=WHO)
    def reset(self, gate, actor):
        self.attempt(
            services.reset_verdict, gate=gate, version=self.version, reason="seen", actor=actor
        )

    @rule(actor=WHO)
    def waive(self, actor):
        self.attempt(
            services.waive,
            item="discrepancy",
            version=self.version,
            reason="known",
            lifetime_s=60,
            actor=actor,
        )

    @rule(actor=WHO)
    def end_waiver(self, actor):
        self.attempt(services.end_waiver, item="discrepancy", version=self.version, actor=actor)

    @rule(gate=GATE)
    def judge_nothing(self, gate):
        """A gate that cannot be judged for long stops or goes back, and never goes forward."""
        before, since = fresh(self.made), self.now - 60 * MINUTE
        error = evidence(gate, Verdict.ERROR)
        services.on_gate_error(
            migration=before, gate=gate, evidence=error, since=since, now=self.now
        )
        assert fresh(self.made).weight <= before.weight

    @rule(actor=WHO)
    def close_review(self, actor):
        opened = self.made.reviews.filter(closed_at=None).first()
        if opened is None:
            return
        try:
            services.close_review(review_id=opened.pk, text="seen", actor=actor, now=self.now)
        except RefusalError:
            return
        assert opened.opened_by != actor.name

    @rule()
    def deploy(self):
        self.builds += 1
        set_builds(self.made, candidate=f"candidate-{self.builds}")

    @rule()
    def notice(self):
        self.now += timedelta(seconds=1)
        before = fresh(self.made)
        services.notice_build(before, now=self.now)
        assert fresh(self.made).weight == before.weight

    @rule(actor=WHO, seconds=st.integers(1, 300))
    def change_policy(self, actor, seconds):
        document = {**fresh(self.made).policy, "evidence_max_age_s": seconds}
        self.attempt(
            services.change_policy,
            document=document,
            version=self.version,
            reason="learned",
            actor=actor,
        )

    @rule()
    def wait(self):
        self.now += 10 * MINUTE
        services.on_override_end(migration=fresh(self.made), now=self.now)

    @precondition(lambda self: fresh(self.made).phase == "full")
    @rule(actor=WHO)
    def decommission(self, actor):
        in_effect(self.made, at=self.now)
        self.now += MINUTE
        traffic_of(self.made, at=self.now, candidate=100)
        type(self.made.split.group.proxies.first()).objects.update(last_seen_at=self.now)
        for review in self.made.reviews.filter(closed_at=None):
            closer = ANNA if review.opened_by != ANNA.name else LENA
            services.close_review(review_id=review.pk, text="seen", actor=closer, now=self.now)
        self.attempt(
            services.decommission,
            version=self.version,
            reason="done",
            confirm=f"{self.made.slug} decommission",
            actor=actor,
        )

    @rule(actor=WHO)
    def abandon(self, actor):
        if self.now < NOW + 20 * MINUTE:
            return
        self.attempt(services.abandon, version=self.version, reason="no", actor=actor)

    @invariant()
    def every_version_has_one_decision_and_every_move_of_weight_an_entry(self):
        """I1 and I4: users move toward the candidate by a promotion or an override alone."""
        if not hasattr(self, "made"):
            return
        rows = list(Decision.objects.filter(migration=self.made).order_by("from_version"))
        assert [row.from_version for row in rows] == list(range(self.version))
        for row in rows:
            assert row.entry.data["to"] == row.to_place
            if row.to_place["weight"] > row.from_place["weight"]:
                assert row.action in RAISING
                assert row.actor_kind == "user"

    @invariant()
    def the_data_plane_was_asked_for_what_was_decided(self):
        if not hasattr(self, "made"):
            return
        row = ServiceMigration.objects.get(pk=self.made.pk)
        assert split_of(self.made).weight_tth == row.weight * 100
        newest = split_of(self.made).group.snapshots.order_by("-generation").first()
        assert newest.exposure == {self.made.slug: row.weight * 100}


@pytest.mark.django_db
def test_a_life_lived_at_random_keeps_its_promises(monkeypatch, settings, tmp_path):
    said = Gates()
    said.install(monkeypatch)
    for name, value in (("said", said), ("settings", settings), ("place", tmp_path)):
        monkeypatch.setattr(Life, name, value, raising=False)
    run_state_machine_as_test(
        Life,
        settings=how(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
