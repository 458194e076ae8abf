"""Evidence as rows: the two services, their routes, what was compared and how it differed."""

from django.db import models


class ServicePair(models.Model):
    """The service being replaced and its replacement, by address and build."""

    name = models.SlugField(unique=True)
    # The name under which edges send this pair's answers.
    stream = models.SlugField(unique=True)
    legacy_url = models.URLField(max_length=300)
    candidate_url = models.URLField(max_length=300)
    legacy_build = models.CharField(max_length=100, blank=True)
    candidate_build = models.CharField(max_length=100, blank=True)
    health_path = models.CharField(max_length=200, default="/healthz")
    ready_path = models.CharField(max_length=200, default="/readyz")
    block_seconds = models.PositiveIntegerField(default=10)
    probing = models.BooleanField(default=False)
    # Counts the changes of its routes' rules: what other rules decided is history.
    rules_revision = models.PositiveIntegerField(default=1)
    # Settings of the checks by checklist item; each check reads its own.
    checks = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def builds(self) -> str:
        """Both builds as one key: evidence of other builds does not count."""
        return f"{self.legacy_build}|{self.candidate_build}"


class RouteRule(models.Model):
    """A method and path template, whether it may be duplicated, and how its answers compare."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="routes")
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=200)
    safe_to_duplicate = models.BooleanField(default=False)
    atol = models.FloatField(default=1e-4)
    ignore = models.JSONField(default=list, blank=True)
    # Rules beyond tolerance and ignore, as `shadow.comparison.documents` reads them.
    rules = models.JSONField(default=list, blank=True)
    # JSON paths, and headers as `header:<name>`, whose values are replaced before anything of the
    # route is stored: `shadow.privacy`.
    redact = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair", "method", "path"], name="one_rule_per_route"),
            models.CheckConstraint(
                condition=models.Q(atol__gte=0), name="route_rule_atol_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The route's name in blocks, gates and pages."""
        return f"{self.method} {self.path}"


class PairBlock(models.Model):
    """Integers of one route's pairs in one block; blocks merge by addition."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE)
    route = models.CharField(max_length=200)
    kind = models.CharField(max_length=8)
    builds = models.CharField(max_length=201)
    start = models.BigIntegerField(help_text="unix seconds")
    seconds = models.PositiveIntegerField()
    compared = models.PositiveBigIntegerField(default=0)
    mismatched = models.PositiveBigIntegerField(default=0)
    excluded = models.PositiveBigIntegerField(default=0)
    uncomparable = models.JSONField(default=dict)
    duplicates = models.PositiveBigIntegerField(default=0)
    # Of reverse pairs, who was bad, by kind ("errors", "p50", ...): candidate only, neither or
    # both, legacy only, both. `shadow.services.comparing` counts them.
    bad = models.JSONField(default=dict)
    # 8-byte hashes of the pair ids in this block, so that a pair sent twice counts once. A pair's
    # block follows from its own time, so both copies meet here. Emptied by housekeeping.
    seen = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "route", "kind", "builds", "start"], name="one_pair_block"
            ),
            models.CheckConstraint(
                condition=models.Q(mismatched__lte=models.F("compared")),
                name="pair_block_mismatched_within_compared",
            ),
        ]
        indexes = [models.Index(fields=["pair", "builds", "start"], name="pair_block_by_time")]

    def __str__(self) -> str:
        return f"{self.pair_id} {self.route} {self.start}"


class PairHour(models.Model):
    """One hour of one route's pair blocks up to `until`: a cache, rebuilt when a pair comes late.

    `blocks` are int64 rows of `shadow.hours.COLUMNS`, one per block; the rest is added up.
    """

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE)
    route = models.CharField(max_length=200)
    kind = models.CharField(max_length=8)
    builds = models.CharField(max_length=201)
    start = models.BigIntegerField(help_text="unix seconds")
    until = models.BigIntegerField(help_text="unix seconds")
    blocks = models.BinaryField(default=bytes)
    uncomparable = models.JSONField(default=dict)
    bad = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "builds", "start", "route", "kind"], name="one_pair_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pair_id} {self.route} {self.start}"


class MismatchGroup(models.Model):
    """One cause: a route, a JSON path and a kind of difference."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="causes")
    builds = models.CharField(max_length=201)
    rules = models.PositiveIntegerField(default=1, help_text="revision of the rules that judged")
    pair_kind = models.CharField(max_length=8)
    route = models.CharField(max_length=200)
    path = models.CharField(max_length=300)
    kind = models.CharField(max_length=40)
    description = models.TextField()
    count = models.PositiveBigIntegerField(default=0)
    max_distance = models.FloatField(null=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "builds", "rules", "pair_kind", "route", "path", "kind"],
                name="one_group_per_cause",
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.path} {self.kind}"


