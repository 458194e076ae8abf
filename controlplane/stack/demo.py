"""The demo's processes as specs: FastAPI legacy, Axum candidate or its stand-in, traffic."""

from pathlib import Path

from controlplane.stack import probes
from controlplane.stack.banyan import TIER_PAIR, TIER_TRAFFIC, python
from controlplane.stack.child import Spec
from controlplane.stack.layout import LOOPBACK, ROOT, Layout

EXAMPLES = ROOT / "examples"
AXUM = EXAMPLES / "candidate-axum" / "target" / "release" / "candidate-axum"
STAND_IN = EXAMPLES / "candidate-python" / "standin.py"


def candidate_binary() -> Path | None:
    """Return the built Axum candidate, or None."""
    return AXUM if AXUM.is_file() else None


def candidate_spec(layout: Layout, binary: Path | None) -> Spec:
    """Return the candidate; with `binary` None its Python stand-in."""
    port, scenario = layout.ports["candidate"], layout.options.scenario
    return Spec(
        name="candidate",
        argv=python(str(STAND_IN)) if binary is None else (str(binary),),
        env={
            "HOST": LOOPBACK,
            "PORT": str(port),
            "ADMIN_PORT": str(layout.ports["candidate-admin"]),
            "LOG_FILE": str(layout.access_log("candidate")),
            "FAULT": "" if scenario == "healthy" else scenario,
            "FAULT_COLLAPSE_RPS": str(layout.options.rate * 3 // 2 + 1),
        },
        probe=probes.http_ready(LOOPBACK, port, "/readyz"),
        tier=TIER_PAIR,
    )


def legacy_spec(layout: Layout) -> Spec:
    """Return the service that is to be replaced."""
    port = layout.ports["legacy"]
    app = ("app:app", "--app-dir", str(EXAMPLES / "legacy-fastapi"))
    return Spec(
        name="legacy",
        argv=python(
            "-m", "uvicorn", *app, "--host", LOOPBACK, "--port", str(port), "--no-access-log"
        ),
        env={
            "ADMIN_PORT": str(layout.ports["legacy-admin"]),
            "LOG_FILE": str(layout.access_log("legacy")),
        },
        probe=probes.http_ready(LOOPBACK, port, "/readyz"),
        tier=TIER_PAIR,
    )


def traffic_spec(layout: Layout, *, needs: tuple[str, ...]) -> Spec:
    """Return the generator, started once users are really served through Envoy."""
    rate, wide = str(layout.options.rate), layout.options.scenario == "f32"
    served = probes.http_ok(layout.options.host, layout.ports["envoy"], "/healthz")
    script = str(EXAMPLES / "traffic" / "generator.py")
    ask = ("--url", layout.url("envoy"), "--rate", rate)
    return Spec(
        name="traffic",
        argv=python(script, *ask, *(("--wide",) if wide else ())),
        before=("an answer of legacy through Envoy", served),
        probe=probes.alive,
        needs=needs,
        tier=TIER_TRAFFIC,
    )


def demo_specs(layout: Layout, banyan: list[Spec]) -> list[Spec]:
    """Return the pair, and the traffic unless unwanted."""
    pair = [legacy_spec(layout), candidate_spec(layout, candidate_binary())]
    if not layout.options.traffic:
        return pair
    needs = tuple(spec.name for spec in [*banyan, *pair])
    return [*pair, traffic_spec(layout, needs=needs)]
