"""`python -m traffic.edge`: the small program beside each Envoy. `... hold` is break-glass."""

import asyncio
import signal
import sys
import uuid

from traffic.edge.config import EdgeConfig, environment, parse_config


async def run(config: EdgeConfig) -> None:
    """Run one edge until SIGTERM or SIGINT."""
    from traffic.edge.app import Edge
    from traffic.edge.collector import Collector

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    collector = Collector(config.state_dir, config.redis, str(uuid.uuid4()))
    await Edge(config, collector).run(stop)


def main(arguments: list[str]) -> int:
    """Run the program that the arguments name; returns the exit status.

    Each imports only what it needs: who breaks the glass on a busy host waits for nothing else.
    """
    if arguments[:1] == ["hold"]:
        from traffic.edge import hold

        return hold.main(arguments[1:])
    import uvloop

    from traffic.edge.logs import set_up

    config = parse_config(arguments, environment())
    set_up(config.proxy_id, level=config.log_level, form=config.log_format)
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    uvloop.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
