"""Declare that the database was restored: `manage.py audit_restore --reason "disk of db1 died"`.

Promotions stay closed while the database is older than its anchor. This writes a `restored` entry
with the head that is lost and the one on which the log goes on, and signs it.
"""

import getpass
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.chain import Actor
from audit.checkpoints import declare_restore
from audit.errors import LedgerError


class Command(BaseCommand):
    """Write the entry; refused when database and anchor agree."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason."""
        parser.add_argument("--reason", required=True, help="why; it stands in the ledger")

    def handle(self, *args: object, **options: object) -> None:
        """Print what was given up."""
        actor = Actor("host", getpass.getuser(), "host")
        try:
            entry, state = declare_restore(
                actor=actor, reason=str(options["reason"]), now=timezone.now()
            )
        except LedgerError as error:
            raise CommandError(str(error)) from error
        old, new = entry.data["old"], entry.data["new"]
        self.stdout.write(
            f"entry {entry.seq}: the log goes on after {new['size']}; what the anchor has up to "
            f"{old['size']} is given up\n{state.state}: {state.size} of {state.entries} anchored"
        )
        if state.reason:
            self.stderr.write(f"warning: {state.reason}")
