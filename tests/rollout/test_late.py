"""What proxies did on their own is entered late: exactly once, truly, and nothing is lost."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import queries as ledger
from audit.models import LedgerEntry
from rollout import oversight, services
from rollout.exceptions import ConflictError
from rollout.lifecycle import Action
from tests.rollout.builders import NOW, fresh, make_migration, split_of
from tests.rollout.hosts import LATER, Host, other_text
from tests.rollout.life import (
    ANNA,
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    in_effect,
    newest,
    open_gates,
    promoted,
    started,
    traffic_of,
)
from traffic import glass
from traffic.models import GlassRecord, Proxy, ProxyGroup, Snapshot
from traffic.services import create_group, register_proxy

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


@pytest.fixture(autouse=True)
def _ledger_holds():
    """Whatever a test did, the ledger replays and agrees with where the migrations stand."""
    yield
    if LedgerEntry.objects.exists():
        assert_ledger_holds()


@pytest.fixture
def host(tmp_path):
    """A proxy at 25 % of a canary."""
    made = at_weight(25)
    found = Host(tmp_path / "edge-1")
    assert found.follow() == "accepted"
    found.made = made
    return found


def entries(action="migration:late_entry"):
    return [row.data for row in LedgerEntry.objects.filter(action=action).order_by("seq")]


def outcomes():
    return list(GlassRecord.objects.order_by("pk").values_list("outcome", "code"))


def place(made):
    made = fresh(made)
    return (made.phase, made.weight, made.held)


def test_a_record_becomes_the_roll_back_that_it_was(host):
    hold = host.breaks("p99 doubled", at=NOW)
    host.tells(now=LATER)
    assert services.follow_holds(now=LATER) == 1
    after = fresh(host.made)
    assert place(after) == ("dual_run", 0, True)
    assert (after.held_by, after.held_reason) == ("root@edge-1", "p99 doubled")
    assert split_of(after).weight_tth == 0
    (entry,) = entries()
    (row,) = GlassRecord.objects.all()
    assert entry["actor"] == {"kind": "host", "name": "root@edge-1", "role": "host"}
    assert (entry["from"]["weight"], entry["to"]["weight"], entry["to"]["held"]) == (25, 0, True)
    assert (entry["proxy"], entry["hold"]) == ("edge-1", hold.id)
    assert entry["happened_at"] == "2026-11-24T12:00:00.000000Z"
    assert (entry["record"], entry["record_sha256"]) == (row.text, row.sha256)
    assert json.loads(entry["record"])["exposure"] == {"embeddings": 2500}
    assert glass.Sealed(entry["record"], entry["signature"], entry["key"]).holds()
    assert (row.outcome, row.entry.data) == ("moved", entry)
    decision = after.decisions.first()
    assert (decision.action, decision.actor_kind, decision.entry) == (
        "late_entry",
        "host",
        row.entry,
    )


def test_the_snapshot_that_follows_keeps_the_hold_and_takes_the_other_proxies_along(host, tmp_path):
    other = Host(tmp_path / "edge-2", "edge-2")
    other.follow()
    hold = host.breaks()
    host.tells()
    assert (host.share, other.share) == (0, 2500)
    services.follow_holds(now=NOW)
    assert (host.follow(), other.follow()) == ("accepted", "accepted")
    assert (host.share, other.share) == (0, 0)
    assert (host.hold, other.hold) == (hold, None)


def test_importing_again_or_hearing_it_again_changes_nothing(host):
    host.breaks()
    body = host.report()
    for _ in range(3):
        host.tells(head={"glass": body["glass"]})
        services.follow_holds(now=LATER)
    assert (len(entries()), outcomes()) == (1, [("moved", "")])
    assert GlassRecord.objects.count() == 1


def test_it_opens_a_review_that_stops_the_end_until_another_person_closes_it(host):
    host.breaks("users complain", by="olga")
    host.tells()
    services.follow_holds(now=NOW)
    (review,) = oversight.open_reviews(host.made)
    assert (review.cause, review.opened_by) == ("break_glass", "olga@edge-1")
    assert (
        review.detail == "olga broke the glass at edge-1, 2026-11-24 12:00:00 UTC: users complain"
    )
    services.resume(slug=host.made.slug, reason="looked at", actor=OLGA, now=NOW)
    host.follow()
    host.tells()
    made = fresh(host.made)
    while made.phase != "full":
        made = promoted(made)
    in_effect(made)
    traffic_of(made, at=LATER, candidate=500)
    Proxy.objects.update(last_seen_at=LATER)
    approved(made, Action.DECOMMISSION, now=LATER)
    end = {
        "slug": made.slug,
        "version": fresh(made).version,
        "reason": "done",
        "confirm": f"{made.slug} decommission",
        "actor": LENA,
        "now": LATER + timedelta(hours=1),
    }
    Proxy.objects.update(last_seen_at=end["now"])
    traffic_of(made, at=end["now"], candidate=500)
    with pytest.raises(ConflictError) as refused:
        services.decommission(**end)
    assert refused.value.code == "open_review"
    services.close_review(review_id=review.pk, text="a false alarm", actor=ANNA, now=LATER)
    assert oversight.open_reviews(made) == []


def test_a_record_without_a_reason_says_so(host):
    host.breaks("")
    host.tells()
    services.follow_holds(now=NOW)
    assert newest()["reason"] == "not given"


def test_a_clock_that_runs_ahead_moves_nothing_into_the_future(host):
    host.breaks(at=LATER)
    host.tells()
    services.follow_holds(now=NOW)
    (entry,) = entries()
    assert entry["happened_at"] == entry["at"]
    assert json.loads(entry["record"])["at"] == "2026-11-24T12:05:00.000000Z"


@pytest.mark.parametrize(
    ("code", "forge"),
    [
        ("forged", other_text),
        ("forged", lambda s: replace(s, signature="00" * 64)),
        ("forged", lambda s: replace(s, signature="zz"[:0] + "ab")),
        ("unsigned", lambda s: replace(s, signature="", key="")),
        ("malformed", lambda s: replace(s, text="{}")),
        ("malformed", lambda s: replace(s, text=s.text + " ")),
        (
            "unknown_key",
            lambda s: glass.seal(glass.read(s.text), Ed25519PrivateKey.generate()),
        ),
    ],
)
def test_what_is_not_to_be_believed_is_kept_as_denied_and_the_hold_is_followed_all_the_same(
    host, code, forge
):
    host.breaks()
    sealed = [forge(s) for _, s in host.glass.waiting()]
    host.tells(forge=forge)
    services.follow_holds(now=NOW)
    assert entries() == []
    (denied,) = entries("migration:denied")
    assert (denied["attempt"], denied["code"], denied["proxy"]) == ("late_entry", code, "edge-1")
    assert denied["record"] == sealed[0].text
    assert outcomes() == [("refused", code)]
    back = fresh(host.made).decisions.first()
    assert (back.action, back.actor) == ("roll_back", "banyan")
    assert f"edge-1 (hold {host.hold.id}" in back.reason
    assert place(host.made) == ("dual_run", 0, True)
    assert services.follow_holds(now=LATER) == 0


def sealed_by(host, **changes):
    """A record signed with the host's own key, but with other contents."""

    def forge(sealed):
        record = replace(glass.read(sealed.text), **changes)
        return glass.seal(record, host.glass.identity().key)

    return forge


