"""Envoy's admin socket: which version it uses, what it refused, whether it is alive."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from traffic.envoy.bootstrap_resources import STAT_PREFIX
from traffic.envoy.route_resources import ROUTE_CONFIG_NAME

ADMIN_TIMEOUT_SECONDS = 1.0

_ROUTES = f"http.{STAT_PREFIX}.rds.{ROUTE_CONFIG_NAME}"
_CLUSTERS = "cluster_manager.cds"
_ACCEPTANCE_FILTER = (
    rf"^(http\.{STAT_PREFIX}\.rds\.{ROUTE_CONFIG_NAME}|cluster_manager\.cds)"
    r"\.(version_text|update_success|update_rejected|update_failure)$"
)
_UPTIME = re.compile(r"(\d+)s")


class AdminError(Exception):
    """Envoy's admin socket did not answer."""


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """One resource type as Envoy sees it. The counters start anew when Envoy restarts."""

    version: str = ""
    success: int = 0
    rejected: int = 0
    failure: int = 0

    def refused_since(self, before: "ConfigStatus") -> bool:
        """Whether an update was refused after `before` was taken."""
        return self.rejected > before.rejected or self.failure > before.failure


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What Envoy uses now."""

    clusters: ConfigStatus
    routes: ConfigStatus


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The running Envoy."""

    version: str
    uptime_seconds: int
    ready: bool


class EnvoyAdmin:
    """A client of the admin socket at `path`. Every method raises AdminError when it is silent."""

    def __init__(self, path: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)),
            base_url="http://envoy",
            timeout=ADMIN_TIMEOUT_SECONDS,
        )

    async def __aenter__(self) -> "EnvoyAdmin":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def acceptance(self) -> Acceptance:
        """Return the versions in use and the refusal counters."""
        stats = await self._stats(_ACCEPTANCE_FILTER)
        return Acceptance(_status(stats, _CLUSTERS), _status(stats, _ROUTES))

    async def active_requests(self, clusters: Iterable[str]) -> int:
        """Return how many requests the named clusters are serving now."""
        names = "|".join(re.escape(name) for name in sorted(clusters))
        stats = await self._stats(rf"^cluster\.({names})\.upstream_rq_active$")
        return sum(int(value) for value in stats.values())

    async def server_info(self) -> ServerInfo:
        """Return version, age and readiness of Envoy."""
        response = await self._get("/server_info")
        info = response.json()
        uptime = _UPTIME.match(str(info.get("uptime_current_epoch", "")))
        return ServerInfo(
            version=_short_version(str(info.get("version", ""))),
            uptime_seconds=int(uptime.group(1)) if uptime else 0,
            ready=info.get("state") == "LIVE",
        )

    async def _stats(self, pattern: str) -> dict[str, str]:
        response = await self._get("/stats", {"filter": pattern})
        lines = (line.partition(": ") for line in response.text.splitlines())
        return {name: value.strip('"') for name, _, value in lines}

    async def _get(self, path: str, params: dict[str, str] | None = None) -> httpx.Response:
        try:
            response = await self._client.get(path, params=params)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise AdminError(f"Envoy's admin socket: {error!r}") from error
        return response


def _status(stats: dict[str, str], prefix: str) -> ConfigStatus:
    return ConfigStatus(
        version=stats.get(f"{prefix}.version_text", ""),
        success=int(stats.get(f"{prefix}.update_success", 0)),
        rejected=int(stats.get(f"{prefix}.update_rejected", 0)),
        failure=int(stats.get(f"{prefix}.update_failure", 0)),
    )


def _short_version(text: str) -> str:
    """`<commit>/1.40.0/Clean/RELEASE/BoringSSL` -> `1.40.0`."""
    parts = text.split("/")
    return parts[1] if len(parts) > 1 else text
