"""How a route's answers are compared is changed by a decision; what was judged before is over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.chain import Actor
from rollout.exceptions import ConflictError, InvalidError, NotFoundError
from rollout.lifecycle import LIVE, Action
from rollout.models import Decision
from rollout.services.decide import Ask, Grounds, check_text, deciding, legal_move, settle
from shadow import findings
from shadow.comparison import RuleError
from shadow.services.route_rules import FIELDS, JUDGING, change_rules, columns_of


def change_route_rules(  # noqa: PLR0913  # which route, what it becomes, and who wants it
    *,
    slug: str,
    route_id: int,
    version: int,
    changes: Mapping[str, Any],
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Put other rules of one route in force.

    When they judge otherwise, the evidence of the whole pair begins anew: its verdicts so far used
    other rules. A change of what is redacted alone leaves the evidence.
    """
    reason = check_text(reason, "reason", needed="Say why the rules change.")
    ask = Ask(slug, Action.CHANGE_RULES, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        rule = findings.route_of(pair=migration.pair, route_id=route_id)
        if rule is None:
            raise NotFoundError("There is no such route.")
        before = {name: getattr(rule, name) for name in FIELDS}
        try:
            after = columns_of(rule, changes)
            differ = change_rules(rule=rule, changes=changes)
        except RuleError as exc:
            raise InvalidError(exc.problem, field=exc.field, code="bad_rule") from exc
        if not differ:
            raise ConflictError("Nothing differs from the rules in force.", code="same_rules")
        anew = bool(set(differ) & set(JUDGING)) and migration.phase in LIVE
        grounds = Grounds(
            values={"evidence_since": now} if anew else {},
            body={
                "route": rule.label,
                "before": {name: _plain(before[name]) for name in differ},
                "after": {name: _plain(after[name]) for name in differ},
                **({"evidence_since": now} if anew else {}),
            },
            ends="plan_changed",
        )
        return settle(migration, ask, made, grounds)


def _plain(value: Any) -> Any:
    """Return a value as the ledger holds it: without floats, which JSON writes in many ways."""
    match value:
        case float():
            return repr(value)
        case Mapping():
            return {name: _plain(x) for name, x in value.items()}
        case list():
            return [_plain(x) for x in value]
        case _:
            return value
