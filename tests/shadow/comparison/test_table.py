"""docs/comparison.md says what the engine does, row by row."""

import json
import re
from pathlib import Path

import pytest

from shadow.comparison import compare, rules_of
from tests.shadow.comparison.build import answer

PAGE = Path(__file__).parents[3] / "docs" / "comparison.md"
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| (?:`(.+?)`)? ?\| `(.+?)` \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text())


def test_the_table_is_read_whole():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(ROWS) == len(lines) > 40


@pytest.mark.parametrize(("legacy", "candidate", "rule", "expected"), ROWS)
def test_the_engine_does_what_the_page_says(legacy, candidate, rule, expected):
    rules = rules_of(atol=1e-4, ignore=[], rules=[json.loads(rule)] if rule else [])
    found = compare(answer(legacy.encode()), answer(candidate.encode()), rules)
    assert f"{found.kind} {found.cause}".strip() == expected, found


@pytest.mark.parametrize("kind", ["no_answer", "status", "content_type", "header", "cut_short"])
def test_what_comes_before_the_bodies_is_on_the_page(kind):
    assert f"`{kind}`" in PAGE.read_text()
