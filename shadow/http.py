"""The one place where Banyan builds HTTP clients: total deadlines, no redirects, bounded bodies."""

import asyncio
import time
from dataclasses import dataclass

import httpx

DEADLINE_SECONDS = 3.0
MAX_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one call brought: status 0 and `error` when there was no whole answer in time."""

    status: int
    headers: dict[str, str]
    body: bytes
    duration_us: int
    error: str = ""


def fetch(url: str, *, deadline_s: float = DEADLINE_SECONDS) -> Fetched:
    """GET one address within a total deadline; every failure is a Fetched with a named error."""
    return asyncio.run(_fetch_all([url], deadline_s))[0]


def fetch_all(urls: list[str], *, deadline_s: float = DEADLINE_SECONDS) -> list[Fetched]:
    """GET several addresses at once, each within the deadline, in the order given."""
    return asyncio.run(_fetch_all(urls, deadline_s))


async def _fetch_all(urls: list[str], deadline_s: float) -> list[Fetched]:
    timeout = httpx.Timeout(deadline_s, connect=min(deadline_s, 1.0))
    async with httpx.AsyncClient(
        timeout=timeout, follow_redirects=False, trust_env=False
    ) as client:
        return list(await asyncio.gather(*(_get(client, url, deadline_s) for url in urls)))


async def _get(client: httpx.AsyncClient, url: str, deadline_s: float) -> Fetched:
    started = time.perf_counter()
    status, headers, body, error = 0, {}, b"", ""
    try:
        async with asyncio.timeout(deadline_s), client.stream("GET", url) as response:
            status, headers = response.status_code, dict(response.headers)
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    body, error = body[:MAX_BODY_BYTES], "body_too_large"
                    break
    except TimeoutError:
        status, error = 0, "timeout"
    except httpx.ConnectError:
        status, error = 0, "connection_refused"
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        status, error = 0, _snake(type(exc).__name__)
    return Fetched(status, headers, body, int((time.perf_counter() - started) * 1e6), error)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