@pytest.mark.parametrize(
    ("code", "changes"),
    [("foreign", {"proxy": "edge-9"}), ("foreign_lineage", {"lineage": "another"})],
)
def test_a_true_signature_under_somebody_elses_record_is_denied(host, code, changes):
    host.breaks()
    host.tells(forge=sealed_by(host, **changes))
    services.follow_holds(now=NOW)
    assert outcomes() == [("refused", code)]


def test_a_forged_copy_that_comes_first_does_not_keep_the_true_record_out(host):
    host.breaks()
    body = host.report()
    forged = [{**wire, "signature": "00" * 64} for wire in body["glass"]]
    host.tells(head={"glass": forged, "hold": None})
    services.follow_holds(now=NOW)
    host.tells(head={"glass": body["glass"]})
    services.follow_holds(now=NOW)
    assert outcomes() == [("refused", "forged"), ("moved", "")]


def test_the_first_key_is_kept_until_the_proxy_is_registered_anew(host):
    host.tells()
    first = host.row.glass_key
    assert first == host.glass.public_key
    host.tells(head={"glass_key": "ab" * 32})
    assert host.row.glass_key == first
    group = host.row.group
    register_proxy(group=group, name="edge-1", token="secret", now=NOW)
    assert host.row.glass_key == first
    register_proxy(group=group, name="edge-1", token="another", now=NOW)
    assert host.row.glass_key == ""


