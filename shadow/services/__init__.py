"""Verbs that write evidence, one transaction each."""

from shadow.services.causes import SAMPLES_PER_CAUSE
from shadow.services.comparing import compare_batch, open_cursor, record_batch
from shadow.services.corpus import (
    Added,
    add_generated,
    add_requests,
    delete_requests,
    forget_expired,
    keep_recorded,
)
from shadow.services.examples import Compared
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
from shadow.services.probing import record_probes, resident_bytes
from shadow.services.replaying import (
    REPLAY,
    ReplaySettings,
    generate_due,
    read_replay_settings,
    replay_next,
)
from shadow.services.running import carry_out
from shadow.services.runs import (
    claim_next,
    finish,
    forget_runs,
    queue_due,
    renew,
    request_run,
    set_check_settings,
    stop_run,
)

__all__ = [
    "REPLAY",
    "SAMPLES_PER_CAUSE",
    "Added",
    "Compared",
    "Connections",
    "ReplaySettings",
    "add_generated",
    "add_requests",
    "build_of",
    "carry_out",
    "check_addresses",
    "check_connections",
    "claim_next",
    "compare_batch",
    "create_pair",
    "delete_requests",
    "finish",
    "forget_expired",
    "forget_runs",
    "generate_due",
    "housekeep",
    "keep_recorded",
    "note_builds",
    "open_cursor",
    "queue_due",
    "read_replay_settings",
    "record_batch",
    "record_lines",
    "record_probes",
    "renew",
    "replay_next",
    "request_run",
    "resident_bytes",
    "set_check_settings",
    "stop_run",
]
