"""Refusals of the product: each has a stable code, one sentence, and REST's status."""

from typing import Any


class RefusalError(Exception):
    """A request that changes nothing; `detail` says what to do instead."""

    status = 400
    code = "refused"

    def __init__(
        self, detail: str, *, code: str = "", field: str | None = None, **extra: Any
    ) -> None:
        """Keep the sentence, the offending field if there is one, and facts for machines."""
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.field = field
        self.extra = extra


class InvalidError(RefusalError):
    """The input itself is wrong."""

    status = 400
    code = "invalid"


class TooLargeError(RefusalError):
    """More than is taken at once."""

    status = 413
    code = "body_too_large"


class NotFoundError(RefusalError):
    """There is nothing of that name or number."""

    status = 404
    code = "not_found"


class ForbiddenError(RefusalError):
    """The actor's role does not allow the action."""

    status = 403
    code = "forbidden"


class ConflictError(RefusalError):
    """The migration is not where the request believes it to be, or the action is not open here."""

    status = 409
    code = "conflict"


class StaleVersionError(ConflictError):
    """Somebody moved the migration first; the text says who."""

    code = "stale_version"


class GatesClosedError(ConflictError):
    """A gate of the next place does not PASS; `extra["gates"]` lists them with their sentences."""

    code = "gates_closed"
