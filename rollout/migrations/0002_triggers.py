"""The database itself refuses another phase, step or weight without a later ledger entry."""

from django.db import migrations

from audit.triggers import entry_required, operations

TRIGGERS = entry_required(
    table="rollout_servicemigration",
    columns=("phase", "step", "weight", "version", "held"),
    begins={"phase": "draft", "weight": 0},
)


class Migration(migrations.Migration):
    dependencies = [("rollout", "0001_initial"), ("audit", "0001_initial")]

    operations = operations(TRIGGERS)
