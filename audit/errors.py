"""What can go wrong when the ledger is written; all of it is a fault of ours, never of a user."""


class LedgerError(Exception):
    """Base of everything the ledger raises."""


class NotInTransactionError(LedgerError):
    """An entry was to be written on its own, apart from the change that it records."""


class NotCanonicalError(LedgerError, ValueError):
    """A body holds something that has no one written form (NaN, a naive time, an object)."""


class DamagedLedgerError(LedgerError):
    """Head and entries don't belong together; nothing is appended to a log that is broken."""


class KeyProblemError(LedgerError):
    """The signing key cannot be used; decisions go on, checkpoints don't."""


class AnchorProblemError(LedgerError):
    """A place outside the database does not take or give checkpoints."""


class NothingToRestoreError(LedgerError):
    """A restore was to be declared, yet the database agrees with its anchor."""
