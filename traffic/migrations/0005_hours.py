"""Hours of traffic and routing, distinct users of bad answers, and what a step freezes of legacy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("traffic", "0004_load_test")]

    operations = [
        migrations.AddField("split", "frozen", models.JSONField(blank=True, default=dict)),
        migrations.RemoveField("trafficblock", "error_keys"),
        migrations.AddField("trafficblock", "keys", models.JSONField(default=dict)),
        migrations.AddField(
            "routingblock", "key_requests", models.PositiveBigIntegerField(default=0)
        ),
        migrations.AddField(
            "routingblock", "key_squares", models.PositiveBigIntegerField(default=0)
        ),
        migrations.DeleteModel("LatencyHour"),
        migrations.CreateModel(
            "TrafficHour",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("split", models.SlugField()),
                ("route", models.CharField(max_length=200)),
                ("arm", models.CharField(max_length=24)),
                ("start", models.BigIntegerField(help_text="unix seconds")),
                ("until", models.BigIntegerField(help_text="unix seconds")),
                ("token", models.CharField(blank=True, max_length=32)),
                ("blocks", models.BinaryField(default=bytes)),
                ("above", models.BinaryField(default=bytes)),
                ("marks", models.JSONField(default=list)),
                ("all", models.BinaryField(default=bytes)),
                ("even", models.BinaryField(default=bytes)),
                ("odd", models.BinaryField(default=bytes)),
                ("keys", models.JSONField(default=dict)),
            ],
            {
                "constraints": [
                    models.UniqueConstraint(
                        fields=("split", "route", "arm", "start"), name="one_traffic_hour"
                    )
                ],
                "indexes": [models.Index(fields=["split", "start"], name="traffic_hour_by_split")],
            },
        ),
        migrations.CreateModel(
            "RoutingHour",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("split", models.SlugField()),
                ("epoch", models.CharField(blank=True, max_length=40)),
                ("start", models.BigIntegerField(help_text="unix seconds")),
                ("until", models.BigIntegerField(help_text="unix seconds")),
                ("sums", models.JSONField(default=dict)),
                ("flips", models.JSONField(default=list)),
                ("candidate_keys", models.BinaryField(default=bytes)),
                ("legacy_keys", models.BinaryField(default=bytes)),
            ],
            {
                "constraints": [
                    models.UniqueConstraint(
                        fields=("split", "epoch", "start"), name="one_routing_hour"
                    )
                ],
            },
        ),
    ]
