"""Before the first fault: a policy whose gates open in seconds, and dual-run begun.

The gates stay: the place must be in effect on all proxies, the split observed, the evidence fresh.
Only their amounts are small. The change is a decision of a lead, as it would be for anybody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.drill.world import SLUG, DrillError, World

GATES = ("discrepancy", "split", "proxies", "bake")
STALE_SECONDS = 10

LEAD = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.utils import timezone
from controlplane.tokens import issue_token
user, _ = get_user_model().objects.get_or_create(username="drill-lead")
user.groups.set([Group.objects.get(name="lead")])
print(issue_token(user=user, name="drill", role="lead", now=timezone.now()))
"""


def prepare(world: World) -> None:
    """Put the drill's policy in force and start dual-run."""
    world.lead = world.django(LEAD)
    version = _put(world, _hasty(_policy(world)))
    world.must("start", version=version)


@contextmanager
def requiring(world: World, gate: str, *, from_weight: int) -> Iterator[None]:
    """Ask for one more gate, until the block ends."""
    before = _policy(world)
    more = [*before["gates"], {"gate": gate, "from_weight": from_weight}]
    _put(world, {**before, "gates": more})
    try:
        yield
    finally:
        _put(world, before)


def _policy(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.rest.get(f"/migrations/{SLUG}/policy/")["policy"]
    return found


def _put(world: World, policy: dict[str, Any]) -> int:
    """Change the policy as a lead does; returns the version that the migration has now."""
    version = world.rest.get(f"/migrations/{SLUG}/policy/")["version"]
    answer = httpx.put(
        f"{world.web}/api/v1/migrations/{SLUG}/policy/",
        json={"version": version, "policy": policy, "reason": "drill: another policy"},
        headers={"Authorization": f"Bearer {world.lead}"},
        timeout=10,
        trust_env=False,
    )
    if answer.status_code != httpx.codes.OK:
        raise DrillError(f"policy: {answer.status_code} {answer.text[:300]}")
    return int(answer.json()["to"]["version"])


def _hasty(policy: dict[str, Any]) -> dict[str, Any]:
    steps = [{**step, "bake_seconds": 1, "min_requests": 1} for step in policy["steps"]]
    hasty = {"limit": 0.2, "min_window_s": 1.0, "min_blocks": 0, "use_blocks": False}
    return {
        **policy,
        "steps": steps,
        "gates": [{"gate": gate, "from_weight": 1} for gate in GATES],
        "discrepancy": {**policy["discrepancy"], **hasty},
        "stale_after_s": STALE_SECONDS,
        "warmup_s": 0,
        "shadow_tth": 3000,
        "noise_tth": 300,
    }
