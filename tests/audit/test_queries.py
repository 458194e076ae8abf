from datetime import timedelta

import pytest

from audit import queries, stored
from audit.chain import Actor
from audit.models import LedgerEntry
from audit.queries import Filters, list_entries
from audit.services import append
from tests.audit.builders import ADA, NOW

pytestmark = pytest.mark.django_db
ROBOT = Actor("automation", "banyan", "system")
NAMESAKE = Actor("token", "ada", "operator")


@pytest.fixture(autouse=True)
def entries():
    """Numbers 2 to 6; number 1 is the genesis, written by the host."""
    rows = [
        (ADA, "migration:start", {"migration": "embeddings", "reason": "Los geht's, Müller"}),
        (ROBOT, "migration:hold", {"migration": "embeddings", "reason": "100% of 5_xx"}),
        (NAMESAKE, "migration:start", {"migration": "ranking", "reason": 'he said "go"'}),
        (ADA, "token:issue", {"subject": "pipeline"}),
        (ADA, "migration:hold", {"migration": "ranking", "reason": "a \\ b"}),
    ]
    for hour, (actor, action, body) in enumerate(rows):
        append(actor=actor, action=action, body=body, now=NOW + timedelta(hours=hour))


def found(**filters):
    return [entry.seq for entry in list_entries(filters=Filters(**filters)).entries]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"actor": "ada"}, [6, 5, 4, 2]),
        ({"actor": "user:ada"}, [6, 5, 2]),
        ({"actor": "nobody:ada"}, []),
        ({"action": "migration:hold"}, [6, 3]),
        ({"action": "migration:"}, [6, 4, 3, 2]),
        ({"action": "migration"}, []),
        ({"subject": "ranking"}, [6, 4]),
        ({"subject": "pipeline"}, [5]),
        ({"subject": "ranking", "actor": "token:ada"}, [4]),
        ({"text": "müller"}, [2]),
        ({"text": "MüLLER"}, [2]),
        ({"text": "100%"}, [3]),
        ({"text": "0%5"}, []),
        ({"text": "5_x"}, [3]),
        ({"text": 'said "go"'}, [4]),
        ({"text": "a \\ b"}, [6]),
        ({"text": "%"}, [3]),
        ({"since": NOW + timedelta(hours=3)}, [6, 5]),
        ({"until": NOW + timedelta(hours=1)}, [2, 1]),
        ({"since": NOW + timedelta(hours=1), "until": NOW + timedelta(hours=2)}, [3]),
    ],
)
def test_a_list_holds_what_was_asked_for_newest_first(filters, numbers):
    assert found(**filters) == numbers


def test_pages_follow_each_other_without_overlap_while_the_log_grows():
    first = list_entries(size=2)
    append(actor=ADA, action="note:x", body={}, now=NOW)
    second = list_entries(size=2, before=first.before)
    third = list_entries(size=2, before=second.before)
    assert [e.seq for p in (first, second, third) for e in p.entries] == [6, 5, 4, 3, 2, 1]
    assert third.before is None


@pytest.mark.parametrize(("asked", "given"), [(-5, 1), (0, 1), (10**9, 6)])
def test_the_size_of_a_page_has_bounds(asked, given):
    assert len(list_entries(size=asked).entries) == given


def test_a_page_is_one_query_and_seeks_by_number(django_assert_num_queries):
    with django_assert_num_queries(1):
        list_entries(filters=Filters(subject="ranking"), before=6, size=1)


def test_an_entry_that_is_not_there_is_said_so():
    with pytest.raises(LedgerEntry.DoesNotExist):
        queries.get(99)


def test_the_check_says_what_a_made_up_move_lacks(monkeypatch):
    monkeypatch.setattr(stored, "READ_AT_ONCE", 2)
    report = queries.verify()
    assert (report.verified, report.entries, report.first_bad_seq, report.kind) == (
        False,
        1,
        2,
        "rule",
    )
    assert report.text == "start without `to`"
    assert report.head == queries.head()
    assert report.seconds >= 0
