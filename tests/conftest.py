"""What every test stands on: a ledger that may be emptied between tests, and nothing of this machine."""

from tests.ledger import ledger_flush

__all__ = ["ledger_flush"]
