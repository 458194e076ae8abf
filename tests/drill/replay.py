"""Says an edge's last report again, rebuilt from what was stored of it."""

import json
from typing import Any

import httpx

from tests.drill.database import Row
from tests.drill.world import DrillError, World

COUNTED = ("split", "start", "seconds")
TRAFFIC = (
    "route",
    "arm",
    "requests",
    "status",
    "errors",
    "slow",
    "keys",
    "warming",
    "shed",
    "latency",
)
ROUTING = (
    "epoch",
    "intended",
    "failed_over",
    "diverted",
    "arms",
    "key_requests",
    "key_squares",
    "flip_count",
)
TAPS = (
    "route",
    "sampled",
    "waiting",
    "pairs",
    "unpaired",
    "truncated",
    "failed_over",
    "diverted",
    "shed",
)
DOCUMENTS = ("status", "slow", "keys", "latency", "arms")


def repeat_report(world: World) -> list[Row]:
    """Send the newest blocks once more, twice; return the rows that differ afterwards."""
    body = _last_report(world)
    before = _rows(world)
    for _ in range(2):
        answer = httpx.post(
            f"{world.web}/edge/v1/report",
            json=body,
            headers={"Authorization": f"Bearer {world.stack.facts['proxy']['token']}"},
            timeout=10,
            trust_env=False,
        )
        if answer.status_code != httpx.codes.OK:
            raise DrillError(f"the repeated report: {answer.status_code} {answer.text[:200]}")
    after = set(_rows(world))
    return [row for row in before if row not in after]


def _last_report(world: World) -> dict[str, Any]:
    boot, seq, generation, state = world.database.rows(
        "SELECT boot, last_seq, generation, state FROM traffic_proxy"
    )[0]
    return {
        "proxy": world.stack.facts["proxy"]["id"],
        "boot": boot,
        "seq": seq,
        "lineage": world.database.value("SELECT lineage FROM traffic_proxygroup"),
        "generation": generation,
        "state": state,
        "blocks": [
            {**block, "keys": {kind: _hex(bytes.fromhex(v)) for kind, v in block["keys"].items()}}
            for block in _blocks(world, "traffic_trafficblock", TRAFFIC, boot)
        ],
        "routing": [
            {**block, "new_keys": keys}
            for block, keys in zip(
                _blocks(world, "traffic_routingblock", ROUTING, boot),
                _keys(world, boot),
                strict=True,
            )
        ],
        "taps": _blocks(world, "traffic_tapblock", TAPS, boot),
    }


def _newest(table: str, boot: str) -> str:
    return f"FROM {table} WHERE boot = '{boot}' ORDER BY start DESC, id LIMIT 20"


def _blocks(world: World, table: str, names: tuple[str, ...], boot: str) -> list[dict[str, Any]]:
    columns = (*COUNTED, *names)
    rows = world.database.rows(f"SELECT {', '.join(columns)} {_newest(table, boot)}")
    return [
        {
            name: json.loads(value) if name in DOCUMENTS else value
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]


def _keys(world: World, boot: str) -> list[dict[str, list[str]]]:
    sql = f"SELECT candidate_keys, legacy_keys {_newest('traffic_routingblock', boot)}"
    return [
        {side: _hex(blob) for side, blob in zip(("candidate", "legacy"), row, strict=True)}
        for row in world.database.rows(sql)
    ]


def _hex(blob: bytes) -> list[str]:
    return [blob[i : i + 8].hex() for i in range(0, len(blob), 8)]


def _rows(world: World) -> list[Row]:
    """Return every stored block whole, table by table."""
    return [
        (table, *row)
        for table in ("traffic_trafficblock", "traffic_routingblock", "traffic_tapblock")
        for row in world.database.rows(f"SELECT * FROM {table}")
    ]
