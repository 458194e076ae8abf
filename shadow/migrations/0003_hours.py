"""Hours of pairs, and which side of a reverse pair was bad."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shadow", "0002_checks")]

    operations = [
        migrations.AddField("pairblock", "bad", models.JSONField(default=dict)),
        migrations.CreateModel(
            "PairHour",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("route", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=8)),
                ("builds", models.CharField(max_length=201)),
                ("start", models.BigIntegerField(help_text="unix seconds")),
                ("until", models.BigIntegerField(help_text="unix seconds")),
                ("blocks", models.BinaryField(default=bytes)),
                ("uncomparable", models.JSONField(default=dict)),
                ("bad", models.JSONField(default=dict)),
                (
                    "pair",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="shadow.servicepair"
                    ),
                ),
            ],
            {
                "constraints": [
                    models.UniqueConstraint(
                        fields=("pair", "builds", "start", "route", "kind"), name="one_pair_hour"
                    )
                ],
            },
        ),
    ]