def test_records_out_of_order_are_all_entered_and_only_the_hold_in_force_moves(host):
    first = host.breaks("first", at=NOW)
    host.bench.store.save(replace(host.bench.store.load(), hold=None))
    host.bench.applier.status()
    second = host.breaks("second", at=LATER)
    assert first.id != second.id
    body = host.report()
    for wire in reversed(body["glass"]):
        host.tells(now=LATER, head={"glass": [wire]})
        services.follow_holds(now=LATER)
    assert [entry["reason"] for entry in entries()] == ["second", "first"]
    assert outcomes() == [("moved", ""), ("noted", "")]
    late = entries()[1]
    assert late["from"] == late["to"]
    assert fresh(host.made).held_reason == "second"
    assert len(oversight.open_reviews(host.made)) == 2


def test_a_migration_that_moved_meanwhile_is_lowered_from_where_it_stands_now(host):
    host.breaks()
    body = host.report()
    made = promoted(host.made)
    assert made.weight == 50
    host.tells(head={**body, "seq": 9})
    services.follow_holds(now=NOW)
    (entry,) = entries()
    assert (entry["from"]["weight"], entry["to"]["weight"]) == (50, 0)
    assert json.loads(entry["record"])["generation"] < entry["generation"]


def test_a_migration_that_was_rolled_back_meanwhile_keeps_its_place_and_the_entry_is_made(host):
    host.breaks("from the host")
    services.roll_back(slug=host.made.slug, actor=OLGA, now=NOW, reason="from the page")
    before = fresh(host.made)
    host.tells()
    services.follow_holds(now=NOW)
    after = fresh(host.made)
    assert (after.version, after.held_reason) == (before.version, "from the page")
    assert [entry["reason"] for entry in entries()] == ["from the host"]
    assert outcomes() == [("noted", "")]
    assert len(oversight.open_reviews(after)) == 1


def test_a_migration_that_was_resumed_meanwhile_is_held_again(host):
    host.breaks()
    services.roll_back(slug=host.made.slug, actor=OLGA, now=NOW, reason="from the page")
    services.resume(slug=host.made.slug, reason="quiet", actor=OLGA, now=NOW)
    host.tells()
    services.follow_holds(now=NOW)
    assert place(host.made) == ("dual_run", 0, True)
    assert outcomes() == [("moved", "")]


def test_an_ended_migration_gets_the_entry_and_stays_ended(tmp_path):
    made = started()
    host = Host(tmp_path / "edge-1")
    host.follow()
    host.breaks()
    services.abandon(slug=made.slug, version=fresh(made).version, reason="no", actor=OLGA, now=NOW)
    host.tells()
    assert services.follow_holds(now=NOW) == 1
    assert (place(made), outcomes()) == (("abandoned", 0, False), [("noted", "")])


def test_a_record_of_a_group_without_a_migration_is_the_proxys_own_entry(tmp_path):
    create_group(name="default", now=NOW)
    host = Host(tmp_path / "edge-1")
    host.breaks()
    host.tells(forge=None)
    services.follow_holds(now=NOW)
    assert newest()["action"] == "proxy:late_entry"
    host.bench.store.save(replace(host.bench.store.load(), hold=None))
    host.breaks("again")
    host.tells(forge=other_text)
    services.follow_holds(now=NOW)
    assert (newest()["action"], newest()["code"]) == ("proxy:denied", "forged")


def test_several_proxies_broken_at_different_times_each_have_their_entry(host, tmp_path):
    other = Host(tmp_path / "edge-2", "edge-2")
    other.follow()
    host.breaks("first", at=NOW)
    host.tells()
    services.follow_holds(now=NOW)
    moved = fresh(host.made)
    other.breaks("second", at=LATER)
    other.tells(now=LATER)
    services.follow_holds(now=LATER)
    assert [(entry["proxy"], entry["reason"]) for entry in entries()] == [
        ("edge-1", "first"),
        ("edge-2", "second"),
    ]
    assert outcomes() == [("moved", ""), ("noted", "")]
    assert fresh(host.made).version == moved.version
    services.resume(slug=host.made.slug, reason="looked at both", actor=OLGA, now=LATER)
    released = Snapshot.objects.order_by("-generation").first().document["release_hold"]
    assert sorted(released) == sorted([host.hold.id, other.hold.id])
    assert newest()["released"] == sorted(released)
    assert (host.follow(), other.follow()) == ("accepted", "accepted")
    assert (host.hold, other.hold) == (None, None)


def test_a_hold_from_before_the_start_is_followed_and_can_be_released(tmp_path):
    made = make_migration()
    host = Host(tmp_path / "edge-1")
    host.follow()
    host.breaks()
    host.tells()
    services.follow_holds(now=NOW)
    assert (place(made), outcomes()) == (("draft", 0, False), [("noted", "")])
    services.decide(slug=made.slug, action=Action.START, version=0, reason="", actor=OLGA, now=NOW)
    services.follow_holds(now=NOW)
    assert place(made) == ("dual_run", 0, True)
    services.resume(slug=made.slug, reason="ready", actor=OLGA, now=NOW)
    host.follow()
    assert host.hold is None
    host.tells()
    assert services.follow_holds(now=NOW) == 0


