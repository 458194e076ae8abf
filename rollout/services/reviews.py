"""Reviews: what was done in a hurry is looked at by another person afterwards."""

from datetime import datetime

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import oversight, permissions
from rollout.exceptions import ConflictError, ForbiddenError
from rollout.lifecycle import Action
from rollout.models import Review
from rollout.services.decide import check_text, locked


def close_review(
    *, review_id: int, text: str, actor: Actor, now: datetime, request_id: str = ""
) -> Review:
    """Say what the review found; the person who acted cannot."""
    permissions.check(actor, Action.CLOSE_REVIEW)
    text = check_text(text, "text", needed="Say what you found.")
    slug = oversight.get_review(review_id).migration.slug
    with transaction.atomic():
        locked(slug)
        found = oversight.get_review(review_id)
        if found.closed_at is not None:
            raise ConflictError(f"{found.closed_by} closed this review.", code="review_closed")
        if found.opened_by == actor.name:
            raise ForbiddenError(
                "This is about what you did. Somebody else looks at it.",
                code="own_review",
                rule="two_people",
            )
        Review.objects.filter(pk=found.pk).update(closed_by=actor.name, closed_at=now, text=text)
        ledger.append(
            actor=actor,
            action=f"migration:{Action.CLOSE_REVIEW.value}",
            body={
                "migration": slug,
                "of": found.entry_id,
                "cause": found.cause,
                "reason": text,
                "request_id": request_id,
            },
            now=now,
        )
    return oversight.get_review(review_id)