class KeptPair(models.Model):
    """One pair as it is kept: redacted, its bodies decoded, with an end."""

    sample_id = models.CharField(max_length=80)
    at = models.DateTimeField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=1000)
    request_headers = models.JSONField(default=list)
    request_body = models.TextField(blank=True)
    legacy_status = models.PositiveIntegerField()
    legacy_headers = models.JSONField(default=list)
    legacy_body = models.TextField(blank=True)
    legacy_us = models.PositiveBigIntegerField(default=0)
    candidate_status = models.PositiveIntegerField()
    candidate_headers = models.JSONField(default=list)
    candidate_body = models.TextField(blank=True)
    candidate_us = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.sample_id


class MismatchSample(KeptPair):
    """One of the few kept pairs that illustrate a cause."""

    group = models.ForeignKey(MismatchGroup, on_delete=models.CASCADE, related_name="samples")
    differences = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "sample_id"], name="one_sample_per_pair_id")
        ]
        indexes = [models.Index(fields=["expires_at"], name="sample_by_expiry")]


class MatchSample(KeptPair):
    """One of a route's last pairs that matched: what a changed rule might refuse."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="matches")
    route = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair", "sample_id"], name="one_match_per_pair_id")
        ]
        indexes = [
            models.Index(fields=["pair", "route", "-at"], name="latest_match"),
            models.Index(fields=["expires_at"], name="match_by_expiry"),
        ]


class Exercise(models.Model):
    """That pairs of a route were compared where legacy answered with this class of status."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="exercises")
    builds = models.CharField(max_length=201)
    kind = models.CharField(max_length=8)
    route = models.CharField(max_length=200)
    status_class = models.CharField(max_length=3)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "builds", "kind", "route", "status_class"], name="one_exercise"
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.status_class} {self.count}"


class StreamCursor(models.Model):
    """How far a stream was read: written with the blocks, so that each entry counts once."""

    stream = models.CharField(max_length=100, unique=True)
    last_id = models.CharField(max_length=40, default="0-0")
    read_at = models.DateTimeField(null=True)
    lost = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.stream} {self.last_id}"


class ProbeResult(models.Model):
    """One health probe of one side."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="probes")
    side = models.CharField(max_length=10)
    endpoint = models.CharField(max_length=200)
    at = models.DateTimeField()
    status = models.PositiveIntegerField(default=0)
    duration_us = models.PositiveBigIntegerField(default=0)
    body = models.TextField(blank=True)
    build = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["pair", "side", "endpoint", "-at"], name="latest_probe")]

    def __str__(self) -> str:
        return f"{self.side} {self.endpoint} {self.status}"


class CheckRun(models.Model):
    """One run of one check. Due work is a row: a lost message or worker loses no run.

    `claim` is who runs it; a worker that lost its claim can write nothing any more.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"

    OPEN = (State.QUEUED, State.RUNNING)

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="check_runs")
    item = models.SlugField(max_length=40)
    builds = models.CharField(max_length=201, blank=True)
    # Who asked for it; empty when the schedule did.
    requested_by = models.CharField(max_length=150, blank=True)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    claim = models.CharField(max_length=40, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    # Renewed while it runs; a claim that is not renewed may be taken over.
    alive_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0)
    doing = models.CharField(max_length=200, blank=True)
    verdict = models.CharField(max_length=16, blank=True)
    sentence = models.TextField(blank=True)
    # A `Result` as plain JSON: findings, counts, advice, details.
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "item"],
                condition=models.Q(state__in=("queued", "running")),
                name="one_open_run_per_check",
            )
        ]
        indexes = [models.Index(fields=["pair", "item", "-id"], name="latest_check_run")]

    def __str__(self) -> str:
        return f"{self.item} {self.state}"


class CorpusRequest(models.Model):
    """A request that is sent to both sides on a schedule: recorded, written or generated."""

    class Source(models.TextChoices):
        RECORDED = "recorded"
        WRITTEN = "written"
        GENERATED = "generated"

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="corpus")
    source = models.CharField(max_length=10, choices=Source.choices)
    route = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=2000)
    headers = models.JSONField(default=list)
    body = models.BinaryField(default=bytes)
    # Of everything that is sent, so that a request stands in the corpus once.
    sha256 = models.CharField(max_length=64)
    added_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair", "sha256"], name="one_corpus_request")
        ]
        indexes = [models.Index(fields=["pair", "sent_at"], name="corpus_by_turn")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Measurement(models.Model):
    """One figure of one side for the scorecard: what, how, when and on which build."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="measurements")
    side = models.CharField(max_length=10)
    metric = models.SlugField(max_length=40)
    route = models.CharField(max_length=200, blank=True)
    value = models.FloatField()
    unit = models.CharField(max_length=20)
    how = models.CharField(max_length=300)
    by = models.CharField(max_length=150)
    build = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["pair", "metric", "side", "-at"], name="latest_measurement")
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.metric} {self.value:g} {self.unit}"


class LogBatch(models.Model):
    """Log lines of one side as they were written, kept until they are judged and expire."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="log_batches")
    side = models.CharField(max_length=10)
    # "file" or the name of whoever posted it.
    source = models.CharField(max_length=150)
    build = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    lines = models.PositiveIntegerField()
    text = models.TextField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["pair", "side", "-at"], name="latest_log_batch")]

    def __str__(self) -> str:
        return f"{self.side} {self.lines} lines"
