"""Write the ledger as JSON lines: `manage.py audit_export > ledger.jsonl`.

Check it anywhere with `python verify_audit.py ledger.jsonl`.
"""

from django.core.management.base import BaseCommand

from audit.queries import export_lines


class Command(BaseCommand):
    """Write a header with the log's id and head, then each entry with its stored bytes."""

    help = __doc__
    requires_system_checks = ()  # the ledger can be read whatever else is wrong

    def handle(self, *args: object, **options: object) -> None:
        """Print the export; it is byte for byte what the verifier expects."""
        for line in export_lines():
            self.stdout.write(line, ending="")
