"""`manage.py runstack`: run the whole embedded stack until Ctrl-C."""

import os
import sys

from django.core.management.base import BaseCommand, CommandParser

from controlplane.stack import options


class Command(BaseCommand):
    """Hands over to `python -m controlplane.stack`, which runs without Django, in less memory."""

    help = "Run all of Banyan here; with --demo also an example pair and traffic."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the stack's own options."""
        options.add_arguments(parser)

    def handle(self, *args: object, **values: object) -> None:
        """Replace this process; does not return."""
        given = sys.argv[sys.argv.index("runstack") + 1 :]
        os.execv(sys.executable, [sys.executable, "-m", "controlplane.stack", *given])  # noqa: S606
