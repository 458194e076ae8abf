"""A route's rules are changed by a decision, tried out before, and leave no older verdict."""

import orjson
import pytest
from django.contrib.auth.models import Group, User
from rest_framework.test import APIClient

from audit.models import LedgerEntry
from rollout import services as rollout
from shadow import findings, queries, services
from shadow.models import Exercise, MatchSample, MismatchGroup, RouteRule
from shadow.pairs import read_pair
from tests.rollout.builders import NOW, make_migration
from tests.rollout.life import assert_ledger_holds

pytestmark = pytest.mark.django_db


@pytest.fixture
def migration():
    return make_migration()


@pytest.fixture
def rule(migration):
    return RouteRule.objects.filter(pair=migration.pair).order_by("path", "method").first()


@pytest.fixture
def client():
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    made = APIClient()
    made.force_authenticate(user)
    return made


def take_in(pair, rule, *bodies, kind="forward", **more):
    entries = []
    for at, (legacy, candidate) in enumerate(bodies):
        values = {
            "id": f"{kind}-{at}-{legacy}-{candidate}", "split": pair.stream, "kind": kind,
            "route": rule.label, "method": rule.method, "path": rule.path,
            "at": str(NOW.timestamp()), "req_body": "{}",
            "a_status": "200", "a_body": orjson.dumps(legacy), "a_headers": HEADERS,
            "b_status": "200", "b_body": orjson.dumps(candidate), "b_headers": HEADERS, **more,
        }  # fmt: skip
        entries.append(
            {k.encode(): v if isinstance(v, bytes) else v.encode() for k, v in values.items()}
        )
    after = services.open_cursor("s")
    compared = services.compare_batch([read_pair(entry) for entry in entries])
    return services.record_batch(
        stream="s", after_id=after, last_id=f"{after}x"[-40:], compared=compared, now=NOW
    )


HEADERS = '[["content-type","application/json"]]'


def url(migration, rest=""):
    return f"/api/v1/migrations/{migration.slug}/{rest}"


def change(client, migration, rule, **changes):
    body = {"version": migration.version, "reason": "the model is half precision", **changes}
    return client.patch(url(migration, f"routes/{rule.pk}/"), body, format="json")


def test_a_change_is_a_decision_with_a_reason_and_a_version(client, migration, rule):
    rules = [{"path": "$.output[*]", "rule": "close", "dtype": "fp16"}]
    answer = change(client, migration, rule, rules=rules)
    assert answer.status_code == 200, answer.json()
    rule.refresh_from_db()
    assert rule.rules == rules
    entry = LedgerEntry.objects.order_by("-seq").first()
    assert entry.data["action"] == "migration:change_rules"
    assert entry.data["route"] == rule.label
    assert entry.data["after"]["rules"] == rules
    assert_ledger_holds()
    assert client.get(url(migration, f"routes/{rule.pk}/")).json()["rules"] == rules
    stale = change(client, migration, rule, rules=[])
    assert stale.status_code == 409


def test_a_change_that_judges_starts_the_pair_anew(client, migration, rule):
    take_in(migration.pair, rule, ({"x": 1.0}, {"x": 2.0}))
    assert queries.causes(pair=migration.pair)
    change(client, migration, rule, atol=5.0)
    migration.pair.refresh_from_db()
    assert migration.pair.rules_revision == 2
    assert not queries.causes(pair=migration.pair)
    assert MismatchGroup.objects.count() == 1


def test_a_change_of_redaction_leaves_the_evidence(client, migration, rule):
    assert change(client, migration, rule, redact=["$.user", "header:x-tenant"]).status_code == 200
    migration.pair.refresh_from_db()
    assert migration.pair.rules_revision == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rules": [{"path": "$.a", "rule": "close"}]}, "rules[0].dtype"),
        ({"rules": [{"path": "a", "rule": "text"}]}, "rules[0].path"),
        ({"rules": [{"path": "$.a", "rule": "magic"}]}, "rules[0].rule"),
        ({"rules": [{"path": "$", "rule": "ignore"}]}, "rules[0].path"),
        ({"rules": [{"path": "$.a", "rule": "text", "case": 1}]}, "rules[0].case"),
        ({"ignore": ["$"]}, "ignore[0]"),
        ({"redact": ["user"]}, "redact"),
    ],
)
def test_what_is_no_rule_is_refused_by_field(client, migration, rule, changes, field):
    answer = change(client, migration, rule, **changes)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    rule.refresh_from_db()
    assert rule.rules == []


def test_nothing_changed_is_refused(client, migration, rule):
    assert change(client, migration, rule, atol=rule.atol).status_code == 409


def test_a_batch_compared_by_older_rules_is_not_written(migration, rule):
    found = {
        "id": "late", "split": migration.pair.stream, "kind": "forward", "route": rule.label,
        "method": rule.method, "path": rule.path, "at": str(NOW.timestamp()),
        "a_status": "200", "b_status": "200",
    }  # fmt: skip
    compared = services.compare_batch(
        [read_pair({k.encode(): v.encode() for k, v in found.items()})]
    )
    services.route_rules.change_rules(rule=rule, changes={"atol": 1.0})
    after = services.open_cursor("s")
    assert not services.record_batch(
        stream="s", after_id=after, last_id="9-0", compared=compared, now=NOW
    )
    assert services.open_cursor("s") == after


