"""Reviews: what was done in a hurry is looked at by another person afterwards."""

from datetime import datetime

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ConflictError, ForbiddenError
from rollout.lifecycle import Action
from rollout.models import Review
from rollout.services.decide import check_text, locked, not_found


def close_review(
    *, review_id: int, text: str, actor: Actor, now: datetime, request_id: str = ""
) -> Review:
    """Say what the review found; the person who acted cannot."""
    permissions.check(actor, Action.CLOSE_REVIEW)
    text = check_text(text, "text", needed="Say what you found.")
    slug = _get(review_id).migration.slug
    with transaction.atomic():
        locked(slug)
        found = _get(review_id)
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
    return _get(review_id)


def _get(review_id: int) -> Review:
    found = Review.objects.select_related("migration").filter(pk=review_id).first()
    if found is None:
        raise not_found(f"There is no review {review_id}.")
    return found
