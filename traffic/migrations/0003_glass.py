"""Records of broken glass, splits that make room, and the mode of a legacy that is gone."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0002_checkpoint'),
        ('traffic', '0002_triggers'),
    ]

    operations = [
        migrations.CreateModel(
            name='GlassRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64)),
                ('text', models.TextField()),
                ('signature', models.CharField(max_length=128)),
                ('key', models.CharField(max_length=64)),
                ('received_at', models.DateTimeField()),
                ('outcome', models.CharField(choices=[('waiting', 'not imported yet'), ('moved', 'imported, and the migration moved'), ('noted', 'imported; nothing was left to move'), ('refused', 'not believed')], db_index=True, default='waiting', max_length=10)),
                ('code', models.CharField(blank=True, max_length=24)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='split',
            name='split_weight_only_in_canary_or_full',
        ),
        migrations.AddField(
            model_name='proxy',
            name='glass_key',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='split',
            name='retired',
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name='proxygroup',
            name='release_hold',
            field=models.CharField(blank=True, max_length=2000),
        ),
        migrations.AlterField(
            model_name='split',
            name='mode',
            field=models.CharField(choices=[('safe', 'legacy serves all, no copies'), ('dual_run', 'legacy serves all, copies are compared'), ('canary', 'a share of the users is served by the candidate'), ('full', 'the candidate serves all'), ('decommissioned', 'the candidate serves all, and legacy is gone')], default='safe', max_length=16),
        ),
        migrations.AddConstraint(
            model_name='split',
            constraint=models.CheckConstraint(condition=models.Q(('mode__in', ('canary', 'full', 'decommissioned')), ('weight_tth', 0), _connector='OR'), name='split_weight_only_in_canary_and_after'),
        ),
        migrations.AddField(
            model_name='glassrecord',
            name='entry',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.ledgerentry'),
        ),
        migrations.AddField(
            model_name='glassrecord',
            name='proxy',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='glass_records', to='traffic.proxy'),
        ),
        migrations.AddConstraint(
            model_name='glassrecord',
            constraint=models.UniqueConstraint(fields=('proxy', 'sha256', 'signature'), name='one_row_per_glass_record'),
        ),
        migrations.AddConstraint(
            model_name='glassrecord',
            constraint=models.UniqueConstraint(condition=models.Q(('outcome__in', ('moved', 'noted'))), fields=('sha256',), name='one_import_per_glass_record'),
        ),
        migrations.AddConstraint(
            model_name='glassrecord',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entry__isnull', True), ('outcome', 'waiting'), ('settled_at__isnull', True)), models.Q(models.Q(('outcome', 'waiting'), _negated=True), ('entry__isnull', False), ('settled_at__isnull', False)), _connector='OR'), name='glass_record_settled_by_an_entry'),
        ),
    ]
