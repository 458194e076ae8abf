"""An item's state is its newest check run and its gate's evaluations; a third copy said nothing."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("rollout", "0002_triggers")]

    operations = [migrations.DeleteModel("ChecklistItem")]
