"""Sign and anchor the ledger now: `manage.py audit_checkpoint`. Prints the signed checkpoint.

`--since SIZE` prints what a witness reads instead: the checkpoint, and the proof that the tree
only grew since it had SIZE entries. `... --since 120 | python -m audit.witness VKEY LAST.txt`
"""

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.checkpoints import checkpoint_now
from audit.proofs import consistency
from audit.stored import newest_checkpoint


class Command(BaseCommand):
    """Make a checkpoint and print it."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the size that the reader knows already."""
        parser.add_argument("--since", type=int, help="also prove that it grew from this size")

    def handle(self, *args: object, **options: object) -> None:
        """Print a note, or a line of JSON."""
        state, newest = checkpoint_now(now=timezone.now()), newest_checkpoint()
        if state.reason:
            self.stderr.write(f"warning: {state.reason}")
        if newest is None:
            raise CommandError("there is no checkpoint yet")
        since = options["since"]
        if not isinstance(since, int):
            self.stdout.write(newest.note, ending="")
            return
        proof = [node.hex() for node in consistency(old=since, new=newest.size)]
        self.stdout.write(json.dumps({"checkpoint": newest.note, "proof": proof}))
