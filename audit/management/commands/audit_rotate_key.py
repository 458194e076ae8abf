"""Change the ledger's signing key: `manage.py audit_rotate_key --reason "yearly"`.

The next checkpoint is signed by both keys, later ones by the new one alone. With `--lost` the old
key is not needed; then give the new public key to everyone who verifies, by another way.
"""

import getpass
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.chain import Actor
from audit.checkpoints import rotate_key
from audit.errors import LedgerError


class Command(BaseCommand):
    """Make a key, name it in the ledger, and sign a checkpoint with it."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason, and whether the old key is lost."""
        parser.add_argument("--reason", required=True, help="why; it stands in the ledger")
        parser.add_argument("--lost", action="store_true", help="the old key cannot sign any more")

    def handle(self, *args: object, **options: object) -> None:
        """Print the new public key."""
        actor = Actor("host", getpass.getuser(), "host")
        try:
            new, state = rotate_key(
                actor=actor,
                reason=str(options["reason"]),
                lost=bool(options["lost"]),
                now=timezone.now(),
            )
        except LedgerError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"the ledger's key is now\n  {new}")
        if state.reason:
            self.stderr.write(f"warning: {state.reason}")