def test_a_preview_shows_both_directions_and_changes_nothing(client, migration, rule):
    take_in(migration.pair, rule, ({"x": 1.0}, {"x": 1.5}), ({"x": 1.0}, {"x": 1.00005}))
    path = url(migration, f"routes/{rule.pk}/rules/preview/")
    looser = client.post(path, {"atol": 1.0}, format="json").json()
    assert {"was": "mismatch", "becomes": "match", "examples": 1} in looser["counts"]
    assert {"was": "match", "becomes": "match", "examples": 1} in looser["counts"]
    stricter = client.post(path, {"atol": 0}, format="json").json()
    assert [(c["was"], c["becomes"]) for c in stricter["changed"]] == [("match", "mismatch")]
    assert stricter["changed"][0]["differences"][0]["path"] == "$.x"
    rule.refresh_from_db()
    assert rule.atol == 1e-4


def test_an_example_that_lost_what_differed_is_not_judged(client, migration, rule):
    RouteRule.objects.filter(pk=rule.pk).update(redact=["$.secret"])
    take_in(migration.pair, rule, ({"secret": "a"}, {"secret": "b"}))
    path = url(migration, f"routes/{rule.pk}/rules/preview/")
    found = client.post(path, {"atol": 1.0}, format="json").json()
    assert found["counts"] == [{"was": "mismatch", "becomes": "not_reproduced", "examples": 1}]


def test_secrets_reach_no_store(migration, rule):
    RouteRule.objects.filter(pk=rule.pk).update(redact=["$.user", "header:x-tenant"])
    headers = orjson.dumps(
        [["content-type", "application/json"], ["set-cookie", "S3CRET"], ["x-tenant", "S3CRET"]]
    ).decode()
    more = {
        "a_headers": headers, "b_headers": headers, "path": "/infer?api_key=S3CRET",
        "req_headers": orjson.dumps([["authorization", "S3CRET"], ["cookie", "S3CRET"]]).decode(),
        "req_body": b'{"user":{"name":"S3CRET"}}',
    }  # fmt: skip
    bodies = [
        ({"user": "S3CRET", "x": 1}, {"user": "S3CRET", "x": 1.00001}),
        ({"user": "S3CRET-a"}, {"user": "S3CRET-b"}),
        ({"user": {"a": "S3CRET"}}, {"user": "S3CRET"}),
        ({"user": "S3CRET"}, {}),
    ]
    take_in(migration.pair, rule, *bodies, **more)
    # The id names the pair, not its content; it is planted by this test's builder.
    assert b"S3CRET" not in every_row()


def every_row():
    from django.apps import apps

    found = b""
    for model in apps.get_app_config("shadow").get_models():
        for row in model.objects.values():
            row.pop("sample_id", None)
            found += repr(row).encode()
    return found


def test_few_matches_are_kept_and_they_expire(migration, rule):
    take_in(migration.pair, rule, *(({"x": i}, {"x": i}) for i in range(20)))
    assert MatchSample.objects.count() == 1


def test_noise_is_told_and_a_rule_proposed(client, migration, rule):
    take_in(
        migration.pair,
        rule,
        ({"id": "a", "x": 1.0}, {"id": "b", "x": 1.001}),
        ({"id": "a", "x": 1.0}, {"id": "a", "x": 1.0}),
        kind="noise",
    )
    found = client.get(url(migration, "noise/")).json()["noise"]
    assert {row["path"]: row["proposal"] for row in found} == {
        "$.id": {"path": "$.id", "rule": "ignore"},
        "$.x": {"path": "$.x", "rule": "close", "atol": 0.002},
    }
    assert {row["share"] for row in found} == {0.5}
    assert not findings.top_causes(pair=migration.pair, since=None)


def test_coverage_names_what_was_never_compared(client, migration, rule, monkeypatch):
    operations = [(rule.method, rule.path, ("200", "422", "default")), ("GET", "/models", ("2XX",))]
    monkeypatch.setattr(
        "rollout.api.comparison.documented_operations", lambda pair: (operations, "")
    )
    take_in(migration.pair, rule, ({"x": 1}, {"x": 1}))
    found = client.get(url(migration, "coverage/")).json()
    assert [(gap["route"], gap["status_class"]) for gap in found["gaps"]] == [
        ("GET /models", "2xx"),
        (rule.label, "4xx"),
    ]
    assert found["compared"] == [{"route": rule.label, "status_class": "2xx", "pairs": 1}]
    assert Exercise.objects.get().count == 1


def test_a_viewer_changes_no_rules(migration, rule):
    user = User.objects.create_user("vera")
    made = APIClient()
    made.force_authenticate(user)
    assert change(made, migration, rule, atol=1.0).status_code == 403
    assert rollout.MAX_REASON
