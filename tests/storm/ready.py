"""A migration that is one promote away from 5 %, again and again, and what must be whole of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from audit import queries as ledger
from audit.models import LedgerEntry, LedgerHead
from rollout import services
from rollout.lifecycle import Action
from rollout.models import Decision, DecisionVerdict, ServiceMigration
from rollout.services.decide import locked
from rollout.services.states import state_of
from shadow.models import PairBlock
from tests.rollout.builders import OPERATOR, accept, fresh, ready_for_canary, split_of
from traffic.models import ProxyGroup, RoutingBlock, Snapshot, TrafficBlock

# Old enough to be settled, young enough to be fresh.
EVIDENCE_AGE = timedelta(seconds=10)


def make_ready() -> ServiceMigration:
    """Describe a migration on an empty database and bring it to dual-run, every gate open."""
    return ready_for_canary(now=timezone.now())


def ready_again(made: ServiceMigration) -> ServiceMigration:
    """Bring it back to dual-run, not held, with the evidence as of now."""
    now = timezone.now()
    if fresh(made).weight:
        services.roll_back(slug=made.slug, actor=OPERATOR, now=now, reason="again")
    if fresh(made).held:
        services.resume(slug=made.slug, actor=OPERATOR, now=now, reason="again")
    accept(made, at=now - EVIDENCE_AGE)
    _bring_up(made, at=now - EVIDENCE_AGE)
    return fresh(made)


def _bring_up(made: ServiceMigration, *, at: datetime) -> None:
    """Let all evidence be of this moment, and the keys of the present step."""
    start = int(at.timestamp())
    PairBlock.objects.filter(pair_id=made.pair_id).update(start=start)
    TrafficBlock.objects.filter(split=made.split.name).update(start=start)
    epoch = split_of(made).epoch
    RoutingBlock.objects.filter(split=made.split.name).update(start=start, epoch=epoch)


def promote(made: ServiceMigration):
    """Promote from the version that `made` was read at."""
    return services.promote(
        slug=made.slug,
        version=made.version,
        reason="storm",
        actor=OPERATOR,
        now=timezone.now(),
    )


def assert_whole(made: ServiceMigration, *, since: int = 0) -> ServiceMigration:
    """Assert that row, split, snapshot, and decisions since a version tell one story.

    Reads under the locks of a decision, in their order: what a killed process had sent is either
    committed by then or will never be.
    """
    with transaction.atomic():
        row = locked(made.slug)
        group = ProxyGroup.objects.select_for_update().get(pk=row.split.group_id)
        head = LedgerHead.objects.select_for_update().get()
        found = row.decisions.filter(from_version__gte=since).select_related("entry")
        decisions = list(found.order_by("from_version"))
        assert [each.from_version for each in decisions] == list(range(since, row.version))
        for each in decisions:
            assert each.entry.data["from"] == each.from_place
            assert each.entry.data["to"] == each.to_place
        last = decisions[-1]
        assert last.to_place == state_of(row)
        assert last.entry_id == row.last_audit_seq_id
        _assert_ledger_has_no_more(row, [each.entry_id for each in decisions], head.seq)
        _assert_rests_on_verdicts(decisions)
        _assert_data_plane(row, group)
    return row


def _assert_ledger_has_no_more(row: ServiceMigration, decided: list[int], head: int) -> None:
    """Every entry that moves the migration belongs to a decision, and the head is the last."""
    moving = [f"migration:{action}" for action in (Action.PROMOTE, Action.ROLL_BACK, Action.RESUME)]
    entries = LedgerEntry.objects.filter(subject=row.slug, action__in=moving, seq__gte=min(decided))
    assert {entry.seq for entry in entries} <= set(decided)
    assert LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True)[0] == head


def _assert_rests_on_verdicts(decisions: Sequence[Decision]) -> None:
    kept = DecisionVerdict.objects.filter(decision__in=decisions)
    with_verdicts = set(kept.values_list("decision_id", flat=True))
    assert with_verdicts == {d.pk for d in decisions if d.action == Action.PROMOTE}


def _assert_data_plane(row: ServiceMigration, group: ProxyGroup) -> None:
    split = split_of(row)
    assert split.weight_tth == row.weight * 100
    newest = Snapshot.objects.filter(group=group).order_by("-generation")[0]
    assert newest.generation == group.generation == row.placed_generation
    assert newest.exposure == {row.slug: row.weight * 100}


def assert_ledger_verifies() -> int:
    """Assert that the ledger verifies, its moves against the rows too; returns its entries."""
    report = ledger.verify()
    assert report.verified, report.text
    return report.entries
