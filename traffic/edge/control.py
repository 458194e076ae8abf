"""The edge's side of the control plane's HTTP contract: long poll and report.

A long poll cannot tell a quiet control plane from a connection that died unheard. The reports can:
one that fails, or is answered with a generation that the poll should have got, ends the poll.
"""

import asyncio
import secrets
import ssl
from types import TracebackType
from typing import Any

import httpx

Json = dict[str, Any]

WAIT_SECONDS = 25
REPORT_TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 2.0
# An answer may be on its way when a report was told of it.
GRACE_SECONDS = 1.0
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 5.0


class ControlError(Exception):
    """The control plane did not give a usable answer; ask again later."""


class UnknownLineageError(ControlError):
    """The control plane does not know the lineage we stand on (409)."""


class TooLargeError(ControlError):
    """The report was larger than the control plane takes (413)."""


class Backoff:
    """Waiting times 0.2 s doubling to 5 s, each between half and all of it.

    The jitter keeps many proxies from coming back in step after an outage.
    """

    def __init__(self) -> None:
        self._next = BACKOFF_FIRST_SECONDS

    def reset(self) -> None:
        """Start from the shortest wait again."""
        self._next = BACKOFF_FIRST_SECONDS

    def seconds(self) -> float:
        """Return how long to wait now; the next wait is longer."""
        wait, self._next = self._next, min(self._next * 2, BACKOFF_MAX_SECONDS)
        return wait * (0.5 + secrets.randbelow(1000) / 2000)


class ControlPlane:
    """A client of `base_url` with this proxy's token."""

    def __init__(self, base_url: str, token: str, *, ca_file: str | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
            follow_redirects=False,
            timeout=httpx.Timeout(REPORT_TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        )
        self._asked_from = 0
        self._doubt = asyncio.Event()

    async def __aenter__(self) -> "ControlPlane":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def snapshot(self, lineage: str | None, generation: int) -> object | None:
        """Wait for something newer than `generation`; None when there is nothing.

        Raises UnknownLineageError or ControlError.
        """
        params: dict[str, str | int] = {"generation": generation, "wait": WAIT_SECONDS}
        if lineage is not None:
            params["lineage"] = lineage
        # Reading may take the whole wait; everything else has the usual limit.
        timeout = httpx.Timeout(
            REPORT_TIMEOUT_SECONDS, connect=CONNECT_SECONDS, read=WAIT_SECONDS + 5
        )
        self._asked_from = generation
        response = await self._send_unless_in_doubt(
            self._client.build_request("GET", "/edge/v1/snapshot", params=params, timeout=timeout)
        )
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        if response.status_code == httpx.codes.CONFLICT:
            raise UnknownLineageError(f"the control plane does not know lineage {lineage}")
        return self._json(response)

    async def report(self, body: Json) -> int:
        """Send one report and return the acknowledged seq.

        Raises TooLargeError or ControlError.
        """
        try:
            response = await self._send(
                self._client.build_request("POST", "/edge/v1/report", json=body)
            )
        except ControlError:
            self._doubt.set()
            raise
        if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise TooLargeError("413")
        answer = self._json(response)
        if not isinstance(answer, dict) or not isinstance(answer.get("ack_seq"), int):
            raise ControlError("the answer to a report has no ack_seq")
        if answer.get("generation", 0) > self._asked_from:
            self._doubt.set()
        return int(answer["ack_seq"])

    async def _send_unless_in_doubt(self, request: httpx.Request) -> httpx.Response:
        self._doubt.clear()
        sent = asyncio.create_task(self._send(request))
        doubted = asyncio.create_task(self._doubt.wait())
        try:
            await asyncio.wait({sent, doubted}, return_when=asyncio.FIRST_COMPLETED)
            if not sent.done():
                await asyncio.wait({sent}, timeout=GRACE_SECONDS)
            if not sent.done():
                raise ControlError(f"{request.url.path}: nothing comes through; asking anew")
            return sent.result()
        finally:
            for task in (sent, doubted):
                task.cancel()
            await asyncio.gather(sent, doubted, return_exceptions=True)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request)
        except httpx.HTTPError as error:
            raise ControlError(f"{request.url.path}: {error!r}") from error

    @staticmethod
    def _json(response: httpx.Response) -> object:
        if response.status_code != httpx.codes.OK:
            path = response.request.url.path
            raise ControlError(f"{path}: {response.status_code} {response.text[:200]}")
        try:
            return response.json()
        except ValueError as error:
            raise ControlError(f"the answer is not JSON: {error}") from error
