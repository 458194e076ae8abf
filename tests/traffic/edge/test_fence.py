"""The fence, row by row, and then its promises over every combination."""

from dataclasses import replace
from itertools import product

import pytest

from traffic.edge.fence import Hold, Offer, Position, Ruling, rises, rule, served_exposure

OURS = Position("L1", 7, "aaaa", {"s": 2500})
HOLD = Hold(id="h1", cap_tth=0, reason="drill", at=0.0, generation=7)
OLD_HOLD = replace(HOLD, generation=6)
SAME = Offer("L1", 7, "aaaa", {"s": 2500})
NEWER = Offer("L1", 8, "bbbb", {"s": 5000})
LOWER = replace(NEWER, exposure={"s": 0})


@pytest.mark.parametrize(
    ("hold", "offer", "expected"),
    [
        pytest.param(None, replace(NEWER, lineage="L2"), "refuse foreign", id="other lineage"),
        pytest.param(
            None,
            replace(NEWER, lineage="L2", adopt_from="L0"),
            "refuse foreign",
            id="other lineage that adopts a third one",
        ),
        pytest.param(
            None,
            replace(NEWER, lineage="L2", generation=1, adopt_from="L1"),
            "apply",
            id="other lineage that adopts ours",
        ),
        pytest.param(None, replace(SAME, generation=6), "refuse stale", id="older"),
        pytest.param(
            None,
            replace(SAME, generation=6, exposure={"s": 0}),
            "refuse stale",
            id="older, also when it asks for less",
        ),
        pytest.param(None, SAME, "nothing", id="same generation, same hash"),
        pytest.param(None, replace(SAME, sha256="x"), "refuse reused", id="same, other hash"),
        pytest.param(None, replace(NEWER, exposure={}), "refuse empty", id="newer and empty"),
        pytest.param(
            HOLD,
            replace(NEWER, exposure={}, release_hold="h1"),
            "refuse empty",
            id="held: empty, also when it releases",
        ),
        pytest.param(HOLD, SAME, "refuse held", id="held: same generation above the cap"),
        pytest.param(
            OLD_HOLD, SAME, "nothing", id="held, but the position was applied after the hold"
        ),
        pytest.param(HOLD, replace(SAME, exposure={"s": 0}), "nothing", id="held: same, below"),
        pytest.param(HOLD, NEWER, "refuse held", id="held: newer above the cap"),
        pytest.param(OLD_HOLD, NEWER, "refuse held", id="held earlier: newer above the cap"),
        pytest.param(
            HOLD, replace(NEWER, release_hold="h2"), "refuse held", id="held: wrong hold id"
        ),
        pytest.param(HOLD, LOWER, "apply", id="held: newer, not above the cap, hold stays"),
        pytest.param(
            HOLD, replace(NEWER, release_hold="h1"), "apply and end", id="held: newer, released"
        ),
        pytest.param(
            HOLD,
            replace(NEWER, release_hold=["h0", "h1"]),
            "apply and end",
            id="held: newer, released among others",
        ),
        pytest.param(
            HOLD,
            replace(NEWER, release_hold=["h0", "h2"]),
            "refuse held",
            id="held: newer, others released",
        ),
        pytest.param(
            HOLD,
            replace(SAME, release_hold="h1"),
            "refuse held",
            id="held: a release must be newer",
        ),
        pytest.param(
            HOLD,
            replace(SAME, generation=6, release_hold="h1"),
            "refuse stale",
            id="held: an older release is stale",
        ),
        pytest.param(None, NEWER, "apply", id="newer"),
        pytest.param(None, LOWER, "apply", id="newer and lower"),
    ],
)
def test_the_table_of_the_contract(hold: Hold | None, offer: Offer, expected: str) -> None:
    ruling = rule(OURS, hold, offer)
    words = f"{ruling.action} {ruling.code}".strip() + (" and end" if ruling.ends_hold else "")
    assert words == expected


def test_the_first_snapshot_is_applied_whatever_it_is() -> None:
    assert rule(None, None, NEWER) == Ruling("apply")


def test_an_empty_snapshot_may_follow_an_empty_one() -> None:
    assert rule(replace(OURS, exposure={}), None, replace(NEWER, exposure={})).action == "apply"


def test_a_hold_declared_before_the_first_snapshot_binds_it() -> None:
    assert rule(None, HOLD, NEWER).code == "held"
    assert rule(None, HOLD, LOWER).action == "apply"


def test_a_refusal_by_a_hold_names_the_hold_and_what_was_asked() -> None:
    reason = rule(OURS, HOLD, NEWER).reason
    assert reason == "held (h1: drill); generation 8 asks for s 50 %, the hold allows 0 %"


def every_case() -> list[tuple[Position | None, Hold | None, Offer]]:
    offers = [
        Offer(lineage, generation, sha, {"s": share}, release, adopt)
        for lineage, generation, sha, share, release, adopt in product(
            ("L1", "L2"),
            (6, 7, 8),
            ("aaaa", "bbbb"),
            (0, 2500, 5000),
            (None, "h1", "h2"),
            (None, "L1", "L9"),
        )
    ]
    return list(product((None, OURS), (None, HOLD, OLD_HOLD), offers))


def test_no_combination_raises_beyond_a_hold_that_was_not_released() -> None:
    for ours, hold, offer in every_case():
        ruling = rule(ours, hold, offer)
        if hold is not None and ruling.action == "apply" and not ruling.ends_hold:
            assert max(offer.exposure.values()) <= hold.cap_tth


def test_no_combination_goes_back_in_generations_of_one_lineage() -> None:
    for ours, hold, offer in every_case():
        if ours and rule(ours, hold, offer).action == "apply" and offer.lineage == ours.lineage:
            assert offer.generation > ours.generation


def test_no_combination_takes_a_foreign_lineage_unasked() -> None:
    for ours, hold, offer in every_case():
        foreign = ours is not None and offer.lineage != ours.lineage
        if foreign and offer.adopt_from != "L1":
            assert rule(ours, hold, offer).code == "foreign"


def test_a_hold_ends_only_by_its_own_id_and_every_refusal_has_a_reason() -> None:
    for ours, hold, offer in every_case():
        ruling = rule(ours, hold, offer)
        if ruling.ends_hold:
            assert hold is not None
            assert (ruling.action, offer.release_hold) == ("apply", hold.id)
        assert (ruling.action == "refuse") == bool(ruling.reason) == bool(ruling.code)


def test_served_exposure_is_nothing_while_a_holds_safe_routes_serve() -> None:
    assert served_exposure(OURS, HOLD) == {}
    assert served_exposure(OURS, OLD_HOLD) == {"s": 2500}
    assert served_exposure(OURS, None) == {"s": 2500}
    assert served_exposure(None, None) == {}


def test_a_share_rises_when_any_split_gets_more() -> None:
    assert rises({"a": 100}, {"a": 50, "b": 1})
    assert not rises({"a": 100, "b": 5}, {"a": 100})
