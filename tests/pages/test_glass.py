"""A broken glass stands in red on every page of its migration until it is over."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from rollout import services
from tests.pages import world
from tests.pages.test_views import quick_passwords
from tests.rollout.hosts import Host
from tests.rollout.life import OLGA
from traffic.models import Proxy, ProxyGroup

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def made():
    world.people()
    return world.ready(timezone.now())


@pytest.fixture
def host(made, tmp_path):
    """The migration's proxy, in the group that `Host` expects."""
    ProxyGroup.objects.filter(pk=made.split.group_id).update(name="default")
    found = Host(tmp_path / "edge", Proxy.objects.get(group_id=made.split.group_id).name)
    found.follow()
    return found


def page(name, made, who="operator"):
    client = Client()
    client.force_login(User.objects.get(username=who))
    return client.get(reverse(f"pages:{name}", args=[made.slug])).content.decode()


@pytest.mark.parametrize("name", ["overview", "shadow", "migration_audit", "head"])
def test_the_banner_is_on_every_page_and_says_what_happened_and_how_it_ends(name, made, host):
    now = timezone.now()
    assert "Glass broken" not in page(name, made)
    hold = host.breaks("users <b>complain</b>", at=now)
    host.tells(now=now)
    text = page(name, made)
    assert "banner b-fail" in text
    assert f"Glass broken at {host.name} since" in text
    assert f"“users &lt;b&gt;complain&lt;/b&gt;”, hold {hold.id}" in text
    assert "It is not in the ledger yet." in text
    services.follow_holds(now=now)
    text = page(name, made)
    assert "It is in the ledger, and another person looks at it. Resume ends it." in text
    assert reverse("pages:resume", args=[made.slug]) in text
    services.resume(slug=made.slug, reason="fixed", actor=OLGA, now=now)
    assert "Resumed; the proxy has yet to follow." in page(name, made)
    host.follow()
    host.tells(now=now)
    assert "Glass broken" not in page(name, made)


def test_rest_names_the_hold(made, host):
    now = timezone.now()
    hold = host.breaks("users complain", at=now)
    host.tells(now=now)
    client = Client()
    client.force_login(User.objects.get(username="viewer"))
    told = client.get(f"/api/v1/migrations/{made.slug}/").json()["proxies"]["held"]
    assert [(each["proxy"], each["hold"], each["released"]) for each in told] == [
        (host.name, hold.id, False)
    ]


def test_the_audit_page_and_rest_say_how_far_the_anchor_reaches(made):
    client = Client()
    client.force_login(User.objects.get(username="viewer"))
    text = client.get(reverse("pages:audit")).content.decode()
    assert "nchored" in text
    told = client.get("/api/v1/audit/anchor/").json()
    assert told["entries"] > 0
    assert {"state", "text", "anchored_seq", "anchored_age_s", "unanchored_s"} <= told.keys()
    checked = client.get("/api/v1/audit/verify/").json()
    assert checked["verified"]
    assert (checked["compared"], checked["warnings"]) == (1, [])
    assert checked["covered"] <= checked["entries"]
    assert checked["anchored"].keys() == told.keys()
