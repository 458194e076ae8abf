"""Check the stored ledger: `manage.py audit_verify`. Exit 0 when it holds, 1 when it is broken."""

import sys

from django.core.management.base import BaseCommand

from audit.queries import Report, verify


class Command(BaseCommand):
    """Check every entry's hash, order and columns, the head, and the rules of what is recorded."""

    help = __doc__
    requires_system_checks = ()  # the ledger can be read whatever else is wrong

    def handle(self, *args: object, **options: object) -> None:
        """Print what was found; exits with 1 when something is broken."""
        report = verify()
        for name in report.unguarded:
            self.stderr.write(f"warning: the database lacks the trigger {name}; run migrate")
        if not report.verified:
            self.stdout.write(
                f"BROKEN  seq {report.first_bad_seq}  kind {report.kind}: {report.text}\n"
                f"        {report.entries} entries before it hold"
            )
            sys.exit(1)
        self.stdout.write(_summary(report))


def _summary(report: Report) -> str:
    return (
        f"verified  {report.entries} entries in {report.seconds:.2f} s\n"
        f"          head {report.head.seq}:{report.head.hash}\n"
        f"          {report.moves} moves keep the rules"
    )
