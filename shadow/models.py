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


class MismatchGroup(models.Model):
    """One cause: a route, a JSON path and a kind of difference."""

    pair = models.ForeignKey(ServicePair, on_delete=models.CASCADE, related_name="causes")
    builds = models.CharField(max_length=201)
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
                fields=["pair", "builds", "pair_kind", "route", "path", "kind"],
                name="one_group_per_cause",
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.path} {self.kind}"


class MismatchSample(models.Model):
    """A few kept pairs that illustrate a cause, redacted, with an end."""

    group = models.ForeignKey(MismatchGroup, on_delete=models.CASCADE, related_name="samples")
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
    differences = models.JSONField(default=list)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "sample_id"], name="one_sample_per_pair_id")
        ]
        indexes = [models.Index(fields=["expires_at"], name="sample_by_expiry")]

    def __str__(self) -> str:
        return self.sample_id


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
