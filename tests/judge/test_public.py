import subprocess
import sys

import pytest

import judge


def test_every_public_name_is_there():
    for name in judge._HOMES:
        assert getattr(judge, name) is not None
        assert name in dir(judge)


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = judge.nothing


@pytest.mark.parametrize(
    ("module", "absent"), [("judge", "numpy"), ("judge.histogram", "scipy"), ("judge", "django")]
)
def test_importing_loads_only_what_is_asked_for(module, absent):
    program = f"import {module}, sys; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
