"""What is broken, one module per component. Each fault repairs what it broke."""

from tests.drill.faults import (
    beat,
    broker,
    database,
    edge,
    envoy,
    everything,
    postgres,
    web,
    worker,
)
from tests.drill.trial import Fault

FAULTS: dict[str, dict[str, Fault]] = {
    "web": web.FAULTS,
    "worker": worker.FAULTS,
    "beat": beat.FAULTS,
    "broker": broker.FAULTS,
    "database": database.FAULTS,
    "edge": edge.FAULTS,
    "envoy": envoy.FAULTS,
    "everything": everything.FAULTS,
    "postgres": postgres.FAULTS,
}
