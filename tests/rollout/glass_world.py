"""One order to a control plane of its own: python -m tests.rollout.glass_world ORDER [JSON].

Each call is a process like a worker's: it reads BANYAN_STATE_DIR, does the order and prints how the
migration stands as JSON. Gates are open, so that a test needs no evidence.
"""

import json
import os
import sys


def main(order: str, given: dict[str, str]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "controlplane.settings"
    import django

    django.setup()
    import pytest
    from django.core.management import call_command
    from django.utils import timezone

    from tests.rollout.life import Gates

    if order == "prepare":
        call_command("migrate", verbosity=0)
    with pytest.MonkeyPatch.context() as patch:
        Gates().install(patch)
        ORDERS[order](given, timezone.now())
    sys.stdout.write(json.dumps(stands()) + "\n")


def prepare(given: dict[str, str], now) -> None:
    """A migration at 25 % whose one proxy is the test's."""
    from rollout import services
    from rollout.lifecycle import Action
    from tests.rollout.builders import given as described
    from tests.rollout.life import OLGA, set_builds
    from traffic import services as traffic

    group = traffic.create_group(name="default", now=now)
    traffic.register_proxy(group=group, name="edge-1", token=given["token"], now=now)
    urls = {"legacy_url": given["legacy"], "candidate_url": given["candidate"]}
    made = services.create_migration(given=described(**urls), actor=OLGA, now=now)
    set_builds(made, candidate="candidate-1")
    services.decide(slug=made.slug, action=Action.START, version=0, reason="", actor=OLGA, now=now)
    promote(given, now)
    promote(given, now)


def promote(given: dict[str, str], now) -> None:
    from rollout import services
    from rollout.models import ServiceMigration
    from tests.rollout.life import OLGA

    made = ServiceMigration.objects.get()
    services.promote(slug=made.slug, version=made.version, reason="read", actor=OLGA, now=now)


def follow(given: dict[str, str], now) -> None:
    from rollout import services

    services.follow_holds(now=now)


def resume(given: dict[str, str], now) -> None:
    from rollout import services
    from rollout.models import ServiceMigration
    from tests.rollout.life import OLGA

    services.resume(slug=ServiceMigration.objects.get().slug, reason="fixed", actor=OLGA, now=now)


def stands() -> dict[str, object]:
    from audit import queries as ledger
    from audit.models import LedgerEntry
    from rollout.models import ServiceMigration
    from traffic.models import GlassRecord, Proxy

    made, report = ServiceMigration.objects.get(), ledger.verify()
    late = LedgerEntry.objects.filter(action="migration:late_entry")
    return {
        "phase": made.phase,
        "weight": made.weight,
        "held": made.held,
        "proxy": Proxy.objects.get().hold,
        "records": list(GlassRecord.objects.values_list("outcome", flat=True)),
        "late": [entry.data for entry in late],
        "reviews": [review.cause for review in made.reviews.filter(closed_at=None)],
        "verified": report.verified,
        "text": report.text,
    }


ORDERS = {"prepare": prepare, "promote": promote, "follow": follow, "resume": resume}

if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
