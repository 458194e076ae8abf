"""Back office: everything that decides is read-only here."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from rollout.models import (
    Approval,
    Decision,
    GateEvaluation,
    GateLatch,
    Review,
    ServiceMigration,
    Waiver,
)

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyAdmin = admin.ModelAdmin


class ReadOnlyAdmin(AnyAdmin):
    """Look, don't touch: decisions are made through services alone."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


for shown in (ServiceMigration, Decision, GateEvaluation, Approval, Waiver, Review, GateLatch):
    admin.site.register(shown, ReadOnlyAdmin)
