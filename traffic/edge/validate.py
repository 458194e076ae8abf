"""Ask Envoy itself whether documents are valid, before they come near the running one."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traffic.envoy.resources import bootstrap
from traffic.envoy.snapshot import canonical

Json = dict[str, Any]

VALIDATE_TIMEOUT_SECONDS = 20.0
REMEMBERED = 64
ENVOY_LOG_LINE = re.compile(r"^\[\d{4}-\d\d-\d\d [^\]]*\]\[\d+\]\[\w+\]\[\w+\] (\[[^\]]*\] )?")
_PREFIX = re.compile(r"^error initializing configuration '[^']*': ")
_SUCCESS = "configuration '"


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether Envoy would take the documents; if not, its own words.

    Not `final` when Envoy could not be asked: the same documents may be asked again.
    """

    ok: bool
    reason: str = ""
    final: bool = True


def inlined(clusters: Sequence[Json], routes: Sequence[Json], *, state_dir: str) -> Json:
    """Return a bootstrap that has the documents inside, so nothing is left to fetch."""
    doc = bootstrap(
        proxy_id="validate", state_dir=state_dir, listen_host="127.0.0.1", listen_port=0
    )
    del doc["dynamic_resources"]
    doc["static_resources"]["clusters"] += [_untyped(cluster) for cluster in clusters]
    listener = doc["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"]
    manager["route_config"] = _untyped(routes[0]) if routes else {"name": "empty"}
    return doc


def content_key(clusters: Sequence[Json], routes: Sequence[Json]) -> str:
    """Return the hash under which a verdict is remembered."""
    return hashlib.sha256(canonical({"clusters": clusters, "routes": routes})).hexdigest()


class Validator:
    """Runs `envoy --mode validate` at most once per content. Costs 0.2-0.8 s of one core."""

    def __init__(self, envoy: Path) -> None:
        self._envoy = envoy
        self._known: OrderedDict[str, Validation] = OrderedDict()
        self._running: dict[str, asyncio.Task[Validation]] = {}
        self.runs = 0

    async def check(self, clusters: Sequence[Json], routes: Sequence[Json]) -> Validation:
        """Return Envoy's verdict, from memory when the same content was asked before.

        A caller that is cancelled leaves the run going: its verdict is remembered for the next.
        """
        key = content_key(clusters, routes)
        if key in self._known:
            return self._known[key]
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(key, clusters, routes))
        return await asyncio.shield(self._running[key])

    async def prepare(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Check likely next documents ahead of time, so that a decision does not wait for it."""
        for doc in documents:
            await self.check(doc["clusters"], doc["routes"])

    async def aclose(self) -> None:
        """Stop what is still running."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, key: str, clusters: Sequence[Json], routes: Sequence[Json]) -> Validation:
        self.runs += 1
        try:
            with tempfile.TemporaryDirectory(prefix="banyan-validate-") as directory:
                file = Path(directory) / "envoy.json"
                file.write_text(json.dumps(inlined(clusters, routes, state_dir=directory)))
                verdict = await run_validation(self._envoy, file)
        finally:
            del self._running[key]
        if verdict.final:
            self._remember(key, verdict)
        return verdict

    def _remember(self, key: str, verdict: Validation) -> None:
        self._known[key] = verdict
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


async def run_validation(envoy: Path, bootstrap_file: Path) -> Validation:
    """Run Envoy once in validation mode on a complete bootstrap file."""
    arguments = ["--mode", "validate", "--log-level", "warning", "-c", str(bootstrap_file)]
    try:
        process = await asyncio.create_subprocess_exec(
            envoy,
            *arguments,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        # Users' requests go first: this shares the cores with the Envoy that serves them.
        with contextlib.suppress(ProcessLookupError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, 5)
    except OSError as error:
        return Validation(ok=False, reason=f"cannot run Envoy to validate: {error}", final=False)
    try:
        async with asyncio.timeout(VALIDATE_TIMEOUT_SECONDS):
            _, errors = await process.communicate()
    except TimeoutError:
        reason = f"no verdict of Envoy in {VALIDATE_TIMEOUT_SECONDS:g} s"
        return Validation(ok=False, reason=reason, final=False)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return Validation(ok=True)
    return Validation(ok=False, reason=_reason(errors.decode(errors="replace")))


def _reason(errors: str) -> str:
    lines = [ENVOY_LOG_LINE.sub("", line).strip() for line in errors.splitlines()]
    told = [line for line in lines if line and not line.startswith(_SUCCESS)]
    return _PREFIX.sub("", told[-1])[:1000] if told else "Envoy gave no reason"


def _untyped(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "@type"}
