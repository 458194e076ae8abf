"""An Envoy of a few lines: it watches the files when asked, and accepts or refuses."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from traffic.edge.acceptance import SILENT, Answer, Mark
from traffic.edge.admin import Acceptance, ConfigStatus
from traffic.edge.files import UNION_SUFFIX, Kind, Wanted


class FakeEnvoy:
    """Stands in for the acceptance watch. `log` has every file it saw, in order."""

    def __init__(self, state_dir: Path) -> None:
        self._xds = state_dir / "xds"
        self.log: list[tuple[Kind, str]] = []
        self.refuses: dict[str, str] = {}
        self.running = True
        self.active = 0

    def version(self, kind: Kind) -> str:
        path = self._xds / kind / f"{kind}.json"
        return str(json.loads(path.read_text())["version_info"]) if path.exists() else ""

    async def mark(self) -> Mark | None:
        if not self.running:
            return None
        none = ConfigStatus()
        return Mark(Acceptance(none, none), 0)

    async def wait(
        self, mark: Mark | None, kind: Kind, version: str, rewrite: Callable[[Kind], None]
    ) -> Answer:
        if mark is None:
            return SILENT
        self.log.append((kind, self.version(kind)))
        reason = self.refuses.get(f"{kind} {version}")
        return Answer("rejected", reason) if reason else Answer("accepted")

    async def confirmed(self, target: Wanted) -> bool:
        versions = (self.version("clusters").removesuffix(UNION_SUFFIX), self.version("routes"))
        return self.running and versions == (target.clusters_version, target.routes_version)

    async def active_requests(self, clusters: Iterable[str]) -> int:
        return self.active
