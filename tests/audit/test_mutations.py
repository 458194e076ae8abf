"""Random mutations of a ledger: each one found, and the right entry named.

`python -m bench ledger` runs ten thousand of them, here it is a part; both print their seed when
one gets through.
"""

import os
from collections import Counter
from datetime import datetime
from random import Random

import pytest
from cryptography.hazmat.primitives import serialization
from django.db import connection, transaction

from audit import conf, queries
from audit.anchors import main_anchor
from audit.chain import columns_of
from audit.models import Checkpoint, LedgerEntry, LedgerHead
from audit.triggers import CHECKPOINT_TRIGGERS, LEDGER_TRIGGERS
from audit.verify_audit import Frontier, Known, UnreadableError, find_verifier, verify_export
from tests.audit.mutations import ANCHORED, ON_EXPORTS, ON_ROWS, PLAIN, WHOLE
from tests.audit.signing import OLD, key
from tests.ledger import without_triggers

SEED = int(os.environ.get("BANYAN_SEED", "20260131"))
EXPORTS = int(os.environ.get("BANYAN_MUTATIONS", "1400"))
ROWS = EXPORTS * 3 // 7
VERIFY = find_verifier()
MINE = Known(keys=[key(OLD)], checkpoints=ANCHORED)  # what the auditor kept: key and anchor


def checked(lines):
    try:
        return verify_export(lines, known=MINE, verify=VERIFY).finding
    except UnreadableError as error:
        pytest.fail(str(error))


def test_each_damaged_export_is_found_at_the_right_entry():
    assert checked(PLAIN) is None
    dice, done = Random(SEED), Counter()  # noqa: S311 - a seed, to repeat it
    while sum(done.values()) < EXPORTS:
        mutate = dice.choice(ON_EXPORTS)
        damaged = mutate(dice)
        if damaged.lines == PLAIN:
            continue
        finding = checked(damaged.lines)
        assert finding is not None, f"seed {SEED}: {mutate.__name__} at {damaged.at} not found"
        named = any(finding.first <= seq <= finding.seq for seq in damaged.at)
        assert named, f"seed {SEED}: {mutate.__name__} at {damaged.at}, named {finding}"
        done[mutate] += 1
    assert len(done) == len(ON_EXPORTS)


@pytest.fixture
def stored():
    """The same log in the database, with its checkpoints there and in the anchor."""
    with without_triggers():
        LedgerEntry.objects.bulk_create(
            LedgerEntry(seq=link.seq, prev=link.prev, body=link.body, hash=link.hash,
                        **columns_of(link.body)._asdict())
            for link in WHOLE
        )  # fmt: skip
        LedgerHead.objects.update(seq=len(WHOLE), hash=WHOLE[-1].hash)
        for each in ANCHORED:
            tree = Frontier()
            for link in WHOLE[: each.size]:
                tree.append(bytes.fromhex(link.hash))
            Checkpoint.objects.create(
                size=each.size, root=each.root, head=each.head, note=each.note,
                at=datetime.fromisoformat(each.at), key=str(key(OLD)),
                nodes=b"".join(tree.nodes).hex(),
            )  # fmt: skip
            main_anchor().push(each)
        form = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        conf.key_path().touch(mode=0o600)
        conf.key_path().write_bytes(OLD.private_bytes(serialization.Encoding.PEM, form, plain))
        yield


def report_after(statements):
    """Do damage, check, and take it back."""
    with transaction.atomic():
        with connection.cursor() as db:
            for sql, parameters in statements:
                db.execute(sql, parameters)
        report = queries.verify()
        transaction.set_rollback(True)
    return report


@pytest.mark.django_db
def test_each_damaged_row_is_found_at_the_right_entry(stored):
    assert queries.verify().verified
    unguarded = {each.full_name for each in (*LEDGER_TRIGGERS, *CHECKPOINT_TRIGGERS)
                 if connection.vendor in each.vendors}  # fmt: skip
    dice, done = Random(SEED), Counter()  # noqa: S311 - a seed, to repeat it
    while sum(done.values()) < ROWS:
        mutate = dice.choice(ON_ROWS)
        damage = mutate(dice)
        report = report_after(damage.statements)
        told = f"seed {SEED}: {mutate.__name__} at {damage.at}, found {report}"
        assert not report.verified, told
        first = report.entries + 1
        assert any(first <= seq <= report.first_bad_seq for seq in damage.at), told
        assert set(report.unguarded) == unguarded
        done[mutate] += 1
    assert len(done) == len(ON_ROWS)
    assert queries.verify().verified
