"""Verbs that write, one transaction each."""

from rollout.services.create import (
    NewMigration,
    RouteInput,
    change_addresses,
    create_migration,
)
from rollout.services.decide import MAX_REASON, decide
from rollout.services.record import (
    keep_evaluations,
    mark_accepted,
    mark_in_effect,
    record_denied,
)
from rollout.services.verbs import hold, promote, resume, roll_back, start

__all__ = [
    "MAX_REASON",
    "NewMigration",
    "RouteInput",
    "change_addresses",
    "create_migration",
    "decide",
    "hold",
    "keep_evaluations",
    "mark_accepted",
    "mark_in_effect",
    "promote",
    "record_denied",
    "resume",
    "roll_back",
    "start",
]
