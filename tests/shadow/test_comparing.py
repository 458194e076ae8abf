"""Pairs become blocks: each counts once, hostile answers have names, nothing crashes."""

from datetime import timedelta

import orjson
import pytest

from shadow import queries, services
from shadow.models import (
    MismatchGroup,
    MismatchSample,
    PairBlock,
    RouteRule,
    ServicePair,
    StreamCursor,
)
from shadow.pairs import PairError, read_pair
from tests.rollout.builders import NOW

pytestmark = pytest.mark.django_db


def entry(**changes):
    values = {
        "id": "sample-1",
        "split": "embeddings",
        "kind": "forward",
        "route": "POST /infer",
        "method": "POST",
        "path": "/infer",
        "at": str(NOW.timestamp()),
        "req_headers": "[]",
        "req_body": b'{"input":[1]}',
        "a_status": "200",
        "a_headers": '[["content-type","application/json"],["x-build-id","legacy-1"]]',
        "a_body": b'{"output":[2.1]}',
        "a_us": "900",
        "b_status": "200",
        "b_headers": '[["content-type","application/json"],["x-build-id","candidate-1"]]',
        "b_body": b'{"output":[2.1]}',
        "b_us": "300",
        "flags": "[]",
    }
    merged = {**values, **changes}
    return {
        key.encode(): value if isinstance(value, bytes) else str(value).encode()
        for key, value in merged.items()
    }


@pytest.fixture
def pair():
    made = ServicePair.objects.create(
        name="embeddings",
        stream="embeddings",
        legacy_url="http://a",
        candidate_url="http://b",
        legacy_build="legacy-1",
        candidate_build="candidate-1",
        block_seconds=10,
    )
    RouteRule.objects.create(pair=made, method="POST", path="/infer", safe_to_duplicate=True)
    return made


def take_in(*entries, last_id="1-0"):
    after = services.open_cursor("s")
    compared = services.compare_batch([read_pair(e) for e in entries])
    return services.record_batch(
        stream="s", after_id=after, last_id=last_id, compared=compared, now=NOW
    )


def totals(pair):
    found = queries.pair_evidence(pair=pair, since=NOW - timedelta(hours=1))
    return int(found.overall.compared.sum()), int(found.overall.mismatched.sum()), found


def test_a_pair_within_tolerance_is_compared_and_matches(pair):
    take_in(entry(b_body=b'{"output":[2.10009]}'))
    assert totals(pair)[:2] == (1, 0)


def test_a_pair_that_arrives_twice_counts_once(pair):
    take_in(entry(), entry())
    take_in(entry(), last_id="2-0")
    assert totals(pair)[:2] == (1, 0)
    assert queries.duplicates(pair=pair) == 2


def test_a_batch_read_by_two_workers_is_written_by_one(pair):
    after = services.open_cursor("s")
    compared = services.compare_batch([read_pair(entry())])
    values = {"stream": "s", "after_id": after, "last_id": "9-0", "compared": compared, "now": NOW}
    assert services.record_batch(**values)
    assert not services.record_batch(**values)
    assert totals(pair)[0] == 1
    assert StreamCursor.objects.get(stream="s").last_id == "9-0"


HOSTILE = [
    (b"<html>down</html>", "text/html", "200"),
    (b'{"output":[2.', "application/json", "200"),
    (b'{"output":[NaN]}', "application/json", "200"),
    (b'{"output":[1e400]}', "application/json", "200"),
    (b"", "application/json", "200"),
    (b"\xff\xfe\x00", "application/json", "200"),
    (b"[" * 100_000, "application/json", "200"),
    (b'{"result":[2.1]}', "application/json", "200"),
    (b'{"output":[2.1,3]}', "application/json", "200"),
    (b'{"output":"2.1"}', "application/json", "200"),
    (b'{"output":[2.1]}', "application/json", "500"),
    (b"", "", "0"),
]


@pytest.mark.parametrize(("body", "kind", "status"), HOSTILE)
def test_a_hostile_answer_is_a_mismatch_or_uncomparable_with_a_named_cause(
    pair, body, kind, status
):
    headers = orjson.dumps([["content-type", kind], ["x-build-id", "candidate-1"]])
    assert take_in(entry(b_body=body, b_headers=headers, b_status=status))
    compared, mismatched, found = totals(pair)
    assert mismatched == compared
    assert compared + sum(found.uncomparable.values()) == 1
    if mismatched:
        groups = MismatchGroup.objects.all()
        assert groups
        assert all(group.kind and group.description for group in groups)
        assert MismatchSample.objects.count() == len(groups)
    else:
        assert all(found.uncomparable)


def test_a_body_cut_at_the_cap_is_uncomparable_by_name(pair):
    take_in(entry(b_body=b"x" * 300_000, flags='["truncated_b"]'))
    _, _, found = totals(pair)
    assert dict(found.uncomparable) == {"body_too_large": 1}


def test_a_failed_legacy_is_excluded_and_counted(pair):
    take_in(entry(a_status="503", a_body=b""))
    compared, _, found = totals(pair)
    assert (compared, found.excluded) == (0, 1)


def test_mismatches_of_one_cause_share_a_group_and_keep_few_examples(pair):
    take_in(*(entry(id=f"s{i}", b_body=b'{"output":[2.2]}') for i in range(25)))
    group = MismatchGroup.objects.get()
    assert (group.path, group.count) == ("$.output[*]", 25)
    assert group.samples.count() == services.SAMPLES_PER_CAUSE


def test_noise_is_kept_apart_from_the_candidate(pair):
    take_in(entry(kind="noise", b_body=b'{"output":[9]}'))
    compared, _, found = totals(pair)
    assert compared == 0
    assert int(found.noise.mismatched.sum()) == 1


def test_only_live_pairs_are_judged_whatever_other_kinds_there_will_be(pair):
    PairBlock.objects.create(
        pair=pair,
        route="POST /infer",
        kind="replay",
        builds=pair.builds,
        start=0,
        seconds=10,
        compared=5,
        mismatched=5,
    )
    take_in(entry())
    assert totals(pair)[:2] == (1, 0)


def test_a_new_build_starts_its_evidence_anew(pair):
    take_in(entry())
    headers = '[["content-type","application/json"],["x-build-id","candidate-2"]]'
    take_in(entry(id="s2", b_headers=headers), last_id="2-0")
    assert PairBlock.objects.count() == 2
    assert totals(pair)[0] == 1


def test_pairs_of_an_unknown_service_are_dropped_not_fatal(pair):
    assert take_in(entry(split="nobody"))
    assert totals(pair)[0] == 0


@pytest.mark.parametrize(
    "change", [{"kind": "sideways"}, {"a_status": "x"}, {"at": "later"}, {"a_headers": "{"}]
)
def test_an_entry_that_is_not_a_pair_is_refused_by_the_reader(change):
    with pytest.raises(PairError):
        read_pair(entry(**change))


def test_housekeeping_forgets_ids_of_settled_blocks_and_expired_examples(pair):
    take_in(entry(b_body=b'{"output":[9]}'))
    services.housekeep(now=NOW + timedelta(days=8))
    assert bytes(PairBlock.objects.get().seen) == b""
    assert not MismatchSample.objects.exists()
    assert totals(pair)[0] == 1
