"""What pages answer: to whom, with what status, and what a post changes."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import queries as ledger
from rollout.models import ServiceMigration
from shadow.models import MismatchGroup, MismatchSample
from tests.pages import world

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "dialogs"}
EVIL = "<script>alert(1)</script>"
FRAGMENTS = ("head", "rail", "gates", "aside", "chart")


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def people():
    world.people()


@pytest.fixture
def operator(people):
    return signed_in("operator")


@pytest.fixture
def viewer(people):
    return signed_in("viewer")


def signed_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def ready():
    return world.ready(timezone.now())


def version(made):
    return ServiceMigration.objects.get(pk=made.pk).version


def text(response):
    plain = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", plain)


def test_strangers_are_sent_to_sign_in_and_fragments_answer_401(ready):
    page = Client().get("/m/search-embedder/")
    assert (page.status_code, page["Location"]) == (302, "/sign-in/?next=/m/search-embedder/")
    assert Client().get("/m/search-embedder/head/", HTTP_HX_REQUEST="true").status_code == 401
    dialog = Client().get("/m/search-embedder/hold/", **HTMX)
    assert dialog["HX-Redirect"].startswith("/sign-in/")


def test_root_leads_to_the_fleet(operator):
    assert operator.get("/")["Location"] == "/fleet/"


def test_an_empty_fleet_says_what_to_do_first(operator):
    page = operator.get("/fleet/")
    assert "No migrations yet" in text(page)
    assert "No proxy has checked in" in text(page)
    assert reverse("pages:new") in page.content.decode()


def test_every_page_and_fragment_of_a_migration_answers(operator, ready):
    for name in ("", "shadow/", "audit/", *(f"{part}/" for part in FRAGMENTS)):
        assert operator.get(f"/m/search-embedder/{name}").status_code == 200, name
    assert operator.get("/m/nobody/").status_code == 404


def test_pages_carry_the_strict_policy_and_no_inline_style_or_script(operator, ready):
    page = operator.get("/m/search-embedder/")
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    body = page.content.decode()
    assert "style=" not in body
    assert not re.search(r"<script(?![^>]*\bsrc=)", body)
    assert not re.search(r"\son[a-z]+=", body)


def test_a_viewer_sees_everything_and_is_asked_to_find_an_operator(viewer, ready):
    page = viewer.get("/m/search-embedder/")
    assert "Ask an operator to act" in text(page)
    assert "Promote to" not in text(page)
    refused = viewer.post(
        "/m/search-embedder/hold/", {"reason": "let me", "version": version(ready)}
    )
    assert refused.status_code == 403
    assert "Viewers can’t hold. Ask an operator in search." in text(refused)
    assert version(ready) == 1
    assert ledger.list_entries().entries[0].action == "migration:denied"


def test_promote_needs_a_reason_and_the_typed_words(operator, ready):
    url = "/m/search-embedder/promote/"
    sent = {"version": version(ready), "reason": "", "confirm": "search-embedder 5"}
    assert "Say why." in text(operator.post(url, sent, **HTMX))
    sent |= {"reason": "Read it.", "confirm": "search-embedder 25"}
    answer = operator.post(url, sent, **HTMX)
    assert answer.status_code == 422
    assert "Type search-embedder 5 exactly." in text(answer)
    assert version(ready) == 1
    done = operator.post(url, {**sent, "confirm": "search-embedder 5"}, **HTMX)
    assert done["HX-Redirect"] == "/m/search-embedder/"
    assert ServiceMigration.objects.get(pk=ready.pk).weight == 5


def test_a_stale_version_gets_one_banner_that_names_the_winner(operator, ready):
    before = version(ready)
    world.decide("search-embedder", world.Action.HOLD, now=timezone.now(), reason="stop")
    sent = {"version": before, "reason": "go", "confirm": "search-embedder 5"}
    answer = operator.post("/m/search-embedder/promote/", sent, **HTMX)
    assert (answer.status_code, answer["HX-Retarget"]) == (409, "#notices")
    assert "Not promoted. olga held search-embedder" in text(answer)
    assert "Nothing was changed by you." in text(answer)
    plain = operator.post("/m/search-embedder/promote/", sent)
    assert plain.status_code == 409
    assert "Load current state" in text(plain)


def test_promote_is_refused_while_a_gate_fails_and_nothing_moves(operator):
    made = world.drifting(timezone.now())
    sent = {"version": version(made), "reason": "go", "confirm": "recs-ranker 5"}
    answer = operator.post("/m/recs-ranker/promote/", sent, **HTMX)
    assert answer.status_code == 409
    assert "Shadow discrepancy is FAIL" in text(answer)
    assert ServiceMigration.objects.get(pk=made.pk).weight == 0


def test_roll_back_needs_no_version_no_reason_and_no_gate(operator):
    made = world.canary(timezone.now())
    answer = operator.post("/m/fraud-scorer/rollback/", {})
    assert answer["Location"] == "/m/fraud-scorer/"
    now = ServiceMigration.objects.get(pk=made.pk)
    assert (now.weight, now.held, now.held_reason) == (0, True, "Precaution")


def test_roll_back_to_a_lower_step_and_never_to_a_higher_one(operator):
    made = world.canary(timezone.now())
    up = operator.post("/m/fraud-scorer/rollback/", {"to": "50"})
    assert up.status_code == 409
    operator.post("/m/fraud-scorer/rollback/", {"to": "5", "reason": "Errors", "note": "INC-1"})
    now = ServiceMigration.objects.get(pk=made.pk)
    assert (now.weight, now.held_reason) == (5, "Errors. INC-1")


def test_the_picker_lists_what_carries_users(operator):
    assert "No migration carries candidate traffic" in text(operator.get("/rollback/"))
    world.canary(timezone.now())
    page = operator.get("/rollback/")
    assert "Roll back fraud-scorer" in text(page)
    assert 'action="/m/fraud-scorer/rollback/"' in page.content.decode()


def test_what_is_not_measured_reads_no_data_and_is_not_a_pass(operator):
    world.make("fresh", now=timezone.now())
    page = text(operator.get("/m/fresh/"))
    assert "no data" in page
    assert "0 of 4 pass" in page


def test_old_verdicts_become_no_data_on_the_fleet(operator):
    made = world.ready(timezone.now())
    made.evaluations.update(at=timezone.now() - timedelta(minutes=5))
    assert "No data is never a pass" in text(operator.get("/fleet/"))


def test_what_services_answer_is_shown_as_text_and_never_runs(operator):
    made = world.drifting(timezone.now())
    group = MismatchGroup.objects.filter(pair=made.pair).first()
    MismatchGroup.objects.filter(pk=group.pk).update(path=f"$.{EVIL}", description=EVIL)
    MismatchSample.objects.filter(group=group).update(
        candidate_body=EVIL, legacy_body=f'{{"x": "{EVIL}"}}', path=f"/{EVIL}", request_body=EVIL
    )
    page = operator.get(f"/m/recs-ranker/shadow/?cause={group.pk}").content.decode()
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_the_log_is_filtered_and_paged_by_its_address(operator):
    world.canary(timezone.now())
    page = text(operator.get("/audit/?action=migration:promote"))
    assert "Promoted 5% → 25%" in page
    assert "Created" not in page.split("Entries")[-1].split("Today")[-1]
    assert "nobody deploys" in text(operator.get("/audit/?q=nobody+deploys"))
    assert "No entry matches" in text(operator.get("/audit/?q=zebra"))
    assert "Link verified" in text(operator.get("/audit/?open=3"))
    assert operator.get("/audit/999/").status_code == 404


def test_verify_now_checks_the_chain_and_the_export_verifies(operator):
    world.canary(timezone.now())
    answer = operator.post("/audit/verify/", **HTMX)
    assert "Chain verified." in text(answer)
    lines = b"".join(operator.get("/audit/export.jsonl").streaming_content).splitlines()
    assert len(lines) == ledger.head().seq + 1


def test_a_new_migration_is_checked_and_saved_as_a_draft(operator):
    world.make("other", now=timezone.now())
    sent = {
        "slug": "geo",
        "team": "maps",
        "legacy_url": "http://10.0.0.1:80",
        "candidate_url": "http://10.0.0.1:80",
        "policy": "demo",
        "extra": "POST /v1/lookup",
        "do": "draft",
    }
    assert "same address" in text(operator.post("/new/", sent))
    sent["candidate_url"] = "ftp://10.0.0.2"
    assert "starts with http://" in text(operator.post("/new/", sent))
    assert not ServiceMigration.objects.filter(slug="geo").exists()


def test_a_viewer_cannot_open_the_form_for_a_new_migration(viewer):
    assert viewer.get("/new/")["Location"] == "/fleet/"


def test_theme_is_kept_by_a_cookie_without_a_script(operator):
    answer = operator.post("/theme/", {"theme": "dark"})
    assert answer.cookies["theme"].value == "dark"
    assert 'data-theme="dark"' in operator.get("/fleet/").content.decode()


def test_a_page_costs_a_bounded_number_of_queries(operator, django_assert_max_num_queries):
    now = timezone.now()
    for n in range(3):
        world.make(f"m-{n}", now=now)
    world.ready(now)
    with django_assert_max_num_queries(8):
        operator.get("/fleet/")
    with django_assert_max_num_queries(40):
        operator.get("/m/search-embedder/")
