"""The verbs of people and pipelines: each checks its own part and leaves the rest to `decide`."""

from datetime import datetime

from audit.chain import Actor
from rollout import gates
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import Action, Phase, next_place
from rollout.models import Decision, ServiceMigration
from rollout.policy import Policy
from rollout.services.decide import decide, get
from shadow import services as shadow


def start(
    *,
    slug: str,
    version: int | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Begin dual-run: both services must answer, and a proxy must be connected."""
    migration = get(slug)
    tested = shadow.check_connections(migration.pair)
    if tested.problems:
        raise ConflictError(
            " ".join(tested.problems), code="not_reachable", problems=list(tested.problems)
        )
    if not gates.fleet_connected(migration, now=now):
        raise ConflictError(
            "No proxy of this group is connected. Start an edge beside an Envoy first.",
            code="no_proxy",
        )
    shadow.note_builds(
        pair=migration.pair, legacy=tested.legacy_build, candidate=tested.candidate_build
    )
    return decide(
        slug=slug,
        action=Action.START,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def promote(  # noqa: PLR0913  # what a caller says about one move
    *,
    slug: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    expected_weight: int | None = None,
) -> Decision:
    """Move one place to the right; every gate of that place must PASS now.

    `expected_weight` is what the caller believes comes next: another one is refused, so that a
    pipeline cannot skip or mistake a step.
    """
    if not reason.strip():
        raise InvalidError("Say why you promote.", field="reason")
    _check_expected(get(slug), expected_weight)
    return decide(
        slug=slug,
        action=Action.PROMOTE,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def hold(
    *,
    slug: str,
    reason: str,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    request_id: str = "",
) -> Decision | None:
    """Stop advancing; the weight stays. Holding what is held changes nothing and returns None."""
    if get(slug).held and version is None:
        return None
    if not reason.strip():
        raise InvalidError("Say why you hold.", field="reason")
    return decide(
        slug=slug,
        action=Action.HOLD,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def resume(
    *,
    slug: str,
    reason: str,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    request_id: str = "",
) -> Decision:
    """Allow advancing again; never promotes by itself."""
    if not reason.strip():
        raise InvalidError("Say why you resume.", field="reason")
    return decide(
        slug=slug,
        action=Action.RESUME,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def roll_back(
    *,
    slug: str,
    actor: Actor,
    now: datetime,
    to_weight: int = 0,
    reason: str = "",
    request_id: str = "",
) -> Decision | None:
    """Go to a lower weight at once and stay held: no gate, no version, no second person.

    Rolling back to where the migration already is, held, changes nothing and returns None.
    """
    current = get(slug)
    if current.held and current.weight == to_weight and current.phase == Phase.DUAL_RUN:
        return None
    return decide(
        slug=slug,
        action=Action.ROLL_BACK,
        version=None,
        reason=reason.strip() or "not given",
        actor=actor,
        now=now,
        request_id=request_id,
        to_weight=to_weight,
    )


def _check_expected(migration: ServiceMigration, weight: int | None) -> None:
    if weight is None:
        return
    following = next_place(migration.place, Policy.from_dict(migration.policy).weights)
    if following is None or following.weight != weight:
        place = following.words() if following else "nothing"
        raise ConflictError(
            f"After {migration.place.words()} comes {place}, not {weight} %.",
            code="not_allowed_step",
            field="to",
            version=migration.version,
        )
