"""Signed checkpoints, and what the database refuses to do to them."""

from django.db import migrations, models

from audit.triggers import CHECKPOINT_TRIGGERS, operations


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.CharField(max_length=64)),
                ("head", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("key", models.CharField(max_length=200)),
                ("note", models.TextField()),
                ("nodes", models.TextField()),
            ],
            options={
                "ordering": ("-size",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("size__gte", 1)), name="checkpoint_of_entries"
                    )
                ],
            },
        ),
        *operations(CHECKPOINT_TRIGGERS),
    ]
