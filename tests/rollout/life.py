"""People, gates that say what a test wants, and a migration brought anywhere by its services."""

from datetime import timedelta

import pytest

from audit import queries as ledger
from audit.chain import Actor
from judge.verdict import Verdict
from rollout import gates, oversight, services
from rollout.gates import GATES, GateResult
from rollout.gates.base import simple_evidence
from rollout.lifecycle import Action, gated_place
from rollout.models import ServiceMigration
from rollout.policy import DEMO, GUIDE, Policy
from shadow.models import ServicePair
from tests.rollout.builders import NOW, fresh, make_migration
from traffic.models import Acknowledgement, Proxy, TrafficBlock

ROLES = ("viewer", "operator", "approver", "lead", "admin")


def person(role: str, name: str = "") -> Actor:
    return Actor(kind="user", name=name or f"{role}-person", role=role)


OLGA = person("operator", "olga")
ANNA = person("approver", "anna")
LENA = person("lead", "lena")
AUTOMATION = Actor(kind="automation", name="banyan", role="automation")


class Gates:
    """Stands for the evaluation: every gate PASSes unless a test says otherwise."""

    def __init__(self) -> None:
        self.verdicts = {}

    def install(self, monkeypatch) -> None:
        monkeypatch.setattr(gates, "evaluate", self.evaluate)
        monkeypatch.setattr(
            gates, "evaluate_context", lambda c: self.evaluate(c.migration, now=c.now)
        )

    def say(self, gate: str, verdict: Verdict) -> None:
        self.verdicts[gate] = verdict

    def evaluate(self, migration: ServiceMigration, *, now) -> list[GateResult]:
        policy = Policy.from_dict(migration.policy)
        required = policy.required(gated_place(migration.place, policy.weights))
        waived = oversight.live_waivers(migration, now=now)
        return [
            GateResult(
                key=gate.key,
                title=gate.title,
                group=gate.group,
                measured=gate.measured,
                evidence=evidence(gate.key, self.verdicts.get(gate.key, Verdict.PASS)),
                required=gate.key in required,
                waived=gate.key in waived,
            )
            for gate in GATES
        ]


def evidence(gate: str, verdict: Verdict = Verdict.FAIL):
    return simple_evidence(gate, verdict, f"{gate} says {verdict}.", n=100)


@pytest.fixture
def open_gates(monkeypatch) -> Gates:
    said = Gates()
    said.install(monkeypatch)
    return said


def started(*, policy="demo", now=NOW) -> ServiceMigration:
    """In dual-run with known builds, its one proxy alive."""
    made = make_migration(now=now, policy=policy)
    set_builds(made, candidate="candidate-1")
    services.decide(slug=made.slug, action=Action.START, version=0, reason="", actor=OLGA, now=now)
    return fresh(made)


def set_builds(made: ServiceMigration, *, candidate: str, legacy: str = "legacy-1") -> None:
    ServicePair.objects.filter(pk=made.pair_id).update(
        legacy_build=legacy, candidate_build=candidate
    )


def approved(made: ServiceMigration, action=Action.PROMOTE, *, now=NOW, by=LENA, terms=None):
    """Ask as `by`, grant as Anna."""
    asked = services.request_approval(
        slug=made.slug,
        action=action,
        version=fresh(made).version,
        reason="please look",
        actor=by,
        now=now,
        terms=terms,
    )
    return services.grant_approval(approval_id=asked.pk, actor=ANNA, now=now)


def promoted(made: ServiceMigration, *, now=NOW, actor=OLGA) -> ServiceMigration:
    policy = GUIDE if fresh(made).policy["name"] == "guide" else DEMO
    if policy.approvals_required:
        approved(made, now=now)
    services.promote(
        slug=made.slug, version=fresh(made).version, reason="evidence read", actor=actor, now=now
    )
    return fresh(made)


def at_weight(weight: int, *, policy="demo", full: bool = False, now=NOW) -> ServiceMigration:
    """In canary at `weight` (0: dual-run), or in full."""
    made = started(policy=policy, now=now)
    while made.weight < weight or (full and made.phase != "full"):
        made = promoted(made, now=now)
    return made


def in_effect(made: ServiceMigration, *, at=NOW) -> ServiceMigration:
    made = fresh(made)
    proxy = Proxy.objects.get()
    Proxy.objects.update(state="accepted", generation=made.placed_generation, last_seen_at=at)
    Acknowledgement.objects.get_or_create(
        proxy=proxy, generation=made.placed_generation, state="accepted", defaults={"at": at}
    )
    ServiceMigration.objects.filter(pk=made.pk).update(accepted_at=at, in_effect_at=at)
    return fresh(made)


def traffic_of(made: ServiceMigration, *, at, **requests: int) -> None:
    """One block per arm that ended just before `at`."""
    for arm, count in requests.items():
        TrafficBlock.objects.create(
            proxy=Proxy.objects.get(),
            boot="b",
            split=made.split.name,
            route="POST /infer",
            arm=arm,
            start=int((at - timedelta(seconds=5)).timestamp()),
            seconds=2,
            requests=count,
        )


def assert_ledger_holds() -> None:
    report = ledger.verify()
    assert report.verified, report.text


def newest() -> dict:
    return ledger.get(ledger.head().seq).data
