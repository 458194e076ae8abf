from tests.ledger import ledger_flush

__all__ = ["ledger_flush"]
