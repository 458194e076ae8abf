"""The ledger as a Django application."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Append-only, hash-chained record of who moved what, why, and on which evidence."""

    name = "audit"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Register the checks of key and anchors."""
        from audit import checks  # noqa: F401 - importing it registers them
