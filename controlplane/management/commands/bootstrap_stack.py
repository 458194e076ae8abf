"""`manage.py bootstrap_stack`: prepare a fresh database so that one can sign in and start."""

import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from audit.chain import Actor
from controlplane.tokens import issue_token
from rollout import services
from rollout.models import ServiceMigration
from rollout.permissions import Role
from rollout.services import NewMigration, RouteInput
from shadow import services as shadow
from traffic import services as traffic
from traffic.models import ProxyGroup

PREFIX = "BANYAN_BOOTSTRAP_"
SIDES = ("LEGACY", "CANDIDATE")
DEMO_ROUTES = (
    RouteInput("POST", "/infer", safe_to_duplicate=True),
    RouteInput("POST", "/v1/infer", safe_to_duplicate=True, ignore=("$.latency_ms", "$.version")),
)


def given(name: str) -> str:
    """Return a bootstrap value from the environment."""
    return os.environ.get(PREFIX + name, "")


def demo_checks() -> dict[str, dict[str, Any]]:
    """Return the settings of the checks that depend on where the demo's services are."""
    found: dict[str, dict[str, Any]] = {}
    if given("CANDIDATE_ADMIN"):
        # The private port changes what /readyz says and nothing else, so legacy may be asked, too.
        switches = {side.lower(): _switch(given(f"{side}_ADMIN")) for side in SIDES}
        found["health"] = {"switches": switches, "provoke_legacy": True}
    if given("CANDIDATE_LOG"):
        found["log_format"] = {side.lower(): {"file": given(f"{side}_LOG")} for side in SIDES}
    return found


def _switch(address: str) -> dict[str, Any]:
    states = {state: {"state": state} for state in ("starting", "draining", "dependency_down")}
    return {"url": f"{address}/state", "states": states, "restore": {"state": None}}


class Command(BaseCommand):
    """Migrate, create roles, users, tokens, a proxy and, if asked, the demo; repeatable."""

    help = "Prepare the database of an embedded stack from BANYAN_BOOTSTRAP_* variables."
    # `make lint` runs the checks; a start need not wait for them.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take none."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Do each part once; what exists stays."""
        call_command("migrate", interactive=False, verbosity=0)
        for role in Role:
            Group.objects.get_or_create(name=role.value)
        self._user("operator", given("OPERATOR_PASSWORD"), given("API_TOKEN"))
        self._user("viewer", given("VIEWER_PASSWORD"), given("VIEWER_TOKEN"))
        group = ProxyGroup.objects.filter(name="default").first()
        if group is None:
            group = traffic.create_group(name="default", now=timezone.now())
        if given("PROXY_ID"):
            traffic.register_proxy(
                group=group, name=given("PROXY_ID"), token=given("PROXY_TOKEN"), now=timezone.now()
            )
        if given("LEGACY_URL"):
            self._demo()

    def _user(self, name: str, password: str, token: str) -> None:
        if not password:
            return
        user, created = get_user_model().objects.get_or_create(username=name)
        if created or not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        user.groups.set([Group.objects.get(name=name)])
        if token:
            issue_token(
                user=user, name="stack", role=name, now=timezone.now(), lifetime=None, token=token
            )

    def _demo(self) -> None:
        slug = given("SLUG") or "embeddings"
        self._demo_migration(slug)
        self._demo_checks(slug)

    def _demo_checks(self, slug: str) -> None:
        """Tell the checks where the demo's switches and log files are; the rest stays as it is."""
        for item, wanted in demo_checks().items():
            pair = ServiceMigration.objects.get(slug=slug).pair
            settings = pair.checks.get(item, {})
            if {**settings, **wanted} != settings:
                shadow.set_check_settings(
                    pair=pair, item=item, settings={**settings, **wanted}, now=timezone.now()
                )

    def _demo_migration(self, slug: str) -> None:
        if ServiceMigration.objects.filter(slug=slug).exists():
            services.change_addresses(
                slug=slug,
                legacy_url=given("LEGACY_URL"),
                candidate_url=given("CANDIDATE_URL"),
                actor=Actor(kind="automation", name="banyan", role="automation"),
                now=timezone.now(),
            )
            return
        services.create_migration(
            given=NewMigration(
                slug=slug,
                title="Embeddings",
                team="inference",
                legacy_url=given("LEGACY_URL"),
                candidate_url=given("CANDIDATE_URL"),
                routes=DEMO_ROUTES,
                policy=given("POLICY") or "demo",
            ),
            actor=Actor(kind="automation", name="banyan", role="automation"),
            now=timezone.now(),
        )
