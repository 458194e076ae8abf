"""Bodies without end: reading stops at the cap or when the time is over, and the answer is JSON."""

import asyncio
import json

import pytest

from controlplane import body
from controlplane.body import MAX_BYTES, MAX_REPORT_BYTES, BoundedBody

CHUNK = b"x" * 65_536


async def django_like(scope, receive, send):
    """Read the whole body, then answer with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


class Client:
    """Sends chunks as they are asked for and keeps the answer; counts what was read of it."""

    def __init__(self, chunks, *, delay_s=0.0):
        self.chunks, self.delay_s = iter(chunks), delay_s
        self.read, self.sent = 0, []

    async def receive(self):
        await asyncio.sleep(self.delay_s)
        chunk = next(self.chunks, None)
        self.read += len(chunk or b"")
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(self, message):
        self.sent.append(message)

    async def ask(self, *, path="/api/v1/migrations/", headers=()):
        scope = {"type": "http", "path": path, "headers": list(headers)}
        await BoundedBody(django_like)(scope, self.receive, self.send)
        return self.sent[0]["status"], self.sent[1]["body"]


def endless():
    while True:
        yield CHUNK


@pytest.mark.parametrize(
    ("path", "cap"), [("/api/v1/migrations/", MAX_BYTES), ("/edge/v1/report", MAX_REPORT_BYTES)]
)
async def test_an_endless_body_is_413_and_reading_stops_at_the_cap(path, cap):
    client = Client(endless())
    status, answer = await client.ask(path=path)
    problem = json.loads(answer)
    assert (status, problem["status"], problem["code"]) == (413, 413, "body_too_large")
    assert problem["request_id"] == dict(client.sent[0]["headers"])[b"x-request-id"].decode()
    assert cap < client.read <= cap + len(CHUNK)


async def test_a_body_that_says_that_it_is_too_large_is_not_read():
    client = Client(endless())
    status, _ = await client.ask(headers=[(b"content-length", b"1000000000")])
    assert (status, client.read) == (413, 0)


async def test_a_body_that_drips_is_408_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(body, "READ_SECONDS", 0.05)
    status, answer = await Client(iter([b"x"] * 1000), delay_s=0.01).ask()
    assert (status, json.loads(answer)["code"]) == (408, "body_too_slow")


async def test_a_body_within_the_cap_arrives_whole():
    assert await Client([CHUNK, CHUNK]).ask() == (200, str(2 * len(CHUNK)).encode())


async def test_once_the_body_is_whole_an_answer_may_take_its_time(monkeypatch):
    """Live pages wait for the end of the connection for as long as they are open."""
    monkeypatch.setattr(body, "READ_SECONDS", 0.05)
    client = Client([])

    async def live(scope, receive, send):
        await receive()
        client.delay_s = 0.1
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = {"type": "http", "path": "/", "headers": []}
    await BoundedBody(live)(scope, client.receive, client.send)
    assert client.sent[0]["status"] == 200


async def test_what_is_no_request_passes_by():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    await BoundedBody(app)({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]
