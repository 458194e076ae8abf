"""The ledger's tables: entries and checkpoints, only ever added, and the head that numbers them.

What the database itself refuses (changes, deletions, gaps, replacements) stands in `triggers`.
"""

import json
from functools import cached_property
from typing import Any

from django.db import models

from audit.chain import ACTION_MAX, ACTOR_MAX, SUBJECT_MAX, Actor

HASH_DIGITS = 64
HEAD_ID = 1


class LedgerEntry(models.Model):
    """One thing that happened. `body` is the truth; the columns after `hash` only help to find it.

    Written by `audit.services.append` and by nothing else.
    """

    seq = models.BigIntegerField(primary_key=True)
    prev = models.CharField(max_length=HASH_DIGITS, unique=True)
    body = models.BinaryField()
    hash = models.CharField(max_length=HASH_DIGITS, unique=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=ACTION_MAX)
    actor = models.CharField(max_length=ACTOR_MAX)
    subject = models.CharField(max_length=SUBJECT_MAX, blank=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ("-seq",)
        indexes = [
            # A filtered list is read from the newest entry down, a page at a time.
            models.Index(fields=["subject", "-seq"], name="ledger_subject"),
            models.Index(fields=["action", "-seq"], name="ledger_action"),
            models.Index(fields=["actor", "-seq"], name="ledger_actor"),
            models.Index(fields=["at"], name="ledger_at"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="ledger_seq_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}".rstrip()

    @cached_property
    def data(self) -> dict[str, Any]:
        """The body as JSON: the action's own fields with `action`, `actor` and `at` beside them."""
        fields: dict[str, Any] = json.loads(bytes(self.body))
        return fields

    @property
    def who(self) -> Actor:
        """Who acted, with the role held at that moment."""
        return Actor(**self.data["actor"])


class LedgerHead(models.Model):
    """The newest entry's number and hash, in a single row, which is locked to append."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=HEAD_ID)
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=HASH_DIGITS)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=HEAD_ID), name="ledger_head_is_one_row"),
        ]

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Checkpoint(models.Model):
    """A signed statement of the first `size` entries. `note` is the truth, the rest comes from it.

    Written by `audit.checkpoints` after the anchor has it. `nodes` lets the tree grow on without
    reading the entries again: the roots of its complete subtrees in hex, one after the other.
    """

    size = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=HASH_DIGITS)
    head = models.CharField(max_length=HASH_DIGITS)
    at = models.DateTimeField()
    key = models.CharField(max_length=200)
    note = models.TextField()
    nodes = models.TextField()

    class Meta:
        ordering = ("-size",)
        constraints = [
            models.CheckConstraint(condition=models.Q(size__gte=1), name="checkpoint_of_entries"),
        ]

    def __str__(self) -> str:
        return f"{self.size} {self.root}"
