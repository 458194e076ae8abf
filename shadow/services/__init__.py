"""Verbs that write evidence, one transaction each."""

from shadow.services.causes import SAMPLES_PER_CAUSE, Compared
from shadow.services.comparing import compare_batch, open_cursor, record_batch
from shadow.services.housekeeping import housekeep
from shadow.services.logs import record_lines
from shadow.services.pairs import (
    Connections,
    build_of,
    check_addresses,
    check_connections,
    create_pair,
    note_builds,
)
from shadow.services.probing import record_probes
from shadow.services.running import carry_out
from shadow.services.runs import (
    claim_next,
    finish,
    queue_due,
    renew,
    request_run,
    set_check_settings,
    stop_run,
)

__all__ = [
    "SAMPLES_PER_CAUSE",
    "Compared",
    "Connections",
    "build_of",
    "carry_out",
    "check_addresses",
    "check_connections",
    "claim_next",
    "compare_batch",
    "create_pair",
    "finish",
    "housekeep",
    "note_builds",
    "open_cursor",
    "queue_due",
    "record_batch",
    "record_lines",
    "record_probes",
    "renew",
    "request_run",
    "set_check_settings",
    "stop_run",
]
