import math

import pytest

from shadow.comparison import Rules
from shadow.comparison.paths import ANY


def test_without_rules_one_tolerance_holds_everywhere():
    tree = Rules().tree
    assert tree.at("a") is tree.at(3) is tree
    assert Rules() == Rules(atol=1e-4, ignore=())


def test_names_indexes_and_quoted_names_are_read():
    tree = Rules(ignore=("$.a.b", "$['odd name'][3]", r"$['it\'s']", "$.list[*].x")).tree
    assert tree.at("a").at("b").ignored
    assert tree.at("odd name").at(3).ignored
    assert tree.at("it's").ignored
    assert tree.at("list").at(17).at("x").ignored
    assert tree.at("list").at(ANY).at("x").ignored
    assert not tree.at("z").ignored


def test_a_specific_index_also_obeys_the_wildcard():
    tree = Rules(ignore=("$.a[*].x", "$.a[0].y")).tree
    assert tree.at("a").at(0).at("x").ignored
    assert tree.at("a").at(0).at("y").ignored
    assert not tree.at("a").at(1).at("y").ignored


@pytest.mark.parametrize(
    "path", ["", "a", "x.a", "$a", "$.", "$..a", "$.a[", "$.a[-1]", "$['a", "$.a b", "$.a[*]x"]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="not a path"):
        Rules(ignore=(path,))


def test_ignoring_everything_is_refused():
    with pytest.raises(ValueError, match="every answer"):
        Rules(ignore=("$",))


@pytest.mark.parametrize("atol", [-1e-9, math.nan, math.inf])
def test_a_tolerance_that_is_none_is_refused(atol):
    with pytest.raises(ValueError, match="atol"):
        Rules(atol=atol)
