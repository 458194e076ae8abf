"""Decisions: one writer, one winner, one ledger entry each, and roll back above all."""

import zlib
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from audit import queries as ledger
from rollout import services
from rollout.exceptions import ConflictError, GatesClosedError, InvalidError, StaleVersionError
from rollout.gates import evidence_sha256
from rollout.models import Decision, DecisionVerdict, EvidenceInput, ServiceMigration
from shadow.models import PairBlock
from tests.rollout.builders import (
    NOW,
    OPERATOR,
    add_pairs,
    fresh,
    in_dual_run,
    make_migration,
    ready_for_canary,
    split_of,
)
from traffic.models import Proxy, Snapshot

pytestmark = pytest.mark.django_db


def promote(migration, **changes):
    values = {
        "slug": migration.slug,
        "version": migration.version,
        "reason": "evidence read",
        "actor": OPERATOR,
        "now": NOW,
    }
    return services.promote(**{**values, **changes})


def test_promote_moves_row_split_snapshot_and_ledger_together():
    migration = ready_for_canary()
    before = ledger.head().seq
    decision = promote(migration)
    after = fresh(migration)
    assert (after.phase, after.weight, after.version) == ("canary", 5, migration.version + 1)
    assert (split_of(after).mode, split_of(after).weight_tth) == ("canary", 500)
    newest = Snapshot.objects.order_by("-generation").first()
    assert newest.exposure == {"embeddings": 500}
    assert newest.generation == after.placed_generation
    assert ledger.head().seq == before + 1
    assert decision.entry.data["to"]["weight"] == 5
    assert {v["gate"] for v in decision.entry.data["verdicts"]} >= {"discrepancy", "split"}
    assert ledger.verify().verified


def test_promote_is_refused_with_the_reason_while_evidence_is_thin():
    migration = in_dual_run()
    with pytest.raises(GatesClosedError) as refused:
        promote(migration)
    assert "Shadow discrepancy" in refused.value.detail
    assert fresh(migration).version == migration.version
    assert split_of(migration).mode == "dual_run"


def test_a_failing_discrepancy_gate_refuses_promotion():
    migration = ready_for_canary()
    add_pairs(migration, compared=2000, mismatched=60, at=NOW - timedelta(seconds=10))
    with pytest.raises(GatesClosedError) as refused:
        promote(migration)
    assert refused.value.extra["gates"][0]["verdict"] == "FAIL"


def test_a_stale_version_loses_and_is_told_who_moved():
    migration = ready_for_canary()
    promote(migration)
    with pytest.raises(StaleVersionError) as refused:
        promote(migration)
    assert "olga decided promote" in refused.value.detail
    assert refused.value.extra["version"] == migration.version + 1


def test_evidence_of_another_build_does_not_open_a_gate():
    migration = ready_for_canary()
    migration.pair.candidate_build = "candidate-2"
    migration.pair.save(update_fields=["candidate_build"])
    with pytest.raises(GatesClosedError):
        promote(migration)


def test_a_silent_proxy_closes_promotion():
    migration = ready_for_canary()
    with pytest.raises(GatesClosedError) as refused:
        promote(migration, now=NOW + timedelta(minutes=5))
    assert any(g["gate"] == "proxies" for g in refused.value.extra["gates"])


def test_evidence_that_stopped_growing_opens_nothing():
    migration = ready_for_canary()
    late = NOW + timedelta(seconds=120)
    Proxy.objects.update(last_seen_at=late)
    with pytest.raises(GatesClosedError) as refused:
        promote(migration, now=late)
    closed = {g["gate"]: g for g in refused.value.extra["gates"]}
    assert closed["discrepancy"]["verdict"] == "INCONCLUSIVE"
    assert "No pair was compared for 60 s" in closed["discrepancy"]["sentence"]
    assert closed["split"]["verdict"] == "INCONCLUSIVE"


def test_too_many_uncomparable_pairs_open_nothing():
    migration = ready_for_canary()
    PairBlock.objects.update(uncomparable={"duplicate_key": 100})
    with pytest.raises(GatesClosedError) as refused:
        promote(migration)
    assert "duplicate_key" in refused.value.detail


def test_roll_back_asks_no_gate_and_no_version_and_stays_held():
    migration = ready_for_canary()
    promote(migration)
    decision = services.roll_back(slug=migration.slug, actor=OPERATOR, now=NOW)
    after = fresh(migration)
    assert (after.phase, after.weight, after.held) == ("dual_run", 0, True)
    assert decision.reason == "not given"
    assert split_of(after).weight_tth == 0


