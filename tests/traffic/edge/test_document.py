"""An offered document is believed only when its hash and its declaration are true."""

from typing import Any

import pytest

from tests.traffic.edge.documents import altered, document
from traffic.edge.document import SnapshotError, check_document, offer_of, version_of


def test_a_true_document_passes() -> None:
    doc = document()
    assert check_document(doc) is doc
    offer = offer_of(doc)
    assert (offer.lineage, offer.generation, offer.exposure) == ("L1", 8, {"embeddings": 2500})
    assert version_of(doc) == f"8-{doc['sha256'][:8]}"


@pytest.mark.parametrize(
    ("told", "read"),
    [(None, None), ("h1", "h1"), (["h1", 7, "h2"], ["h1", "h2"]), (7, None), ({"h1": 1}, None)],
)
def test_what_a_document_releases_is_read_strictly(told: Any, read: Any) -> None:
    assert offer_of(document(release_hold=told)).release_hold == read


@pytest.mark.parametrize(
    ("doc", "reason"),
    [
        ([], "not a JSON object"),
        ({}, "schema None is not 1"),
        (altered(document(), schema=2), "schema 2 is not 1"),
        (altered(document(), generation="8"), "generation is missing or not int"),
        (altered(document(), generation=True), "generation is missing or not int"),
        ({**document(), "generation": 9}, "does not match its sha256"),
        (altered(document(), exposure={"embeddings": 500}), "declared exposure"),
        (altered(document(), exposure={}), "declared exposure"),
        (altered(document(), safe_routes=document()["routes"]), "safe_routes send users"),
        (altered(document(), routes=[{"virtual_hosts": 5}]), "the routes cannot be read"),
        (altered(document(), routes=[None]), "the routes cannot be read"),
        (altered(document(), routes=[], exposure={}), "there are no routes"),
        (altered(document(), safe_routes=[]), "there are no safe_routes"),
        (altered(document(), clusters=document()["clusters"][1:]), "name clusters that are not"),
    ],
)
def test_a_document_that_is_not_true_is_refused_with_the_reason(doc: Any, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        check_document(doc)
