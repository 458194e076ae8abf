"""Read the test values that were computed at 50 digits."""

import json
from pathlib import Path

GROUPS = json.loads((Path(__file__).parent / "vectors.json").read_text())["groups"]


def cases(group):
    """Return (arguments, expected) of each case, with a readable id."""
    return [(case["in"], case["out"]) for case in GROUPS[group]["cases"]]