def test_rolling_back_twice_changes_nothing_the_second_time():
    migration = ready_for_canary()
    promote(migration)
    services.roll_back(slug=migration.slug, actor=OPERATOR, now=NOW)
    version = fresh(migration).version
    assert services.roll_back(slug=migration.slug, actor=OPERATOR, now=NOW) is None
    assert fresh(migration).version == version


def test_a_held_migration_is_promoted_only_after_resume():
    migration = ready_for_canary()
    services.hold(slug=migration.slug, reason="pager", actor=OPERATOR, now=NOW)
    held = fresh(migration)
    with pytest.raises(ConflictError) as refused:
        promote(held)
    assert refused.value.code == "held"
    services.resume(slug=migration.slug, reason="quiet", actor=OPERATOR, now=NOW)
    assert promote(fresh(migration)).action == "promote"


def test_the_expected_weight_must_be_the_next_one():
    migration = ready_for_canary()
    with pytest.raises(ConflictError) as refused:
        promote(migration, expected_weight=100)
    assert refused.value.code == "not_allowed_step"


def test_equal_addresses_are_refused_by_field():
    with pytest.raises(InvalidError) as refused:
        make_migration(candidate_url="http://127.0.0.1:9001/")
    assert (refused.value.code, refused.value.field) == ("same_upstream", "candidate_url")
    assert not ServiceMigration.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1:9",
        "http://u:p@127.0.0.1:9",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:80/path",
        "http://169.254.169.254",
        "http://0.0.0.0:80",
        "http://2130706433",
        "http://a\r\nb",
        "nonsense",
        "",
    ],
)
def test_an_address_that_cannot_be_a_service_is_refused(url):
    with pytest.raises(InvalidError) as refused:
        make_migration(legacy_url=url)
    assert refused.value.field == "legacy_url"


def test_the_database_refuses_a_weight_without_a_ledger_entry():
    migration = in_dual_run()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rollout_servicemigration SET phase='canary', step=3, weight=100 WHERE id=%s",
            [migration.pk],
        )


def test_the_database_refuses_to_change_a_snapshot():
    make_migration()
    with pytest.raises(IntegrityError), transaction.atomic():
        Snapshot.objects.update(sha256="0" * 64)


def test_there_is_one_decision_per_version():
    migration = ready_for_canary()
    made = promote(migration)
    with pytest.raises(IntegrityError), transaction.atomic():
        Decision.objects.create(
            migration=migration,
            from_version=made.from_version,
            action="promote",
            from_place={},
            to_place={},
            actor="x",
            reason="x",
            entry=made.entry,
            at=NOW,
        )


def test_other_addresses_are_published_and_recorded():
    migration = in_dual_run()
    before = Snapshot.objects.count()
    values = {
        "slug": migration.slug,
        "legacy_url": "http://127.0.0.1:9101",
        "candidate_url": "http://127.0.0.1:9102",
        "actor": OPERATOR,
        "now": NOW,
    }
    assert services.change_addresses(**values)
    assert not services.change_addresses(**values)
    assert Snapshot.objects.count() == before + 1
    assert split_of(migration).candidate_port == 9102
    assert ledger.verify().verified


def test_every_verdict_behind_a_promotion_can_be_recomputed(capsys):
    promote(ready_for_canary())
    entry = Decision.objects.get(action="promote").entry.data
    assert {one["gate"] for one in entry["evidence"]} == {"discrepancy", "latency", "split"}
    call_command("recompute_evidence")
    assert "recomputed 7 verdicts, all as recorded" in capsys.readouterr().out


def test_an_altered_verdict_is_found_by_recomputing(capsys):
    promote(ready_for_canary())
    verdict = DecisionVerdict.objects.filter(gate="discrepancy").first()
    altered = {**verdict.evidence, "n": verdict.evidence["n"] + 1}
    DecisionVerdict.objects.filter(pk=verdict.pk).update(
        evidence=altered, evidence_sha256=evidence_sha256(altered)
    )
    with pytest.raises(SystemExit) as ended:
        call_command("recompute_evidence")
    assert ended.value.code == 1
    assert "discrepancy" in capsys.readouterr().out


def test_altered_inputs_are_found_by_recomputing(capsys):
    promote(ready_for_canary())
    given = EvidenceInput.objects.first()
    EvidenceInput.objects.filter(pk=given.pk).update(body=zlib.compress(b"{}"))
    with pytest.raises(SystemExit):
        call_command("recompute_evidence")
    assert "the stored inputs were altered" in capsys.readouterr().out
