"""Alerts and dashboard ask only for metrics that there are, and every alert says what to do."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
NAME = re.compile(r"\bbanyan_\w+")
DOCUMENTED = set(
    re.findall(
        r"^\| `(banyan_\w+)`", (ROOT / "docs/reference/metrics.md").read_text(), re.MULTILINE
    )
)
RULES = yaml.safe_load((OPS / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((OPS / "grafana/banyan.json").read_text())


def asked(text):
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in NAME.findall(text)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist_and_says_what_to_do(rule):
    assert asked(rule["expr"]) <= DOCUMENTED
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert f"| `{rule['alert']}` |" in (ROOT / "docs/how-to/observe.md").read_text()


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert():
    expressions = [t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"]]
    shown = asked(" ".join(expressions))
    assert shown <= DOCUMENTED
    assert shown | asked(" ".join(rule["expr"] for rule in RULES)) >= DOCUMENTED


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("command", [("check", "alerts.yml"), ("test", "alerts_test.yml")])
def test_promtool_finds_the_rules_right(command):
    verb, name = command
    done = subprocess.run(
        ["promtool", verb, "rules", name],
        cwd=OPS / "prometheus",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
