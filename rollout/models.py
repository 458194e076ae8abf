"""The product's rows: a migration's life, its gates, its checklist and its decisions."""

from django.db import models
from django.db.models import F, Q

from audit.models import LedgerEntry
from judge.verdict import Verdict
from rollout.lifecycle import PHASE_CHOICES, Phase, Place
from rollout.policy import CHECKLIST
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
    # The builds that evidence is about, as noted when the place was decided, and since when
    # evidence about them counts: a new build starts both anew.
    builds = models.CharField(max_length=201, blank=True)
    evidence_since = models.DateTimeField(null=True, blank=True)
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


class Approval(models.Model):
    """One person's request to move, and another's answer; it moves nothing by itself.

    A grant holds for the action, place, plan and builds it was given for, until it expires or is
    used. The evidence's hash says what both saw; gates are asked again when the move is made.
    """

    class State(models.TextChoices):
        REQUESTED = "requested"
        GRANTED = "granted"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"
        USED = "used"

    OPEN = (State.REQUESTED, State.GRANTED)

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.PROTECT, related_name="approvals"
    )
    action = models.CharField(max_length=16)
    from_version = models.PositiveIntegerField()
    to_place = models.JSONField()
    # Of an override: the gates it names, the incident, and when it ends.
    terms = models.JSONField(default=dict)
    plan_sha256 = models.CharField(max_length=64)
    builds = models.CharField(max_length=201)
    evidence_sha256 = models.CharField(max_length=64)
    requester = models.CharField(max_length=150)
    reason = models.TextField()
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.REQUESTED)
    approver = models.CharField(max_length=150, blank=True)
    answer = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    # Why it is over, when nobody's answer says so.
    ended_because = models.CharField(max_length=200, blank=True)
    decision = models.OneToOneField(
        Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="approval"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(requester=F("approver")), name="approval_by_another_person"
            ),
            models.CheckConstraint(
                condition=Q(action__in=("promote", "override", "decommission")),
                name="approval_of_a_move",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("requested", "withdrawn", "expired"))
                | (Q(state__in=("granted", "declined", "used")) & ~Q(approver="")),
                name="approval_answered_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state="used", decision__isnull=False)
                | (~Q(state="used") & Q(decision__isnull=True)),
                name="approval_used_by_a_decision",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("requested_at")), name="approval_ends"
            ),
            models.UniqueConstraint(
                fields=["migration", "action"],
                condition=Q(state__in=("requested", "granted")),
                name="one_open_approval_per_action",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.state}"


class Waiver(models.Model):
    """A named person does without one checklist item, for a reason and a while."""

    MAX_LIFETIME_S = 7 * 86_400

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.PROTECT, related_name="waivers"
    )
    item = models.SlugField(max_length=40)
    reason = models.TextField()
    by = models.CharField(max_length=150)
    since = models.DateTimeField()
    lifetime_s = models.PositiveIntegerField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)
    # The ledger entry that began it; promotions that rest on the waiver name it.
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(item__in=CHECKLIST), name="waiver_of_an_item"),
            models.CheckConstraint(
                condition=Q(lifetime_s__gte=1) & Q(lifetime_s__lte=7 * 86_400),
                name="waiver_ends_within_seven_days",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("since")), name="waiver_ends"),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(by=""), name="waiver_named_and_reasoned"
            ),
            models.UniqueConstraint(
                fields=["migration", "item"],
                condition=Q(ended_at__isnull=True),
                name="one_waiver_per_item",
            ),
        ]

    def __str__(self) -> str:
        return self.item


class Review(models.Model):
    """Something was done in a hurry; another person looks at it. An open one stops the end."""

    class Cause(models.TextChoices):
        OVERRIDE = "override"
        EMPTY_REASON = "empty_reason"
        BREAK_GLASS = "break_glass"

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.PROTECT, related_name="reviews"
    )
    cause = models.CharField(max_length=16, choices=Cause.choices)
    # The ledger entry of what was done.
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    opened_by = models.CharField(max_length=150)
    opened_at = models.DateTimeField()
    detail = models.TextField()
    # Of an override: the gates it passed by, where it led and until when it holds; `lapsed_at` once
    # its end was acted upon.
    place = models.CharField(max_length=24, blank=True)
    gates = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    lapsed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(closed_by=F("opened_by")), name="review_by_another_person"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by="", text="")
                | (Q(closed_at__isnull=False) & ~Q(closed_by="") & ~Q(text="")),
                name="review_closed_with_a_text",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {'closed' if self.closed_at else 'open'}"


class GateLatch(models.Model):
    """A gate FAILed on these builds at this place; that stays so until it is reset.

    Each reset begins another attempt on the same builds: its evidence counts from `reset_at` of the
    one before, with half of that one's alpha.
    """

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.PROTECT, related_name="latches"
    )
    gate = models.SlugField(max_length=40)
    builds = models.CharField(max_length=201)
    place = models.CharField(max_length=24)
    attempt = models.PositiveSmallIntegerField(default=1)
    since = models.DateTimeField()
    evidence = models.JSONField()
    evidence_sha256 = models.CharField(max_length=64)
    reset_at = models.DateTimeField(null=True, blank=True)
    reset_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name_plural = "gate latches"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["migration", "gate", "builds", "place", "attempt"],
                name="one_latch_per_attempt",
            ),
            models.UniqueConstraint(
                fields=["migration", "gate", "builds", "place"],
                condition=Q(reset_at__isnull=True),
                name="one_latch_at_a_time",
            ),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="latch_attempt_from_one"),
            models.CheckConstraint(
                condition=Q(reset_at__isnull=True, reset_by="")
                | (Q(reset_at__isnull=False) & ~Q(reset_by="")),
                name="latch_reset_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gate} {self.place} attempt {self.attempt}"


class EvidenceInput(models.Model):
    """What a verdict function was given, by its hash: it outlives the blocks it was read from."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    # Canonical JSON, zlib.
    body = models.BinaryField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256


class DecisionVerdict(models.Model):
    """One verdict that a decision rests on, with what it was computed from."""

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="verdicts")
    gate = models.SlugField(max_length=40)
    route = models.CharField(max_length=200, blank=True)
    given = models.ForeignKey(EvidenceInput, on_delete=models.PROTECT, related_name="verdicts")
    evidence = models.JSONField()
    evidence_sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "gate", "route"], name="one_verdict_per_gate_and_route"
            )
        ]

    def __str__(self) -> str:
        return f"{self.gate} {self.route}".strip()


class MetricReading(models.Model):
    """What a provider answered to one metric's queries at one moment; a gate reads the newest."""

    migration = models.ForeignKey(
        ServiceMigration, on_delete=models.CASCADE, related_name="metric_readings"
    )
    metric = models.SlugField(max_length=30)
    route = models.CharField(max_length=200, blank=True)
    # Number of the interval: two workers at once count once.
    slot = models.PositiveBigIntegerField()
    # Before it was asked: what the answer is about is at least as new.
    at = models.DateTimeField(db_index=True)
    builds = models.CharField(max_length=201)
    # Of the provider and the queries as sent: after a change older readings count no more.
    asked_sha256 = models.CharField(max_length=64)
    # Samples by what they measure: candidate, legacy, count; and the queries as sent, in words.
    samples = models.JSONField()
    query = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["migration", "metric", "route", "asked_sha256", "slot"],
                name="one_reading_per_interval",
            )
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.route}".strip()
