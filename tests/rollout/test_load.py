"""A migration's load test: begun and stopped by people, driven by ticks, judged by the gate."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from rest_framework.test import APIClient

from audit.chain import Actor
from audit.models import LedgerEntry
from judge.histogram import hist_bucket
from rollout import gates, services
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError
from rollout.gates import read_context
from rollout.gates.load import load as load_gate
from rollout.models import ServiceMigration
from shadow.models import CorpusRequest, ServicePair
from tests.rollout.builders import NOW, OPERATOR, accept, fresh, in_dual_run
from traffic import services as traffic
from traffic.load import driver
from traffic.load.memory import MB
from traffic.load.plan import LoadPlan
from traffic.models import (
    Acknowledgement,
    LoadBlock,
    LoadRun,
    Proxy,
    RoutingBlock,
    Snapshot,
    TrafficBlock,
)

pytestmark = pytest.mark.django_db
FAST_US, SLOW_US = 5_000, 40_000
RPS, BLOCK_S = 100, 2


def actions() -> list[str]:
    return [entry.action for entry in LedgerEntry.objects.order_by("seq")]


class Town:
    """A migration in dual-run with steady production, whose clock the test moves."""

    def __init__(self, *, errors: float = 0.0, collapse_at: float = 1e9) -> None:
        self.errors, self.collapse_at = errors, collapse_at
        migration = in_dual_run(now=NOW)
        accept(migration, at=NOW)
        Proxy.objects.update(capabilities=["load_amplify"])
        self.proxy = Proxy.objects.get()
        self.now = NOW
        for _ in range(15):
            self.block()

    @property
    def migration(self) -> ServiceMigration:
        return fresh(ServiceMigration.objects.get())

    def block(self) -> None:
        """Let one block pass: report it, and accept what was asked."""
        split = self.migration.split
        copying = split.amplify_until is not None and self.now < split.amplify_until
        copies = split.amplify_tth / 10_000 if copying else 0.0
        load = round(RPS * BLOCK_S * copies)
        bad = round(load * 0.5) if RPS * (1 + copies) > self.collapse_at else 0
        self.arm("legacy", RPS * BLOCK_S, slow=2)
        self.arm("candidate_shadow", RPS * BLOCK_S)
        self.arm("candidate_load", load, errors=bad, slow=bad)
        RoutingBlock.objects.create(
            proxy=self.proxy,
            boot="b",
            split=split.name,
            epoch=split.epoch,
            start=int(self.now.timestamp()),
            seconds=BLOCK_S,
            arms={"legacy": RPS * BLOCK_S, "candidate": 0},
        )
        self.now += timedelta(seconds=BLOCK_S)
        newest = Snapshot.objects.order_by("-generation")[0].generation
        Proxy.objects.update(state="accepted", generation=newest, last_seen_at=self.now)
        Acknowledgement.objects.get_or_create(
            proxy=self.proxy, generation=newest, state="accepted", defaults={"at": self.now}
        )

    def arm(self, name: str, requests: int, *, errors: int = 0, slow: int = 0) -> None:
        if requests:
            latency = {str(hist_bucket(FAST_US)): requests - slow, str(hist_bucket(SLOW_US)): slow}
            TrafficBlock.objects.create(
                proxy=self.proxy,
                boot="b",
                split=self.migration.split.name,
                route="POST /infer",
                arm=name,
                start=int(self.now.timestamp()),
                seconds=BLOCK_S,
                requests=requests,
                errors=errors,
                latency={"table": "us-1pct-v1", "all": latency},
            )

    def start(self, **changes) -> LoadRun:
        asked = {"mode": "mirror", "declared_rps": None, "reason": "", "actor": OPERATOR}
        return services.start_load(slug="embeddings", now=self.now, **{**asked, **changes})

    def drive(self) -> LoadRun | None:
        self.block()
        run = LoadRun.objects.select_related("split").filter(state="running").first()
        return services.drive_load(run, now=self.now) if run else None

    def run(self, most: int = 120) -> LoadRun:
        for _ in range(most):
            if ended := self.drive():
                return ended
        raise AssertionError("the test did not end")

    def drive_until_copying(self) -> None:
        while not self.migration.split.amplify_tth:
            self.drive()

    def gate(self):
        return load_gate(read_context(self.migration, now=self.now))[0]


def test_a_whole_test_amplifies_to_twice_the_measured_peak_and_opens_the_gate() -> None:
    town = Town()
    assert town.gate().verdict == "INCONCLUSIVE"
    run = town.start()
    assert LoadPlan.from_dict(run.plan).peak_rps == pytest.approx(100)
    town.drive()
    assert "running" in town.gate().sentence
    ended = town.run()
    assert ended.verdict == "PASS", ended.sentence
    assert ended.result["stages"][-1]["measured_rps"] == pytest.approx(200, rel=0.03)
    assert town.migration.split.amplify_tth == 0
    assert "amplify_until" not in Snapshot.objects.order_by("-generation")[0].document
    assert town.gate().verdict == "PASS"
    assert [a for a in actions() if "load" in a] == ["migration:load_start", "migration:load_end"]


def test_a_candidate_that_answers_well_and_leaks_fails_with_its_figures() -> None:
    town = Town()
    town.start()
    resident, ended = 10 * MB, None
    while ended is None:
        town.block()
        run = LoadRun.objects.select_related("split").get()
        resident += 6 * MB
        ended = services.drive_load(run, now=town.now, resident=resident)
    assert ended.verdict == "FAIL"
    assert "did not come to rest" in ended.sentence
    assert town.gate().verdict == "FAIL"


def test_amplifying_moves_nobody_and_leaves_the_place_in_effect() -> None:
    town = Town()
    before = town.migration
    town.start()
    town.drive_until_copying()
    newest = Snapshot.objects.order_by("-generation")[0]
    assert newest.exposure == {"embeddings": 0}
    assert newest.document["calm_routes"] != newest.document["routes"]
    after = town.migration
    assert (after.version, after.placed_generation) == (before.version, before.placed_generation)
    assert gates.convergence_of(after, now=town.now).complete


def test_a_collapse_is_a_fail_with_its_cause_and_the_copies_end_at_once() -> None:
    town = Town(collapse_at=140)
    town.start()
    ended = town.run()
    assert ended.verdict == "FAIL"
    assert ended.sentence.startswith("Collapsed at 1.5 ×")
    assert town.migration.split.amplify_tth == 0
    assert town.gate().verdict == "FAIL"


def test_copies_end_by_themselves_when_nobody_ticks_any_more() -> None:
    town = Town()
    town.start()
    town.drive_until_copying()
    split = town.migration.split
    later = split.amplify_until + timedelta(seconds=1)
    doc = traffic.publish(group_id=split.group_id, now=later).document
    assert "amplify_until" not in doc
    assert "candidate-load" not in str(doc["routes"])


def test_a_worker_that_was_dead_too_long_gives_the_run_up_and_leaves_no_copies() -> None:
    town = Town()
    run = town.start()
    town.drive_until_copying()
    run.refresh_from_db()
    ended = services.drive_load(run, now=run.deadline_at)
    assert ended is not None
    assert ended.verdict == "INCONCLUSIVE"
    assert town.migration.split.amplify_tth == 0


def test_a_roll_back_ends_the_copies_in_its_own_snapshot() -> None:
    town = Town()
    town.start()
    town.drive_until_copying()
    services.roll_back(slug="embeddings", actor=OPERATOR, now=town.now, reason="drill")
    town.drive()
    run = LoadRun.objects.get()
    assert (run.state, run.verdict) == ("stopped", "INCONCLUSIVE")
    assert town.migration.split.amplify_tth == 0


def test_a_place_that_is_asked_for_resets_the_copies_before_any_tick() -> None:
    town = Town()
    town.start()
    town.drive_until_copying()
    split = town.migration.split
    traffic.ask_for_split(
        split=split, mode="canary", weight_tth=500, epoch="e2", likely=[], now=town.now
    )
    assert town.migration.split.amplify_tth == 0
    assert "calm_routes" not in Snapshot.objects.order_by("-generation")[0].document


def test_a_new_build_ends_the_test_and_its_verdict_does_not_count() -> None:
    town = Town()
    town.start()
    town.run()
    assert town.gate().verdict == "PASS"
    ServicePair.objects.update(candidate_build="candidate-2")
    assert town.gate().verdict == "INCONCLUSIVE"
    assert "another build" in town.gate().sentence
    town.start()
    ServicePair.objects.update(candidate_build="candidate-3")
    town.drive()
    assert LoadRun.objects.first().sentence == "Stopped: a build changed."


def test_a_verdict_expires() -> None:
    town = Town()
    town.start()
    ended = town.run()
    town.now = ended.expires_at
    assert town.gate().verdict == "INCONCLUSIVE"


def test_somebody_stops_it_and_that_is_no_verdict() -> None:
    town = Town()
    town.start()
    town.drive_until_copying()
    ended = services.stop_load(slug="embeddings", reason="enough", actor=OPERATOR, now=town.now)
    assert ended is not None
    assert ended.sentence == "Stopped by olga: enough"
    assert town.migration.split.amplify_tth == 0
    assert town.gate().verdict == "INCONCLUSIVE"
    assert actions()[-1] == "migration:load_stop"
    again = services.stop_load(slug="embeddings", reason="", actor=OPERATOR, now=town.now)
    assert again is None


def test_a_tick_that_was_overtaken_writes_nothing() -> None:
    town = Town()
    town.start()
    stale = LoadRun.objects.select_related("split").get()
    town.drive()
    after = LoadRun.objects.get()
    assert services.drive_load(stale, now=town.now) is None
    assert LoadRun.objects.get().progress == after.progress or after.ticked_at is not None


def test_what_cannot_be_begun_is_refused_in_words() -> None:
    town = Town()
    viewer = Actor(kind="user", name="vera", role="viewer")
    with pytest.raises(ForbiddenError):
        town.start(actor=viewer)
    with pytest.raises(InvalidError, match="seen at 100"):
        town.start(declared_rps=50.0)
    Proxy.objects.update(capabilities=[])
    with pytest.raises(ConflictError, match="cannot copy for a load test"):
        town.start()
    Proxy.objects.update(capabilities=["load_amplify"])
    town.start()
    with pytest.raises(ConflictError, match="runs already"):
        town.start()


def test_without_production_a_peak_must_be_declared() -> None:
    town = Town()
    RoutingBlock.objects.all().delete()
    with pytest.raises(ConflictError, match="declare the peak"):
        town.start()
    assert LoadPlan.from_dict(town.start(declared_rps=150.0).plan).declared


def client(role: str) -> APIClient:
    user = User.objects.create_user(role)
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    found = APIClient()
    found.force_authenticate(user)
    return found


ADDRESS = "/api/v1/migrations/embeddings/load/"


def test_rest_starts_shows_and_stops(monkeypatch) -> None:
    town = Town()
    monkeypatch.setattr("rollout.api.base.timezone.now", lambda: town.now)
    operator = client("operator")
    started = operator.post(ADDRESS, {"reason": "before 100 %"}, format="json")
    assert started.status_code == 202, started.content
    town.drive_until_copying()
    shown = operator.get(ADDRESS).json()
    assert shown["running"]["doing"].endswith("× the peak")
    assert shown["running"]["copies"] > 0
    assert shown["running"]["remaining_s"] >= 0
    stopped = operator.post(f"{ADDRESS}stop/", {}, format="json").json()
    assert (stopped["changed"], stopped["state"]) == (True, "stopped")
    assert operator.get(ADDRESS).json()["running"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"rate": 5},
        {"mode": "everything"},
        {"peak_rps": "200"},
        {"peak_rps": True},
        {"peak_rps": 0},
        {"reason": 5},
    ],
)
def test_rest_reads_options_strictly(body) -> None:
    Town()
    refused = client("operator").post(ADDRESS, body, format="json")
    assert refused.status_code == 400
    assert refused.json()["field"] == next(iter(body))
    assert not LoadRun.objects.exists()


def test_rest_needs_an_operator() -> None:
    Town()
    assert client("viewer").post(ADDRESS, {}, format="json").status_code == 403
    assert client("viewer2").get(ADDRESS).status_code == 200


def generated(town: Town, *, late_us: int = 500, errors: int = 0) -> None:
    """Let a generator report the last block's seconds at the rate that the row wants."""
    run = LoadRun.objects.get()
    sent = round(run.desired_rps * BLOCK_S)
    if sent:
        LoadBlock.objects.create(
            run=run,
            boot="g",
            start=int(town.now.timestamp()) - BLOCK_S,
            seconds=BLOCK_S,
            requests=sent,
            errors=errors,
            latency={"all": {str(hist_bucket(FAST_US)): sent}},
            lateness={"all": {str(hist_bucket(late_us)): sent}},
        )


