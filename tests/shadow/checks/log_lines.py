"""Lines as services write them."""

import json
import logging
import random

LEVELS = {200: "info", 422: "warning", 500: "error"}


def line(n: int = 0, *, rng: random.Random | None = None, answered: int = 200, **changes) -> str:
    """One access line of the example services; a change to None leaves the field out."""
    milliseconds = n * 7 % 1000
    fields = {
        "ts": f"2026-11-24T12:{n // 60 % 60:02}:{n % 60:02}.{milliseconds:03}Z",
        "level": LEVELS[answered],
        "logger": "access",
        "message": "request",
        "method": "POST",
        "path": "/infer",
        "status": answered,
        "duration_ms": round((rng or random).uniform(0.1, 9), 3) + 0.0005,
        "request_id": f"id-{n}",
        "bytes_out": 100 + n,
        "build": "legacy-1",
    }
    changed = {**fields, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not None})


def lines(count: int = 200, **changes) -> list[str]:
    """Lines of which one in twenty is a refusal."""
    rng = random.Random(1)  # noqa: S311  # any numbers will do
    return [line(n, rng=rng, answered=422 if n % 20 == 7 else 200, **changes) for n in range(count)]


def text_lines(count: int = 200, level=logging.getLevelName) -> list[str]:
    """What Python's logging writes with a common format."""
    return [
        f"2026-11-24 12:{n // 60:02}:{n % 60:02},{n % 1000:03} [{level(20 + 10 * (n % 20 == 3))}] "
        f"svc.access - answered {n} in {n % 7} ms"
        for n in range(count)
    ]


def logfmt_lines(count: int = 200, **changes) -> list[str]:
    found = []
    for n in range(count):
        fields = {
            "time": f"2026-11-24T12:00:{n % 60:02}Z",
            "level": "info",
            "msg": '"handled it"',
            "took": f"{n}ms",
            **changes,
        }
        found.append(" ".join(f"{k}={v}" for k, v in fields.items() if v is not None))
    return found
