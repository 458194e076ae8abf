"""Posting log lines: strictly bounded, redacted before they are stored, judged, and forgotten."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from judge.verdict import Verdict
from shadow import readings, services
from shadow.checks.logs.check import LOG_FORMAT
from shadow.models import LogBatch
from shadow.services.logs import MAX_BATCHES
from tests.rollout.builders import NOW, in_dual_run, make_migration
from tests.shadow.checks.log_lines import lines

pytestmark = pytest.mark.django_db
NDJSON = "application/x-ndjson"


@pytest.fixture
def client():
    return client_of("operator")


def client_of(role: str) -> APIClient:
    user = get_user_model().objects.create_user(f"{role}-1")
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    found = APIClient()
    found.force_authenticate(user)
    return found


def post(client, body, *, side="legacy", kind=NDJSON):
    raw = body if isinstance(body, bytes) else body.encode()
    return client.generic("POST", f"/api/v1/migrations/embeddings/logs/{side}/", raw, kind)


def test_lines_are_stored_redacted_with_an_end_and_the_build(client):
    in_dual_run()
    answer = post(client, '{"level":"info","authorization":"Bearer abc"}\n\nplain token=xyz\r\n')
    assert answer.status_code == 201, answer.content
    assert answer.json()["lines"] == 2
    batch = LogBatch.objects.get()
    assert batch.text == '{"level":"info","authorization":"[redacted]"}\nplain token=[redacted]'
    assert (batch.side, batch.build, batch.source) == ("legacy", "legacy-1", "operator-1")
    assert batch.expires_at - batch.at == timedelta(hours=24)


def test_posted_lines_reach_the_check(client):
    migration = in_dual_run()
    for side in ("legacy", "candidate"):
        assert post(client, "\n".join(lines()), side=side, kind="text/plain").status_code == 201
    subject = readings.subject_of(pair=migration.pair, item="log_format")
    assert LOG_FORMAT.run(subject, lambda share, words: None).verdict is Verdict.PASS
    assert readings.subject_of(pair=migration.pair, item="schema").logs == {}


def test_lines_of_another_build_are_not_judged(client):
    migration = in_dual_run()
    post(client, "x", side="candidate")
    migration.pair.candidate_build = "candidate-2"
    assert readings.posted_lines(migration.pair)["candidate"] == ()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", NDJSON, 400, "no_lines"),
        (b"\n \n", NDJSON, 400, "no_lines"),
        (b"ok\n" + b"x" * 20_000, NDJSON, 400, "line_too_long"),
        (b"x\n" * 5001, NDJSON, 400, "too_many_lines"),
        (b"x" * 1_100_000, NDJSON, 413, "body_too_large"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(client, body, kind, status, code):
    in_dual_run()
    answer = post(client, body, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not LogBatch.objects.exists()


def test_bytes_that_are_no_text_are_shown_as_such(client):
    in_dual_run()
    assert post(client, b"a\x00\xff\n").status_code == 201
    assert LogBatch.objects.get().text == "a\ufffd\ufffd"


def test_a_draft_takes_no_lines(client):
    make_migration()
    assert post(client, "x").json()["code"] == "not_allowed_here"


def test_only_known_sides_and_only_operators(client):
    in_dual_run()
    assert post(client, "x", side="both").status_code == 404
    assert post(client_of("viewer"), "x").status_code == 403


def test_old_batches_make_room_and_expired_ones_go(client):
    pair = in_dual_run().pair
    for n in range(MAX_BATCHES + 3):
        services.record_lines(pair=pair, side="legacy", lines=[f"line {n}"], source="s", now=NOW)
    assert LogBatch.objects.count() == MAX_BATCHES
    assert readings.posted_lines(pair)["legacy"][-1] == f"line {MAX_BATCHES + 2}"
    services.housekeep(now=NOW + timedelta(hours=25))
    assert not LogBatch.objects.exists()
