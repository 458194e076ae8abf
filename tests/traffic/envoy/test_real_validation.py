"""Every kind of document that the builders make is valid to the real Envoy."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.traffic.envoy.plans import plan
from traffic.edge.bootstrap import write_bootstrap
from traffic.edge.config import installed_envoy
from traffic.edge.validate import Validator, inlined, run_validation
from traffic.envoy.resources import (
    SplitPlan,
    Upstream,
    clusters,
    no_snapshot_routes,
    routes,
    safe_routes,
)

pytestmark = pytest.mark.real

SHARES: dict[str, Any] = {"shadow_tth": 1000, "noise_tth": 200, "canary_shadow_tth": 1000}
SETS: dict[str, list[SplitPlan]] = {
    "safe": [plan(mode="safe")],
    "dual run": [plan(**SHARES)],
    "canary": [plan(mode="canary", weight_tth=500, **SHARES)],
    "canary at 100": [plan(mode="canary", weight_tth=10_000, **SHARES)],
    "full": [plan(mode="full", **SHARES)],
    "decommissioned": [plan(mode="decommissioned", **SHARES)],
    "decommissioned beside a canary": [
        plan("root", mode="canary", weight_tth=500, **SHARES),
        plan("gone", path_prefix="/gone", mode="decommissioned"),
    ],
    "by name": [plan(legacy=Upstream("localhost", 80), route_timeout_s=0.25)],
    "several": [
        plan("root", mode="canary", weight_tth=500, **SHARES),
        plan("a", path_prefix="/a", mode="full"),
        plan("b", path_prefix="/a/b", mode="canary", weight_tth=5000, **SHARES),
        plan("c", path_prefix="/c"),
    ],
    "no root": [plan("b", path_prefix="/b", mode="canary", weight_tth=5000)],
    "load test": [
        plan("root", mode="canary", weight_tth=500, amplify_tth=25_000, **SHARES),
        plan("a", path_prefix="/a", amplify_tth=10_000, **SHARES),
        plan("full", path_prefix="/f", mode="full", amplify_tth=500),
    ],
    "nothing": [],
}


@pytest.mark.parametrize("name", SETS)
async def test_envoy_takes_the_documents(name: str) -> None:
    plans = SETS[name]
    validator = Validator(installed_envoy())
    for taps in (True, False):
        verdict = await validator.check(clusters(plans, taps=taps), routes(plans))
        assert verdict.ok, verdict.reason
    assert (await validator.check(clusters(plans), safe_routes(plans))).ok


async def test_envoy_takes_the_bootstrap_and_the_honest_503(tmp_path: Path) -> None:
    written = write_bootstrap(tmp_path, proxy_id="e", listen=("127.0.0.1", 80))
    before = tmp_path / "before.json"
    before.write_text(json.dumps(inlined([], no_snapshot_routes(), state_dir=str(tmp_path))))
    for path in (written, before):
        verdict = await run_validation(installed_envoy(), path)
        assert verdict.ok, verdict.reason


async def test_a_bad_document_gets_envoys_own_words_once() -> None:
    validator = Validator(installed_envoy())
    bad = routes([plan()])
    bad[0]["virtual_hosts"][0]["routes"][-1]["route"]["cluster"] = "gone"
    for _ in range(2):
        verdict = await validator.check(clusters([plan()]), bad)
        assert not verdict.ok
        assert "gone" in verdict.reason
        assert "envoy.json" not in verdict.reason
    assert validator.runs == 1


async def test_an_unknown_field_is_not_silently_ignored() -> None:
    bad = clusters([plan()])
    bad[0]["conect_timeout"] = "1s"
    verdict = await Validator(installed_envoy()).check(bad, routes([plan()]))
    assert not verdict.ok
    assert "conect_timeout" in verdict.reason
