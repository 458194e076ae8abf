"""The tree of RFC 6962: what is proved holds, and no altered proof is believed."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.verify_audit import (
    EMPTY_ROOT,
    Frontier,
    Inclusion,
    TreeHead,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

SEED = 6962
LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(70)]
# RFC 6962's own test vectors, whose leaves are hashed as the RFC says.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243",
          "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
RFC_LEAVES = [hashlib.sha256(b"\x00" + each).digest() for each in INPUTS]
RFC_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize(("size", "root"), RFC_ROOTS.items())
def test_the_roots_are_those_of_certificate_transparency(size, root):
    assert tree_root(RFC_LEAVES[:size]).hex() == root


def test_a_tree_without_leaves_has_the_root_of_nothing():
    assert tree_root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(len(LEAVES)))
def test_a_tree_that_grew_has_the_root_of_its_leaves(size):
    half = Frontier()
    for leaf in LEAVES[: size // 2]:
        half.append(leaf)
    again = Frontier(half.size, half.nodes)
    for leaf in LEAVES[size // 2 : size]:
        again.append(leaf)
    assert again.root() == tree_root(LEAVES[:size])


def test_a_tree_does_not_go_on_from_nodes_that_do_not_fit():
    with pytest.raises(ValueError, match="3 leaves"):
        Frontier(3, LEAVES[:1])


def inclusions(sizes):
    for size in sizes:
        root = tree_root(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(LEAVES[:size], index)
            yield Inclusion(index, size, LEAVES[index], root), proof


def growths(sizes):
    for new in sizes:
        for old in range(1, new + 1):
            heads = [TreeHead(size, tree_root(LEAVES[:size])) for size in (old, new)]
            yield *heads, consistency_proof(LEAVES[:new], old)


def test_every_leaf_and_every_growth_of_small_trees_is_proved():
    count = 0
    for claim, proof in inclusions(range(1, 66)):
        assert verify_inclusion(claim, proof)
        assert len(proof) <= (claim.size - 1).bit_length()
        count += 1
    for old, new, proof in growths(range(1, 66)):
        assert verify_consistency(old, new, proof)
        count += 1
    assert count == 4290


def flipped(dice, node):
    at = dice.randrange(len(node))
    return node[:at] + bytes([node[at] ^ (1 << dice.randrange(8))]) + node[at + 1 :]


def altered(dice, proof):
    """The proof altered in one of six ways; None when that leaves it as it was."""
    at, other = (dice.randrange(len(proof)) if proof else 0 for _ in range(2))
    node = proof[at] if proof else LEAVES[0]
    swapped = list(proof)
    if proof:
        swapped[at], swapped[other] = swapped[other], swapped[at]
    bad = dice.choice((
        [*proof[:at], dice.choice(LEAVES), *proof[at:]],
        [*proof, b""],
        [*proof[:at], flipped(dice, node), *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof[:at], node[:-1], *proof[at + 1 :]],
        swapped,
    ))  # fmt: skip
    return None if bad == proof else bad


def test_twenty_thousand_altered_proofs_are_all_refused():
    dice = random.Random(SEED)  # noqa: S311 - a seed, for the same damage each time
    sizes = [1, 2, 3, 5, 7, 8, 13, 16, 21, 31, 32, 33, 47, 63, 64]
    whole_inclusions, whole_growths = list(inclusions(sizes)), list(growths(sizes))
    refused = 0
    while refused < 20_000:
        claim, proof = dice.choice(whole_inclusions)
        if (bad := altered(dice, proof)) is not None:
            assert not verify_inclusion(claim, bad)
            refused += 1
        old, new, proof = dice.choice(whole_growths)
        if (bad := altered(dice, proof)) is not None:
            assert not verify_consistency(old, new, bad)
            refused += 1


@given(st.integers(1, 64), st.data())
def test_a_proof_of_one_claim_proves_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES[:size], index)
    claim = Inclusion(index, size, LEAVES[index], tree_root(LEAVES[:size]))
    assert not verify_inclusion(claim._replace(leaf=LEAVES[(index + 1) % 70]), proof)
    assert not verify_inclusion(claim._replace(root=EMPTY_ROOT), proof)
    # A wrong index can share its path with the right one only in a tree of another shape.
    other = data.draw(st.integers(-2, size + 2).filter(lambda number: number != index))
    assert not verify_inclusion(claim._replace(place=other), proof)


@given(st.integers(1, 64), st.data())
def test_two_heads_are_consistent_with_their_own_proof_only(new_size, data):
    old_size = data.draw(st.integers(1, new_size))
    proof = consistency_proof(LEAVES[:new_size], old_size)
    old = TreeHead(old_size, tree_root(LEAVES[:old_size]))
    new = TreeHead(new_size, tree_root(LEAVES[:new_size]))
    assert not verify_consistency(old._replace(root=EMPTY_ROOT), new, proof)
    assert not verify_consistency(old, new._replace(root=EMPTY_ROOT), proof)
    if old_size < new_size:
        assert not verify_consistency(new, old, proof)
        assert not verify_consistency(old._replace(size=0), new, proof)


def test_a_log_rewritten_before_its_old_end_is_never_consistent():
    other = [LEAVES[60], *LEAVES[1:]]
    for old in range(1, 33):
        proof = consistency_proof(other[:40], old)
        heads = TreeHead(old, tree_root(LEAVES[:old])), TreeHead(40, tree_root(other[:40]))
        assert not verify_consistency(*heads, proof)


@pytest.mark.parametrize("place", [-1, 3])
def test_what_is_not_in_the_tree_has_no_proof(place):
    with pytest.raises(IndexError):
        inclusion_proof(LEAVES[:3], place)
    with pytest.raises(IndexError):
        consistency_proof(LEAVES[:3], place + (place > 0))
