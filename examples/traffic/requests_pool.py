"""Ready-made requests: valid ones as users send them, and the wrong ones of the shared table.

Bodies are encoded once, at the start, so that the sender costs little while it sends. A plain
module: put `examples/traffic` on `sys.path` and import it.
"""

import json
import math
import random
from dataclasses import dataclass
from typing import Any

from wrong_requests import WrongRequest, wrong_requests

SHORTEST, MEDIAN, LONGEST = 3, 50, 4000
"""Vector lengths: log-uniform below the median and, with another slope, above it."""

NARROW, WIDE = 100.0, 100_000.0
"""Values lie within plus or minus this. A float32 service leaves 1e-4 from about 1,000 on."""

DISTINCT = 400
WRONG_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and what the right answer to it is.

    `expected` holds the fields of the answer that are settled: the numbers as float64, to be met
    within 1e-4 while values are narrow, and for a wrong request the whole error. An answer may
    have more fields (`latency_ms`, `version`).
    """

    method: str
    path: str
    content_type: str | None
    body: bytes
    valid: bool
    status: int
    expected: dict[str, Any]


def build_pool(seed: int = 1, *, wide: bool = False, distinct: int = DISTINCT) -> list[Request]:
    """Build a shuffled deck in which about 1 % is wrong: walk through it, or draw from it.

    `distinct` valid requests, half for each route, stand in it many times (as references), and
    every light row of the table of wrong requests once. Same arguments, same deck.
    """
    rng = random.Random(seed)
    magnitude = WIDE if wide else NARROW
    make = (_transform_request, _infer_request)
    valid = [make[turn % 2](rng, magnitude) for turn in range(distinct)]
    wrong = [_wrong(row) for row in wrong_requests() if row.light]
    rounds = math.ceil(len(wrong) * (1 - WRONG_SHARE) / WRONG_SHARE / distinct)
    deck = valid * rounds + wrong
    rng.shuffle(deck)
    return deck


def vector_length(rng: random.Random) -> int:
    """Draw a length from 3 to 4,000 whose median is 50."""
    low, high = rng.choice(((SHORTEST, MEDIAN), (MEDIAN, LONGEST)))
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def _values(rng: random.Random, magnitude: float) -> list[float]:
    return [round(rng.uniform(-magnitude, magnitude), 4) for _ in range(vector_length(rng))]


def _transform_request(rng: random.Random, magnitude: float) -> Request:
    values = _values(rng, magnitude)
    return _valid("/infer", {"input": values}, {"output": [x * 2 + 0.1 for x in values]})


def _infer_request(rng: random.Random, magnitude: float) -> Request:
    values = _values(rng, magnitude)
    top_k = rng.choice((None, None, 1, 10, 100, 1000))
    temperature = rng.choice((None, None, 0.5, 0.7, 1.3, 2.0))
    body: dict[str, Any] = {"model": rng.choice(("resnet", "minilm", "modèle")), "inputs": values}
    if top_k is not None:
        body["top_k"] = top_k
    if temperature is not None:
        body["temperature"] = temperature
    scores = sorted(((x * 2 + 0.1) / (temperature or 1.0) for x in values), reverse=True)
    return _valid("/v1/infer", body, {"model": body["model"], "outputs": scores[: top_k or 5]})


def _valid(path: str, body: dict[str, Any], expected: dict[str, Any]) -> Request:
    return Request(
        method="POST",
        path=path,
        content_type="application/json",
        body=json.dumps(body, separators=(",", ":")).encode(),
        valid=True,
        status=200,
        expected=expected,
    )


def _wrong(row: WrongRequest) -> Request:
    return Request(
        method=row.method,
        path=row.path,
        content_type=row.content_type,
        body=row.body,
        valid=False,
        status=row.status,
        expected=row.answer,
    )
