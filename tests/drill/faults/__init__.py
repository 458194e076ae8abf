"""What is broken, one module per component. Each fault repairs what it broke."""

from tests.drill.faults import (
    beat,
    broker,
    channel,
    database,
    edge,
    envoy,
    everything,
    fleet,
    postgres,
    services,
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
    "fleet": fleet.FAULTS,
    "channel": channel.FAULTS,
    "services": services.FAULTS,
    "everything": everything.FAULTS,
    "postgres": postgres.FAULTS,
}
