"""The ledger in Django's admin: to be read there, and nothing else."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from audit.models import LedgerEntry

if TYPE_CHECKING:
    EntryAdmin = admin.ModelAdmin[LedgerEntry]
else:  # generic for the type checker only
    EntryAdmin = admin.ModelAdmin


@admin.register(LedgerEntry)
class LedgerEntryAdmin(EntryAdmin):
    """A list to look at. The database would refuse a change as well."""

    list_display = ("seq", "at", "action", "actor", "subject")
    list_filter = ("action",)
    search_fields = ("actor", "subject")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds an entry by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: LedgerEntry | None = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LedgerEntry | None = None) -> bool:
        """Nobody deletes one."""
        return False
