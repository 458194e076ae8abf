"""A wrong environment stops the start and names the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(**environment):
    return subprocess.run(
        [sys.executable, "-c", "import controlplane.settings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_any_variable_the_settings_load():
    assert start().returncode == 0


@pytest.mark.parametrize("variable", ["BANYAN_DEBUG", "BANYAN_HTTPS"])
def test_a_flag_that_is_none_ends_with_2_and_one_line_naming_it(variable):
    ended = start(**{variable: "perhaps"})
    assert ended.returncode == 2
    assert ended.stderr.strip() == f"banyan: {variable}: expected 1 or 0, got 'perhaps'"


@pytest.mark.parametrize("value", ["59", "86401", "5m", "-1", "1e3", "9" * 5000])
def test_a_limit_out_of_range_ends_with_2_and_one_line_naming_it(value):
    ended = start(BANYAN_LEDGER_UNANCHORED_LIMIT_S=value)
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        "banyan: BANYAN_LEDGER_UNANCHORED_LIMIT_S: expected a whole number from 60 to 86400, got "
    )
    assert len(ended.stderr.splitlines()) == 1
