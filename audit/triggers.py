"""What the database itself refuses, on SQLite and on PostgreSQL, as operations for a migration.

Every trigger's name begins with `banyan_`. On SQLite Django rebuilds a table for many schema
changes, and a rebuilt table loses its triggers: a later migration that alters such a table repeats
the operation (each one replaces what is there), and `missing` tells what a database lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.state import StateApps

PREFIX = "banyan_"
ENTRIES, HEAD, CHECKPOINTS = "audit_ledgerentry", "audit_ledgerhead", "audit_checkpoint"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One refusal: before `event` on a row of `table`, when `condition` holds, say `message`.

    `condition` is SQL over OLD and NEW in which `{differs}` stands for the database's null-safe
    "is distinct from"; empty means always. `vendors` are the databases that need it.
    """

    table: str
    name: str
    event: str
    message: str
    condition: str = ""
    vendors: tuple[str, ...] = ("sqlite", "postgresql")

    @property
    def full_name(self) -> str:
        """The trigger's name in the database."""
        return f"{PREFIX}{self.table}_{self.name}"

    def create(self, vendor: str) -> list[str]:
        """Return the statements that make it, replacing an older one of the same name."""
        if vendor not in self.vendors:
            return []
        if vendor == "sqlite":
            return [*self.drop(vendor), self._sqlite()]
        return [*self.drop(vendor), *self._postgresql()]

    def drop(self, vendor: str) -> list[str]:
        """Return the statements that remove it."""
        if vendor not in self.vendors:
            return []
        if vendor == "sqlite":
            return [f'DROP TRIGGER IF EXISTS "{self.full_name}"']
        return [
            f'DROP TRIGGER IF EXISTS "{self.full_name}" ON "{self.table}"',
            f'DROP FUNCTION IF EXISTS "{self.full_name}"()',
        ]

    def _sqlite(self) -> str:
        when = f"WHEN {self.condition.format(differs='IS NOT')} " if self.condition else ""
        return (
            f'CREATE TRIGGER "{self.full_name}" BEFORE {self.event} ON "{self.table}" '
            f"FOR EACH ROW {when}BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        )

    def _postgresql(self) -> list[str]:
        # The condition stands in the function, not in WHEN, which may hold no subquery.
        check = self.condition.format(differs="IS DISTINCT FROM") or "TRUE"
        level, row = ("STATEMENT", "NULL") if self.event == "TRUNCATE" else ("ROW", "NEW")
        name, each = self.full_name, f"FOR EACH {level} EXECUTE FUNCTION"
        body = (
            f"BEGIN IF {check} THEN RAISE EXCEPTION '{self.message}' "
            f"USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN {row}; END"
        )
        return [
            f'CREATE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$',
            f'CREATE TRIGGER "{name}" BEFORE {self.event} ON "{self.table}" {each} "{name}"()',
        ]


def operations(triggers: Sequence[Trigger]) -> list[RunPython]:
    """Return the migration operations that put these triggers in place, and take them away."""

    def forwards(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        install(editor.connection, triggers)

    def backwards(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        remove(editor.connection, triggers)

    return [RunPython(forwards, backwards)]


def install(connection: BaseDatabaseWrapper, triggers: Sequence[Trigger]) -> None:
    """Create the triggers, replacing older ones of the same name."""
    _execute(connection, [sql for each in triggers for sql in each.create(connection.vendor)])


def remove(connection: BaseDatabaseWrapper, triggers: Sequence[Trigger]) -> None:
    """Drop the triggers that are there."""
    _execute(connection, [sql for each in triggers for sql in each.drop(connection.vendor)])


def missing(connection: BaseDatabaseWrapper, triggers: Sequence[Trigger]) -> list[str]:
    """Name the triggers that this database should have and has not (or has disabled)."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.vendor == "postgresql":
        sql = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' AND NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        there = {name for (name,) in cursor.fetchall()}
    wanted = [each.full_name for each in triggers if connection.vendor in each.vendors]
    return [name for name in wanted if name not in there]


def _execute(connection: BaseDatabaseWrapper, statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


# S608: every part of these statements is a constant of ours.
_ENTRY_HASH = f"(SELECT hash FROM {ENTRIES} WHERE seq = NEW.seq)"  # noqa: S608


def _head(column: str) -> str:
    return f"(SELECT {column} FROM {HEAD} WHERE id = 1)"  # noqa: S608


LEDGER_TRIGGERS: tuple[Trigger, ...] = (
    Trigger(ENTRIES, "never_changed", "UPDATE", "ledger: an entry is never changed"),
    Trigger(ENTRIES, "never_deleted", "DELETE", "ledger: an entry is never deleted"),
    Trigger(
        ENTRIES,
        "never_truncated",
        "TRUNCATE",
        "ledger: entries are never deleted",
        vendors=("postgresql",),
    ),
    # Also what stops INSERT OR REPLACE on SQLite, which deletes rows without a DELETE trigger.
    Trigger(
        ENTRIES,
        "never_replaced",
        "INSERT",
        "ledger: an entry with this number, predecessor or hash is there",
        f"EXISTS (SELECT 1 FROM {ENTRIES} WHERE seq = NEW.seq OR hash = NEW.hash"  # noqa: S608
        " OR prev = NEW.prev)",
    ),
    Trigger(
        ENTRIES,
        "next_in_order",
        "INSERT",
        "ledger: an entry follows the head",
        f"NEW.seq {{differs}} {_head('seq + 1')} OR NEW.prev {{differs}} {_head('hash')}",
    ),
    Trigger(HEAD, "never_deleted", "DELETE", "ledger: the head is never deleted"),
    Trigger(
        HEAD,
        "never_truncated",
        "TRUNCATE",
        "ledger: the head is never deleted",
        vendors=("postgresql",),
    ),
    Trigger(
        HEAD,
        "begins_empty",
        "INSERT",
        "ledger: the head is there already, or the log is not empty",
        f"NEW.seq <> 0 OR EXISTS (SELECT 1 FROM {ENTRIES})"  # noqa: S608
        f" OR EXISTS (SELECT 1 FROM {HEAD})",
    ),
    Trigger(
        HEAD,
        "follows_entries",
        "UPDATE",
        "ledger: the head moves to the next entry only",
        "NEW.id <> OLD.id OR NEW.seq <> OLD.seq + 1 OR NEW.hash {differs} " + _ENTRY_HASH,
    ),
)


CHECKPOINT_TRIGGERS: tuple[Trigger, ...] = (
    Trigger(CHECKPOINTS, "never_changed", "UPDATE", "ledger: a checkpoint is never changed"),
    Trigger(CHECKPOINTS, "never_deleted", "DELETE", "ledger: a checkpoint is never deleted"),
    Trigger(
        CHECKPOINTS,
        "never_truncated",
        "TRUNCATE",
        "ledger: checkpoints are never deleted",
        vendors=("postgresql",),
    ),
    # A size that grows is also what stops INSERT OR REPLACE.
    Trigger(
        CHECKPOINTS,
        "grows",
        "INSERT",
        "ledger: a checkpoint is larger than those before it and names an entry",
        f"NEW.size <= COALESCE((SELECT MAX(size) FROM {CHECKPOINTS}), 0)"  # noqa: S608
        f" OR NEW.head {{differs}} (SELECT hash FROM {ENTRIES} WHERE seq = NEW.size)",
    ),
)


def entry_required(
    *,
    table: str,
    columns: Sequence[str],
    seq_column: str = "last_audit_seq",
    key: str = "id",
    begins: Mapping[str, str | int] | None = None,
) -> list[Trigger]:
    """Build the triggers for "who changes one of `columns` raises `seq_column`".

    1. An UPDATE of one of `columns` is refused unless `seq_column` grows, and it never shrinks.
    2. A row is never deleted, and (SQLite) never replaced under the same `key`: that would be an
       UPDATE by another name, and would free its sequence number for a second use.
    3. With `begins`, a new row holds exactly these values (a draft at weight 0).

    Together with a UNIQUE foreign key from `seq_column` to the ledger, a change without an entry
    of its own cannot be committed. Names and values are the caller's constants, never user input.
    """
    changed = " OR ".join(f'NEW."{name}" {{differs}} OLD."{name}"' for name in columns)
    old, new = f'COALESCE(OLD."{seq_column}", 0)', f'COALESCE(NEW."{seq_column}", 0)'
    triggers = [
        Trigger(
            table,
            "needs_an_entry",
            "UPDATE",
            f"{table}: {', '.join(columns)} change only with a new ledger entry",
            f"{new} < {old} OR (({changed}) AND {new} <= {old})",
        ),
        Trigger(table, "never_deleted", "DELETE", f"{table}: a row is never deleted"),
        Trigger(
            table,
            "never_truncated",
            "TRUNCATE",
            f"{table}: rows are never deleted",
            vendors=("postgresql",),
        ),
        Trigger(
            table,
            "never_replaced",
            "INSERT",
            f"{table}: this row is there already",
            f'EXISTS (SELECT 1 FROM "{table}" WHERE "{key}" = NEW."{key}"'  # noqa: S608
            f' OR "{seq_column}" = NEW."{seq_column}")',
            vendors=("sqlite",),
        ),
    ]
    if begins:
        other = " OR ".join(f'NEW."{n}" {{differs}} {_literal(v)}' for n, v in begins.items())
        message = f"{table}: a new row begins as {', '.join(map(str, begins.values()))}"
        triggers.append(Trigger(table, "begins", "INSERT", message, other))
    return triggers


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
