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
