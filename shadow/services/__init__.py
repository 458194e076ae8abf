"""Verbs that write evidence, one transaction each."""

from shadow.services.causes import SAMPLES_PER_CAUSE, Compared
from shadow.services.comparing import compare_batch, open_cursor, record_batch
from shadow.services.housekeeping import housekeep
from shadow.services.pairs import (
    Connections,
    build_of,
    check_addresses,
    check_connections,
    create_pair,
    note_builds,
)
from shadow.services.probing import record_probes

__all__ = [
    "SAMPLES_PER_CAUSE",
    "Compared",
    "Connections",
    "build_of",
    "check_addresses",
    "check_connections",
    "compare_batch",
    "create_pair",
    "housekeep",
    "note_builds",
    "open_cursor",
    "record_batch",
    "record_probes",
]
