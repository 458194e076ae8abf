"""What a person may choose, as command-line options and environment; read once."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controlplane.stack.errors import RefusedError

# The demo candidate's faults (examples/README.md); with f32 users send wide numbers as well.
SCENARIOS = (
    *("healthy", "drift", "errors", "slow", "schema", "f32", "default_changed"),
    *("unknown_field_accepted", "wrong_status", "wrong_message", "readyz_draining"),
    *("log_field_missing", "log_level_renamed", "collapses", "leaks"),
)
HIGHEST_PORT = 65_535
FASTEST_RATE = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of one run. Ports of None are chosen free and remembered."""

    demo: bool
    state_dir: Path
    host: str
    web_port: int | None
    envoy_port: int | None
    rate: int
    traffic: bool
    scenario: str


def _within(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    port = _within(1, HIGHEST_PORT)
    parser.add_argument(
        "--demo", action="store_true", help="also run the example pair and a traffic generator"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path(os.environ.get("BANYAN_STATE_DIR") or "state"),
        help="everything the stack keeps, logs included (default: ./state)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on for people")
    parser.add_argument("--web-port", type=port, help="port of the pages and the API (free one)")
    parser.add_argument("--envoy-port", type=port, help="port that users call (free one)")
    parser.add_argument(
        "--rate", type=_within(1, FASTEST_RATE), default=100, help="demo requests per second (100)"
    )
    parser.add_argument("--no-traffic", action="store_true", help="demo without the generator")
    parser.add_argument(
        "--scenario",
        default=os.environ.get("SCENARIO") or "healthy",
        help=f"the demo candidate's fault: {', '.join(SCENARIOS)} (default: $SCENARIO)",
    )


def parse(arguments: list[str]) -> Options:
    """Read the command line; RefusedError when a value makes no sense."""
    parser = argparse.ArgumentParser(prog="runstack", description="Run all of Banyan here.")
    add_arguments(parser)
    values = parser.parse_args(arguments)
    if values.scenario not in SCENARIOS:
        raise RefusedError(
            f"unknown scenario {values.scenario!r}: choose one of {', '.join(SCENARIOS)}"
        )
    return Options(
        demo=values.demo,
        state_dir=values.state_dir,
        host=values.host,
        web_port=values.web_port,
        envoy_port=values.envoy_port,
        rate=values.rate,
        traffic=values.demo and not values.no_traffic,
        scenario=values.scenario,
    )
