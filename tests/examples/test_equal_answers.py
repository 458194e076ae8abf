"""What both accept, they answer alike: the same fields, and numbers within 1e-4."""

import json
import random
from typing import Any

import pytest
from requests_pool import Request, build_pool

from tests.examples.services import JSON, Answer, Service

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

START = b'{"model":"m","inputs":[1]'
UNUSUAL: dict[str, tuple[str, bytes, str]] = {
    "integers": ("/infer", b'{"input":[1,-2,0]}', JSON),
    "minus zero": ("/infer", b'{"input":[-0,-0.0]}', JSON),
    "exponents": ("/infer", b'{"input":[1E2,1e-400,2.5e+1]}', JSON),
    "white space": ("/infer", b' \r\n\t{ "input" :\n[ 1 , 2 ] } \n', JSON),
    "many digits": ("/infer", b'{"input":[0.1234567890123456789012345678901234567890]}', JSON),
    "key given twice": ("/infer", b'{"input":["x"],"input":[2]}', JSON),
    "escaped key": ("/infer", b'{"\\u0069nput":[1]}', JSON),
    "character set": ("/infer", b'{"input":[1]}', "application/json; charset=latin-1"),
    "capitals in the type": ("/infer", b'{"input":[1]}', "Application/JSON"),
    "query string": ("/infer?a=1&b=%00", b'{"input":[1]}', JSON),
    "encoded path": ("/inf%65r", b'{"input":[1]}', JSON),
    "encoded slash": ("/v1%2Finfer", START + b"}", JSON),
    "most values": ("/infer", b'{"input":[' + b"1," * 99_999 + b"2]}", JSON),
    "largest body": ("/infer", b'{"input":[1]}'.ljust(4 * 1024 * 1024), JSON),
    "longest model": ("/v1/infer", '{"model":"é😀","inputs":[1]}'.encode(), JSON),
    "model of 64": ("/v1/infer", ('{"model":"' + "é" * 64 + '","inputs":[1]}').encode(), JSON),
    "escapes": ("/v1/infer", b'{"model":"\\u0000\\ud83d\\ude00\\/","inputs":[1]}', JSON),
    "model given twice": ("/v1/infer", b'{"model":3,"model":"n","inputs":[1]}', JSON),
    "top_k at its limits": ("/v1/infer", START + b',"top_k":1000}', JSON),
    "hottest": ("/v1/infer", START + b',"temperature":100}', JSON),
    "equal values": ("/v1/infer", b'{"model":"m","inputs":[3,3,3,1],"top_k":2}', JSON),
}


def same(mine: Any, other: Any, tolerance: float = 1e-4, relative: float = 0.0) -> bool:
    """Equal as JSON, numbers within the tolerances; times and versions are each side's own."""
    if isinstance(mine, dict) and isinstance(other, dict):
        own = {"latency_ms", "version"}
        shared = [(mine[key], other[key]) for key in mine.keys() & other.keys() - own]
        return mine.keys() == other.keys() and _all_same(shared, tolerance, relative)
    if isinstance(mine, list) and isinstance(other, list):
        pairs = list(zip(mine, other, strict=False))
        return len(mine) == len(other) and _all_same(pairs, tolerance, relative)
    if type(mine) is float and type(other) is float:
        return abs(mine - other) < tolerance + relative * abs(other)
    return bool(mine == other)


def _all_same(pairs: list[tuple[Any, Any]], tolerance: float, relative: float) -> bool:
    return all(same(mine, other, tolerance, relative) for mine, other in pairs)


def alike(mine: Answer, other: Answer, relative: float = 0.0) -> bool:
    heads = (mine.status, mine.content_type) == (other.status, other.content_type)
    return heads and same(mine.json(), other.json(), relative=relative)


def ask(service: Service, request: Request) -> Answer:
    return service.send(request.method, request.path, request.body, request.content_type)


def distinct(*, wide: bool = False) -> list[Request]:
    return list({request.body: request for request in build_pool(wide=wide)}.values())


def test_every_generated_request_gets_its_expected_answer_from_all(
    legacy: Service, replacement: Service
):
    for request in distinct():
        for service in (legacy, replacement):
            answer = ask(service, request)
            assert answer.status == request.status
            body = answer.json()
            settled = {name: body.get(name) for name in request.expected}
            assert same(settled, request.expected), request.path


def test_unusual_requests_are_accepted_alike(legacy: Service, replacement: Service):
    for name, (path, body, kind) in UNUSUAL.items():
        mine = replacement.send("POST", path, body, kind)
        other = legacy.send("POST", path, body, kind)
        assert other.status == 200, name
        assert alike(mine, other), name


def test_values_beyond_a_thousand_are_answered_alike(legacy: Service, replacement: Service):
    requests = [request for request in distinct(wide=True) if request.valid][:60]
    assert all(alike(ask(replacement, r), ask(legacy, r)) for r in requests)


def test_bodies_sent_in_chunks_are_read_alike(legacy: Service, replacement: Service):
    chunks = b'9\r\n{"input":\r\n4\r\n[1]}\r\n0\r\n\r\n'
    headers = {"transfer-encoding": "chunked", "content-type": JSON}
    for service in (legacy, replacement):
        answer = service.send("POST", "/infer", chunks, headers=headers)
        assert same(answer.json(), {"output": [2.1]})


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bodies_are_answered_alike(legacy: Service, replacement: Service, seed: int):
    rng = random.Random(seed)  # noqa: S311
    for _ in range(250):
        path, body = damaged(rng)
        mine, other = replacement.post(path, body), legacy.post(path, body)
        # Damage makes large numbers, too; those may differ by what float64 rounds off.
        assert alike(mine, other, relative=1e-14), (path, body, mine.body, other.body)


PIECES = [
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"-", b"0", b"1", b".", b"e5", b"E+9", b" ", b"\n"),
    *(b"null", b"true", b"NaN", b"Infinity", b"1e400", b"9" * 25, b'"x"', b"\\u00e9", b"\\ud800"),
    *(b"\xff", b"\x00", b'"top_k"', b'"inputs"', b'"input"', b'"a":1,', b"5.0", b"[]", b"{}"),
]


def damaged(rng: random.Random) -> tuple[str, bytes]:
    """Return a valid body with one to three pieces put in, taken out or put in place of others."""
    transform = {"input": [1, 2.5, -3e2]}
    infer = {"model": "m", "inputs": [1, 2.5], "top_k": 3, "temperature": 0.5}
    path, start = rng.choice((("/infer", transform), ("/v1/infer", infer)))
    body = json.dumps(start).encode()
    for _ in range(rng.randint(1, 3)):
        at, cut = rng.randrange(len(body) + 1), rng.choice((0, 0, 1, 3))
        piece = rng.choice(PIECES) if cut == 0 or rng.random() < 0.5 else b""
        body = body[:at] + piece + body[at + cut :]
    return path, body
