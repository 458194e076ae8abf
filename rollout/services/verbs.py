"""The verbs that need no gate: each checks its own part and leaves the rest to `decide`."""

from datetime import datetime

from audit import services as ledger
from audit.chain import Actor
from rollout import gates
from rollout.exceptions import ConflictError
from rollout.lifecycle import Action, Phase
from rollout.models import Decision, Review, ServiceMigration
from rollout.services.decide import (
    NO_GROUNDS,
    Ask,
    Grounds,
    check_text,
    deciding,
    get,
    legal_move,
    settle,
)
from rollout.services.late import NOT_GIVEN, import_records
from rollout.services.promote import promotion
from rollout.services.states import state_of
from shadow import services as shadow
from traffic import services as traffic

# What needs no more than its place in the table, and promote with its gates.
PLAIN = frozenset({Action.START, Action.HOLD, Action.ROLL_BACK, Action.PROMOTE})


def decide(  # noqa: PLR0913  # one decision is these facts, all by keyword
    *,
    slug: str,
    action: Action,
    version: int | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    to_weight: int = 0,
) -> Decision:
    """Make one plain decision: the table, and for promote the gates, are all it asks."""
    if action not in PLAIN:
        raise ValueError(f"{action} has a service of its own")
    ask = Ask(slug, action, actor, now, version, reason, request_id, to_weight)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        grounds = promotion(migration, ask, made) if action is Action.PROMOTE else NO_GROUNDS
        return settle(migration, ask, made, grounds)


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
    ask = Ask(slug, Action.HOLD, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        if migration.held and version is None:
            return None
        check_text(reason, "reason", needed="Say why you hold.")
        return settle(migration, ask, legal_move(migration, ask))


def resume(
    *,
    slug: str,
    reason: str,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    request_id: str = "",
) -> Decision:
    """Allow advancing again; never promotes by itself.

    Proxies whose glass was broken are told to end exactly the holds that they reported, and follow
    the snapshot from then on; a hold that is taken meanwhile stays. What they did on their own is
    in the ledger first.
    """
    check_text(reason, "reason", needed="Say why you resume.")
    import_records(now=now, group_id=get(slug).split.group_id)
    ask = Ask(slug, Action.RESUME, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        ids, generation = traffic.release_holds(group_id=migration.split.group_id, now=now)
        said = {"released": ids, "generation": generation} if ids else {}
        return settle(migration, ask, made, Grounds(body=said))


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

    Rolling back to where the migration already is, held, changes nothing, is noted in the ledger
    and returns None. Without a reason it is done all the same, and leaves a review open.
    """
    given = reason.strip()
    ask = Ask(slug, Action.ROLL_BACK, actor, now, None, given or NOT_GIVEN, request_id, to_weight)
    with deciding(ask) as migration:
        if migration.held and migration.phase == Phase.DUAL_RUN and to_weight == 0:
            _note_repeated(migration, ask)
            return None
        made = legal_move(migration, ask)
        return settle(migration, ask, made, NO_GROUNDS if given else _unexplained(actor))


def _unexplained(actor: Actor) -> Grounds:
    detail = f"{actor.name} rolled back without a reason."
    return Grounds(review={"cause": Review.Cause.EMPTY_REASON, "detail": detail})


def _note_repeated(migration: ServiceMigration, ask: Ask) -> None:
    """Keep in the ledger that somebody asked for what is so already."""
    ledger.append(
        actor=ask.actor,
        action="migration:repeated",
        body={
            "migration": migration.slug,
            "attempt": ask.action.value,
            "place": state_of(migration),
            "reason": ask.reason,
            "request_id": ask.request_id,
        },
        now=ask.now,
    )