def run_generated(town: Town, **changes) -> LoadRun:
    town.start(mode="generator", declared_rps=1000.0)
    for _ in range(120):
        town.block()
        generated(town, **changes)
        if ended := services.drive_load(
            LoadRun.objects.select_related("split").get(), now=town.now
        ):
            return ended
    raise AssertionError("the test did not end")


def test_a_generator_makes_up_for_a_quiet_production() -> None:
    town = Town()
    generation = Snapshot.objects.count()
    ended = run_generated(town)
    assert ended.verdict == "PASS", ended.sentence
    assert ended.result["stages"][-1]["measured_rps"] == pytest.approx(2000, rel=0.03)
    assert Snapshot.objects.count() == generation, "no proxy copies anything for a generator"


def test_a_late_generator_proves_nothing() -> None:
    ended = run_generated(Town(), late_us=90_000)
    assert ended.verdict == "INCONCLUSIVE"
    assert "was late" in ended.sentence


def test_a_generator_that_meets_errors_is_a_fail() -> None:
    assert run_generated(Town(), errors=400).verdict == "FAIL"


def test_one_generator_at_a_time_has_a_run() -> None:
    town = Town()
    run = town.start(mode="generator", declared_rps=1000.0)
    assert driver.claim(run.pk, name="a", now=town.now)
    assert driver.claim(run.pk, name="a", now=town.now)
    assert not driver.claim(run.pk, name="b", now=town.now)
    assert driver.claim(run.pk, name="b", now=town.now + driver.ALIVE + timedelta(seconds=1))
    assert not driver.claim(run.pk, name="a", now=town.now)
    services.stop_load(slug="embeddings", reason="", actor=OPERATOR, now=town.now)
    assert not driver.claim(run.pk, name="b", now=town.now)


def test_only_requests_of_routes_declared_safe_are_sent() -> None:
    town = Town()
    run = town.start(mode="generator", declared_rps=1000.0)
    pair = town.migration.pair
    pair.routes.filter(path="/v1/infer").update(safe_to_duplicate=False)
    for path in ("/infer", "/v1/infer"):
        CorpusRequest.objects.create(
            pair=pair,
            source="written",
            route=f"POST {path}",
            method="POST",
            path=path,
            headers=[["content-type", "application/json"]],
            body=b"{}",
            sha256=path,
            added_at=NOW,
        )
    requests, url = services.requests_of(run)
    assert [request.path for request in requests] == ["/infer"]
    assert url == pair.candidate_url