def test_one_record_that_cannot_be_imported_does_not_keep_the_next_one_waiting(
    host, tmp_path, monkeypatch, caplog
):
    other = Host(tmp_path / "edge-2", "edge-2")
    other.follow()
    for each in (host, other):
        each.breaks()
        each.tells()
    real = services.late._enter

    def broken(row, *rest):
        if row.proxy.name == "edge-1":
            raise RuntimeError("a defect")
        return real(row, *rest)

    monkeypatch.setattr(services.late, "_enter", broken)
    assert services.import_records(now=NOW) == 1
    assert "could not be imported" in caplog.text
    assert outcomes() == [("waiting", ""), ("moved", "")]
    monkeypatch.undo()
    assert services.import_records(now=NOW) == 1


# --- Resume ---------------------------------------------------------------------------------------


def test_resume_ends_exactly_the_reported_hold_and_the_way_up_is_open_again(host):
    hold = host.breaks()
    host.tells()
    services.follow_holds(now=NOW)
    host.follow()
    services.resume(slug=host.made.slug, reason="fixed", actor=OLGA, now=NOW)
    document = Snapshot.objects.order_by("-generation").first().document
    assert document["release_hold"] == hold.id
    assert newest()["released"] == [hold.id]
    assert newest()["generation"] == document["generation"]
    assert (host.follow(), host.hold, host.share) == ("accepted", None, 0)
    host.tells()
    assert Proxy.objects.get().hold is None
    assert services.follow_holds(now=NOW) == 0
    made = promoted(in_effect(host.made))
    assert made.weight == 5
    assert (host.follow(), host.share) == ("accepted", 500)


def test_resume_without_a_hold_publishes_nothing(host):
    services.roll_back(slug=host.made.slug, actor=OLGA, now=NOW, reason="x")
    before = ProxyGroup.objects.get().generation
    services.resume(slug=host.made.slug, reason="quiet", actor=OLGA, now=NOW)
    assert ProxyGroup.objects.get().generation == before
    assert "released" not in newest()


def test_a_hold_taken_while_the_release_is_on_its_way_stays(host):
    host.breaks("first")
    host.tells()
    services.follow_holds(now=NOW)
    host.follow()
    services.resume(slug=host.made.slug, reason="fixed", actor=OLGA, now=NOW)
    second = host.breaks("again")
    assert host.follow() == "accepted"
    assert host.hold == second
    made = promoted(in_effect(host.made))
    assert made.weight == 5
    assert host.follow() == "refused"
    assert host.share == 0
    host.tells()
    services.follow_holds(now=LATER)
    assert place(host.made) == ("dual_run", 0, True)
    assert [entry["reason"] for entry in entries()] == ["first", "again"]


def test_resume_enters_what_waits_first_and_then_asks_the_person_to_look(host):
    services.hold(slug=host.made.slug, reason="think", actor=OLGA, now=NOW)
    read = fresh(host.made).version
    host.breaks()
    host.tells()
    with pytest.raises(ConflictError) as refused:
        services.resume(slug=host.made.slug, reason="go on", actor=OLGA, now=NOW, version=read)
    assert refused.value.code == "stale_version"
    assert place(host.made) == ("dual_run", 0, True)
    assert len(entries()) == 1


def test_a_proxy_that_was_away_at_the_resume_ends_its_hold_when_it_is_back(host, tmp_path):
    other = Host(tmp_path / "edge-2", "edge-2")
    other.follow()
    for each in (host, other):
        each.breaks()
        each.tells()
    services.follow_holds(now=NOW)
    services.resume(slug=host.made.slug, reason="fixed", actor=OLGA, now=NOW)
    host.follow()
    host.tells()
    assert services.follow_holds(now=NOW) == 0
    services.hold(slug=host.made.slug, reason="lunch", actor=OLGA, now=NOW)
    services.resume(slug=host.made.slug, reason="back", actor=OLGA, now=NOW)
    assert (other.follow(), other.hold) == ("accepted", None)


def test_the_ledger_tells_the_whole_story(host):
    host.breaks()
    host.tells()
    services.follow_holds(now=NOW)
    assert ledger.verify().compared == 1
    assert ledger.verify().unknown == {}
