"""Gates of the checklist rest on the newest finished run of the present builds, while it holds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from judge.verdict import Verdict
from rollout import gates, services
from rollout.gates.checks import check
from rollout.gates.reading import read_context
from rollout.models import ServiceMigration
from shadow.models import CheckRun
from tests.rollout.builders import NOW, in_dual_run

pytestmark = pytest.mark.django_db
FOUND = {"severity": "breaking", "sentence": "score is missing.", "code": "missing"}


def ran(**changes):
    migration = ServiceMigration.objects.select_related("pair", "split").get()
    values = {
        "item": "schema",
        "builds": migration.pair.builds,
        "state": "done",
        "requested_at": NOW,
        "expires_at": NOW + timedelta(hours=1),
        "verdict": "PASS",
        "sentence": "Both agree.",
        "result": {"n": 40, "failed": 0, "findings": []},
    }
    return CheckRun.objects.create(pair=migration.pair, **(values | changes))


def judged(**changes):
    migration = ServiceMigration.objects.select_related("pair", "split").get()
    return check("schema")(replace(read_context(migration, now=NOW), **changes))[0]


@pytest.fixture(autouse=True)
def migration():
    return in_dual_run()


def test_without_a_run_nothing_is_known():
    found = judged()
    assert (found.verdict, found.sentence) == (
        Verdict.INCONCLUSIVE,
        "Not run on these builds yet.",
    )


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_runs_verdict_is_the_gates(verdict):
    ran(verdict=verdict.value, result={"n": 40, "failed": 2, "findings": [FOUND]})
    found = judged()
    assert (found.verdict, found.sentence) == (verdict, "Both agree.")
    assert (found.n, found.k, found.value) == (40, 2, 1)
    assert found.reasons == ("score is missing.",)


@pytest.mark.parametrize("expires_at", [None, NOW, NOW - timedelta(days=1)])
def test_a_run_that_expired_or_names_no_end_opens_nothing(expires_at):
    ran(expires_at=expires_at)
    found = judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "expired" in found.sentence


def test_a_run_of_other_builds_opens_nothing():
    ran(builds="legacy-1|candidate-0")
    assert judged().sentence == "Not run on these builds yet."


@pytest.mark.parametrize("verdict", ["", "GOOD"])
def test_a_verdict_that_is_none_is_an_error(verdict):
    ran(verdict=verdict)
    assert judged().verdict is Verdict.ERROR


def test_a_run_under_way_shows_how_far_it_is():
    ran(state="running", progress=0.4, doing="asks for /infer", started_at=NOW)
    found = judged()
    assert (found.verdict, found.progress) == (Verdict.INCONCLUSIVE, 0.4)
    assert "asks for /infer" in found.sentence


def test_a_run_under_way_leaves_the_last_one_standing():
    ran()
    ran(state="running", progress=0.4)
    assert judged().verdict is Verdict.PASS


def test_a_waived_item_looks_blocking_nowhere_but_a_fail_does():
    migration = ServiceMigration.objects.select_related("pair", "split").get()
    guide = {**migration.policy, "gates": [*migration.policy["gates"], {"gate": "schema"}]}
    guide["gates"] = [{"from_weight": 1, **rule} for rule in guide["gates"]]
    migration.policy = guide
    context = read_context(migration, now=NOW)

    def result(waived):
        found = gates.evaluate_context(replace(context, waived=frozenset(waived)))
        return next(r for r in found if r.key == "schema")

    assert result(()).blocks
    assert not result(("schema",)).blocks
    assert result(("schema",)).to_dict()["waived"]
    ran(verdict="FAIL")
    context = read_context(migration, now=NOW)
    assert result(("schema",)).blocks


def test_evaluations_are_kept_for_each_route_too_and_renewed_until_the_verdict_changes():
    migration = ServiceMigration.objects.select_related("pair", "split").get()
    results = gates.evaluate(migration, now=NOW)
    kept = services.keep_evaluations(migration=migration, results=results, now=NOW)
    assert [row.gate for row in kept] == [result.key for result in results]
    of_gate = migration.evaluations.filter(gate="discrepancy")
    assert set(of_gate.values_list("route", flat=True)) == {"", "POST /infer", "POST /v1/infer"}
    count = migration.evaluations.count()
    later = NOW + timedelta(seconds=2)
    services.keep_evaluations(migration=migration, results=results, now=later)
    assert migration.evaluations.count() == count
    assert {row.at for row in migration.evaluations.all()} == {later}
    whole = next(r for r in results if r.key == "discrepancy")
    routes = tuple((name, replace(e, verdict=Verdict.PASS)) for name, e in whole.routes[:1])
    services.keep_evaluations(
        migration=migration, results=[replace(whole, routes=routes)], now=later
    )
    latest = of_gate.filter(latest=True).order_by("route").values_list("route", "verdict")
    assert list(latest) == [("", "INCONCLUSIVE"), ("POST /infer", "PASS")]
