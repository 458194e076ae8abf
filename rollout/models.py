"""The product's rows: a migration's life, its gates, its checklist and its decisions."""

from django.db import models
from django.db.models import Q

from audit.models import LedgerEntry
from judge.verdict import Verdict
from rollout.lifecycle import PHASE_CHOICES, Phase, Place
from shadow.models import ServicePair
from traffic.models import Split

VERDICT_CHOICES = [(v.value, v.value) for v in Verdict]


class ServiceMigration(models.Model):
    """One service's way from legacy to candidate. Its place has one writer: services."""

    slug = models.SlugField(unique=True, max_length=60)
    title = models.CharField(max_length=120)
    team = models.SlugField(max_length=60)
    pair = models.OneToOneField(ServicePair, on_delete=models.PROTECT, related_name="migration")
    split = models.OneToOneField(Split, on_delete=models.PROTECT, related_name="migration")
    phase = models.CharField(max_length=16, choices=PHASE_CHOICES, default=Phase.DRAFT)
    step = models.PositiveSmallIntegerField(null=True, blank=True)
    weight = models.PositiveSmallIntegerField(default=0, help_text="candidate's share in percent")
    version = models.PositiveIntegerField(default=0)
    held = models.BooleanField(default=False)
    held_by = models.CharField(max_length=150, blank=True)
    held_reason = models.TextField(blank=True)
    held_at = models.DateTimeField(null=True, blank=True)
    policy = models.JSONField()
    # When the present place was decided, what generation asks for it, when it was in effect.
    placed_at = models.DateTimeField()
    placed_generation = models.PositiveBigIntegerField(default=0)
    accepted_at = models.DateTimeField(null=True, blank=True)
    in_effect_at = models.DateTimeField(null=True, blank=True)
    shadow_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    # The database itself refuses another phase or weight without another, later ledger entry.
    last_audit_seq = models.OneToOneField(
        LedgerEntry, on_delete=models.PROTECT, related_name="+", db_column="last_audit_seq"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(phase__in=("canary", "full", "decommissioned")) | Q(weight=0),
                name="weight_only_in_canary_and_after",
            ),
            models.CheckConstraint(condition=Q(weight__lte=100), name="weight_at_most_100"),
            models.CheckConstraint(
                condition=Q(phase="canary", step__isnull=False)
                | (~Q(phase="canary") & Q(step__isnull=True)),
                name="step_exactly_in_canary",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def place(self) -> Place:
        """Where the migration stands, as the pure core sees it."""
        return Place(phase=Phase(self.phase), step=self.step, weight=self.weight)


class CanaryStep(models.Model):
    """One rung of the canary: weight, bake time and the requests it must have served."""

    migration = models.ForeignKey(ServiceMigration, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveSmallIntegerField()
    weight = models.PositiveSmallIntegerField()
    bake_seconds = models.PositiveIntegerField()
    min_requests = models.PositiveIntegerField()

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["migration", "index"], name="one_step_per_index"),
            models.UniqueConstraint(fields=["migration", "weight"], name="one_step_per_weight"),
            models.CheckConstraint(
                condition=Q(weight__gte=1) & Q(weight__lte=100), name="step_weight_1_to_100"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weight} %"


class ChecklistItem(models.Model):
    """One of the guide's seven items, with the state its own check left."""

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.CASCADE, related_name="checklist"
    )
    key = models.SlugField(max_length=40)
    verdict = models.CharField(max_length=16, choices=VERDICT_CHOICES, blank=True)
    evidence = models.JSONField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["migration", "key"], name="one_item_per_key")
        ]

    def __str__(self) -> str:
        return self.key


class GateEvaluation(models.Model):
    """What a gate said: one row per change of verdict, kept up to date until a decision uses it."""

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.CASCADE, related_name="evaluations"
    )
    gate = models.SlugField(max_length=40)
    route = models.CharField(max_length=200, blank=True)
    verdict = models.CharField(max_length=16, choices=VERDICT_CHOICES)
    evidence = models.JSONField()
    evidence_sha256 = models.CharField(max_length=64)
    builds = models.CharField(max_length=201)
    version = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    at = models.DateTimeField()
    latest = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["migration", "gate", "route"],
                condition=Q(latest=True),
                name="one_latest_evaluation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.gate} {self.route} {self.verdict}".strip()


class Decision(models.Model):
    """Who moved what, why, and on which evaluations; exactly one per version of a migration."""

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.PROTECT, related_name="decisions"
    )
    from_version = models.PositiveIntegerField()
    action = models.CharField(max_length=16)
    from_place = models.JSONField()
    to_place = models.JSONField()
    actor_kind = models.CharField(max_length=16)
    actor = models.CharField(max_length=150)
    role = models.CharField(max_length=20)
    reason = models.TextField()
    evaluations = models.ManyToManyField(GateEvaluation, related_name="decisions", blank=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["migration", "from_version"], name="one_decision_per_version"
            ),
            models.CheckConstraint(
                condition=~Q(action="") & Q(from_version__gte=0), name="decision_named"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} at version {self.from_version}"
