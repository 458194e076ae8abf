"""Access records read as attempts: who tried, did it fail, how long did it take. Pure."""

import math
from dataclasses import dataclass, replace

from traffic.edge.records import AccessRecord
from traffic.edge.topology import USER_ARMS, Topology

CLIENT_LEFT = frozenset({"downstream_connection_termination", "downstream_remote_reset"})
OVERFLOW = "upstream_overflow"
SERVER_ERROR = 500
ROUTE_TIMEOUT_STATUS = 504
_NOT_A_FAILURE = frozenset({OVERFLOW, "upstream_retry_limit_exceeded"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try on one arm. `latency_us` is infinite without an answer; `shed` was never sent."""

    split: str
    arm: str
    record: AccessRecord
    error: bool
    shed: bool
    latency_us: float


def attempt_of(record: AccessRecord, topology: Topology) -> Attempt | None:
    """Return the attempt that a record stands for, None when another record does or none is.

    A fallback's answer belongs to no arm: its request was meant for the candidate, and would make
    legacy's sample depend on the candidate's failures. It is counted as failed over or diverted.
    """
    owner = topology.arm(record.cluster)
    if owner is None:
        return None
    split, arm = owner
    if arm in USER_ARMS:
        if topology.decision(record.route) != owner or not _speaks_for_user(record):
            return None
    elif record.log != "attempt":
        return None
    shed = arm not in USER_ARMS and OVERFLOW in record.flags
    failed = broke(record)
    return Attempt(
        split=split,
        arm=arm,
        record=record,
        error=not shed and (failed or record.status >= SERVER_ERROR),
        shed=shed,
        latency_us=math.inf if failed or client_left(record) else record.duration_us,
    )


def with_cluster(record: AccessRecord, topology: Topology) -> AccessRecord:
    """Return a copy's record with its cluster; Envoy leaves it out when it had to refuse the copy.

    The copy's mark tells its side. Where several splits have one, so does its declared route.
    """
    if record.cluster or not record.copy:
        return record
    for cluster, (split, _) in topology.arms.items():
        if cluster == f"{split}/{record.copy}" and topology.declares(
            split, record.method, record.path
        ):
            return replace(record, cluster=cluster)
    return record


def _speaks_for_user(record: AccessRecord) -> bool:
    """Whether this record, and not its sibling in the other log, tells how the attempt ended.

    Envoy's attempt record is mute (status 0, no flag) both when the client left and when the
    route's own timeout struck. Only the request's record tells these two apart.
    """
    if record.log == "attempt":
        return record.status != 0 or bool(record.flags)
    if client_left(record):
        return record.status == 0
    return record.status == ROUTE_TIMEOUT_STATUS and record.details == "response_timeout"


def client_left(record: AccessRecord) -> bool:
    """Whether the user went away before the answer was complete."""
    return bool(CLIENT_LEFT & record.flags)


def broke(record: AccessRecord) -> bool:
    """Whether the upstream gave no answer, or one that broke off."""
    if client_left(record):
        return False
    return record.status == 0 or any(
        flag.startswith("upstream_") and flag not in _NOT_A_FAILURE for flag in record.flags
    )
