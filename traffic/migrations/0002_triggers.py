"""A snapshot is immutable: the database refuses to change or delete one."""

from django.db import migrations

from audit.triggers import Trigger, operations

TABLE = "traffic_snapshot"
TRIGGERS = [
    Trigger(TABLE, "never_changed", "UPDATE", "snapshot: a snapshot is never changed"),
    Trigger(TABLE, "never_deleted", "DELETE", "snapshot: a snapshot is never deleted"),
]


class Migration(migrations.Migration):
    dependencies = [("traffic", "0001_initial")]

    operations = operations(TRIGGERS)
