"""A snapshot is immutable: the database refuses to change or delete one."""

from django.db import migrations

from audit.triggers import Trigger, operations

TABLE = "traffic_snapshot"
TRIGGERS = [
    Trigger(TABLE, "never_changed", "UPDATE", "snapshot: a snapshot is never changed"),
    Trigger(TABLE, "never_deleted", "DELETE", "snapshot: a snapshot is never deleted"),
    Trigger(
        TABLE,
        "never_truncated",
        "TRUNCATE",
        "snapshot: snapshots are never deleted",
        vendors=("postgresql",),
    ),
    Trigger(
        TABLE,
        "never_replaced",
        "INSERT",
        "snapshot: this generation is there already",
        'EXISTS (SELECT 1 FROM "traffic_snapshot" WHERE "id" = NEW."id"'
        ' OR ("group_id" = NEW."group_id" AND "generation" = NEW."generation"))',
        vendors=("sqlite",),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("traffic", "0001_initial")]

    operations = operations(TRIGGERS)
