"""`python -m controlplane.stack [--demo] ...`: run the whole stack until Ctrl-C, without Django."""

import asyncio
import sys

from controlplane.stack import options, probes, report
from controlplane.stack.banyan import banyan_specs
from controlplane.stack.console import Console
from controlplane.stack.demo import candidate_binary, demo_specs
from controlplane.stack.errors import RefusedError, StackError
from controlplane.stack.housekeeping import Guard
from controlplane.stack.layout import Layout, environment, make_layout
from controlplane.stack.state import State
from controlplane.stack.supervisor import Places, Supervisor

NO_AXUM = "The Axum candidate is not built (`make candidate`, needs cargo): a Python one stands in."


async def _serve(layout: Layout, console: Console) -> int:
    """Run all children until asked to stop."""
    if layout.foreign_redis and (problem := await probes.redis_ping(layout.foreign_redis)):
        raise RefusedError(f"the Redis of REDIS_URL does not answer PING: {problem}")
    banyan = banyan_specs(layout)
    specs = [*banyan, *demo_specs(layout, banyan)] if layout.options.demo else banyan
    state, guard = layout.state, Guard(lock=layout.state.lock)
    supervisor = Supervisor(
        specs,
        places=Places(logs=state.logs, hold=state.hold),
        console=console,
        guard=guard,
        env=environment(layout),
    )
    took = 0.0

    def publish() -> None:
        pids = supervisor.pids()
        state.publish(report.document(layout, ready=True, pids=pids, seconds=took))

    def ready() -> None:
        nonlocal took
        took = console.elapsed()
        publish()
        console.say(report.welcome(layout, took))

    supervisor.on_ready, supervisor.on_change = ready, publish
    state.publish(report.document(layout, ready=False, pids={}, seconds=0))
    try:
        return await supervisor.run()
    finally:
        guard.finish()
        state.publish(report.document(layout, ready=False, pids={}, seconds=took))


def main(arguments: list[str]) -> int:
    """Run and return the exit code.

    0 stopped as asked, 1 a child failed, 2 refused, 130 interrupted while starting.
    """
    console = Console()
    try:
        if not sys.platform.startswith("linux"):
            raise RefusedError("the embedded stack needs Linux; docker-compose.yml runs elsewhere")
        chosen = options.parse(arguments)
        layout = make_layout(chosen, State(chosen.state_dir))
        if chosen.demo and candidate_binary() is None:
            console.say(NO_AXUM)
        code = asyncio.run(_serve(layout, console))
    except StackError as error:
        sys.stderr.write(f"\nBanyan did not start: {error}\n")
        return error.exit_code
    console.event("stopped", "everything")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
