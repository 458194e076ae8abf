"""What the forms of all verbs share."""

from dataclasses import replace

from django.urls import reverse

from rollout.lifecycle import Action
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts.dialog import Dialog
from rollout.permissions import NEEDS

PAST = {
    Action.START: "started",
    Action.PROMOTE: "promoted",
    Action.HOLD: "held",
    Action.RESUME: "resumed",
    Action.ROLL_BACK: "rolled back",
    Action.OVERRIDE: "overridden",
    Action.DECOMMISSION: "decommissioned",
    Action.ABANDON: "abandoned",
    Action.RESET: "reset",
    Action.CHANGE_POLICY: "changed",
    Action.CHANGE_RULES: "changed",
    Action.WAIVE: "waived",
    Action.END_WAIVER: "asked for again",
    Action.REQUEST_APPROVAL: "asked",
    Action.GRANT_APPROVAL: "approved",
    Action.DECLINE_APPROVAL: "declined",
    Action.WITHDRAW_APPROVAL: "withdrawn",
    Action.CLOSE_REVIEW: "closed",
}


def url(name: str, *args: object) -> str:
    """Return the address of a page."""
    return reverse(f"pages:{name}", args=args)


def refuse(dialog: Dialog, refusal: str) -> Dialog:
    """Return the dialog with nothing but the reason why it is closed."""
    return replace(dialog, allowed=False, refusal=refusal)


def no_permission(verb: str, reader: Reader, team: str, action: Action) -> str:
    """Say who can do what the reader cannot."""
    needed = NEEDS[action].value
    article = "an" if needed[0] in "aeiou" else "a"
    return f"{reader.role.value.capitalize()}s can’t {verb}. Ask {article} {needed} in {team}."


def req_s(rps: float | None, percent: float | None, *, about: str = "") -> str:
    """Say how many requests a second a share is; empty when not measured."""
    if rps is None or percent is None:
        return ""
    return f", {about}{words.per_second(rps * percent / 100)} req/s"
