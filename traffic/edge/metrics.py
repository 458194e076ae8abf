"""The edge's own `/metrics`, served from a thread when it has an address for it."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from traffic.edge.apply import Status

REGISTRY = CollectorRegistry()
REPORTS = Counter(
    "banyan_edge_reports", "reports to the control plane", ["result"], registry=REGISTRY
)
POLLS = Counter(
    "banyan_edge_polls", "requests for the next snapshot", ["result"], registry=REGISTRY
)


class StatusCollector(Collector):
    """Where this proxy stands, and how long ago the control plane took its report."""

    def __init__(self, status: Callable[[], Status]) -> None:
        """`status` is asked from another thread: it only reads."""
        self._status = status
        self._begun = time.monotonic()
        self.reported_at: float | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield generation, acceptance, hold and silence."""
        state = self._status().state
        generation = state.position.generation if state.position else 0
        yield GaugeMetricFamily(
            "banyan_edge_generation", "the snapshot this proxy stands at", value=generation
        )
        yield GaugeMetricFamily(
            "banyan_edge_applied", "1 when Envoy accepted it", value=float(state.applied)
        )
        yield GaugeMetricFamily(
            "banyan_edge_held",
            "1 while held on this host",
            value=float(state.hold is not None),
        )
        yield GaugeMetricFamily(
            "banyan_edge_control_silent_seconds",
            "time since the control plane took a report, or since the start",
            value=time.monotonic() - (self.reported_at or self._begun),
        )


def serve(collector: StatusCollector, port: int) -> Callable[[], None]:
    """Serve on 127.0.0.1; returns what ends it. OSError when the port is taken."""
    REGISTRY.register(collector)
    server, thread = start_http_server(port, "127.0.0.1", registry=REGISTRY)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)
        REGISTRY.unregister(collector)

    return stop
