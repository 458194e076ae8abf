"""The forms of the verbs: what each shows before a person confirms."""

from rollout.pages.dialogs.back import nothing_to_roll_back, picks, roll_back
from rollout.pages.dialogs.base import PAST, no_permission, refuse
from rollout.pages.dialogs.consent import (
    close_review,
    decline,
    grant,
    request_promotion,
    withdraw,
)
from rollout.pages.dialogs.ends import abandon, decommission
from rollout.pages.dialogs.lead import end_waiver, override, request_override, reset, waive
from rollout.pages.dialogs.moves import hold, promote, promote_words, resume, start

__all__ = [
    "PAST",
    "abandon",
    "close_review",
    "decline",
    "decommission",
    "end_waiver",
    "grant",
    "hold",
    "no_permission",
    "nothing_to_roll_back",
    "override",
    "picks",
    "promote",
    "promote_words",
    "refuse",
    "request_override",
    "request_promotion",
    "reset",
    "resume",
    "roll_back",
    "start",
    "waive",
    "withdraw",
]
