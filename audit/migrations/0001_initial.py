"""The ledger's tables, its head at zero, and what the database refuses to do to both."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from audit.triggers import LEDGER_TRIGGERS, operations


def place_head(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Put the head there before anyone appends, so that the first two writers meet at its lock."""
    apps.get_model("audit", "LedgerHead").objects.create(id=1, seq=0, hash="0" * 64)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("prev", models.CharField(max_length=64, unique=True)),
                ("body", models.BinaryField()),
                ("hash", models.CharField(max_length=64, unique=True)),
                ("at", models.DateTimeField()),
                ("action", models.CharField(max_length=100)),
                ("actor", models.CharField(max_length=200)),
                ("subject", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "ordering": ("-seq",),
                "indexes": [
                    models.Index(fields=["subject", "-seq"], name="ledger_subject"),
                    models.Index(fields=["action", "-seq"], name="ledger_action"),
                    models.Index(fields=["actor", "-seq"], name="ledger_actor"),
                    models.Index(fields=["at"], name="ledger_at"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("seq__gte", 1)), name="ledger_seq_from_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerHead",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("seq", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="ledger_head_is_one_row"
                    )
                ],
            },
        ),
        migrations.RunPython(place_head, migrations.RunPython.noop),
        *operations(LEDGER_TRIGGERS),
    ]
