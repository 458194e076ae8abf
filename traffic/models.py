"""The data plane as rows: what each proxy should do, what it does, and what it saw."""

from django.db import models
from django.db.models import Q

from audit.models import LedgerEntry


class ProxyGroup(models.Model):
    """Proxies that serve the same splits; `lineage` and `generation` name their snapshots."""

    name = models.SlugField(unique=True)
    lineage = models.CharField(max_length=32, unique=True)
    generation = models.PositiveBigIntegerField(default=0)
    user_key_header = models.CharField(max_length=64, default="x-user-key")
    # The holds that an operator released by resuming, ids with spaces between; proxies end exactly
    # these. One that is taken afterwards has another id, and stays.
    release_hold = models.CharField(max_length=2000, blank=True)

    def __str__(self) -> str:
        return self.name


class Split(models.Model):
    """Desired: how one service's users are shared between legacy and candidate."""

    class Mode(models.TextChoices):
        SAFE = "safe", "legacy serves all, no copies"
        DUAL_RUN = "dual_run", "legacy serves all, copies are compared"
        CANARY = "canary", "a share of the users is served by the candidate"
        FULL = "full", "the candidate serves all"
        DECOMMISSIONED = "decommissioned", "the candidate serves all, and legacy is gone"

    group = models.ForeignKey(ProxyGroup, on_delete=models.PROTECT, related_name="splits")
    name = models.SlugField(unique=True)
    path_prefix = models.CharField(max_length=200, default="/")
    legacy_host = models.CharField(max_length=253)
    legacy_port = models.PositiveIntegerField()
    candidate_host = models.CharField(max_length=253)
    candidate_port = models.PositiveIntegerField()
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.SAFE)
    weight_tth = models.PositiveIntegerField(default=0)
    shadow_tth = models.PositiveIntegerField(default=1000)
    noise_tth = models.PositiveIntegerField(default=200)
    canary_shadow_tth = models.PositiveIntegerField(default=1000)
    # Fixed for the life of a migration: another seed would move users who are already decided.
    seed = models.PositiveBigIntegerField(default=1)
    # Names the step that traffic counts belong to; a new one makes each edge count keys anew.
    epoch = models.CharField(max_length=40, default="0")
    block_seconds = models.PositiveIntegerField(default=10)
    routes = models.JSONField(default=list)
    # When the present epoch was asked for; until when latencies of the candidate are warm-up.
    asked_at = models.DateTimeField(null=True, blank=True)
    warmup_s = models.PositiveIntegerField(default=60)
    warm_until_us = models.PositiveBigIntegerField(default=0)
    # Per route, the latencies in µs above which an attempt of this step is slow: frozen from what
    # legacy did in the step before, so that a step is never measured by itself.
    slow_us = models.JSONField(default=dict, blank=True)
    # Per route, what legacy did in the last step it served, and how its bad requests cluster:
    # see `traffic.reference`. Frozen with `slow_us`.
    frozen = models.JSONField(default=dict, blank=True)
    # Of a migration that ended and made room for another: no longer in the group's documents.
    retired = models.BooleanField(default=False)
    # Copies per request for a load test, in ten-thousandths, and when they end whoever is dead.
    amplify_tth = models.PositiveIntegerField(default=0)
    amplify_until = models.DateTimeField(null=True, blank=True)
    # [mode, weight_tth] of the moves that may come next: proxies validate their documents ahead.
    likely = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(weight_tth__lte=10_000)
                & Q(shadow_tth__lte=10_000)
                & Q(canary_shadow_tth__lte=10_000)
                & Q(noise_tth__lte=models.F("shadow_tth")),
                name="split_shares_within_ten_thousandths",
            ),
            models.CheckConstraint(
                condition=Q(mode__in=("canary", "full", "decommissioned")) | Q(weight_tth=0),
                name="split_weight_only_in_canary_and_after",
            ),
            models.CheckConstraint(
                condition=Q(amplify_tth=0) | Q(amplify_until__isnull=False),
                name="split_amplified_only_until_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Snapshot(models.Model):
    """One numbered, immutable document with the routes of all splits of a group."""

    group = models.ForeignKey(ProxyGroup, on_delete=models.PROTECT, related_name="snapshots")
    generation = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    document = models.JSONField()
    exposure = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "generation"], name="one_snapshot_per_generation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.group_id}#{self.generation}"


class Proxy(models.Model):
    """A registered proxy: one Envoy and the edge beside it."""

    group = models.ForeignKey(ProxyGroup, on_delete=models.PROTECT, related_name="proxies")
    name = models.SlugField(unique=True)
    token_hash = models.CharField(max_length=64, unique=True)
    registered_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True, blank=True)
    boot = models.CharField(max_length=64, blank=True)
    last_seq = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, blank=True)
    generation = models.PositiveBigIntegerField(default=0)
    reason = models.TextField(blank=True)
    hold = models.JSONField(null=True, blank=True)
    # The public key that its host signs break-glass records with: the first one that it reported
    # under its token. Another one is believed only after the proxy is registered anew.
    glass_key = models.CharField(max_length=64, blank=True)
    envoy_version = models.CharField(max_length=32, blank=True)
    capabilities = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "proxies"

    def __str__(self) -> str:
        return self.name


class GlassRecord(models.Model):
    """A host's signed word that it broke the glass: kept as it came, whatever became of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "not imported yet"
        MOVED = "moved", "imported, and the migration moved"
        NOTED = "noted", "imported; nothing was left to move"
        REFUSED = "refused", "not believed"

    proxy = models.ForeignKey(Proxy, on_delete=models.PROTECT, related_name="glass_records")
    # Of the text, which is what was signed, byte for byte.
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    signature = models.CharField(max_length=128)
    key = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    outcome = models.CharField(
        max_length=10, choices=Outcome.choices, default=Outcome.WAITING, db_index=True
    )
    # Why it was refused.
    code = models.CharField(max_length=24, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    entry = models.OneToOneField(
        LedgerEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["proxy", "sha256", "signature"], name="one_row_per_glass_record"
            ),
            models.UniqueConstraint(
                fields=["sha256"],
                condition=Q(outcome__in=("moved", "noted")),
                name="one_import_per_glass_record",
            ),
            models.CheckConstraint(
                condition=Q(outcome="waiting", entry__isnull=True, settled_at__isnull=True)
                | (~Q(outcome="waiting") & Q(entry__isnull=False, settled_at__isnull=False)),
                name="glass_record_settled_by_an_entry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.proxy_id} {self.sha256[:8]} {self.outcome}"


class Acknowledgement(models.Model):
    """The first time a proxy said what became of a generation: accepted, rejected, and why."""

    proxy = models.ForeignKey(Proxy, on_delete=models.CASCADE, related_name="acknowledgements")
    generation = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["proxy", "generation", "state"], name="one_acknowledgement_per_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.proxy_id} {self.state} {self.generation}"


class EdgeBlock(models.Model):
    """What identifies a block reported by an edge; a later report of the same key replaces it."""

    proxy = models.ForeignKey(Proxy, on_delete=models.CASCADE)
    boot = models.CharField(max_length=64)
    split = models.SlugField()
    start = models.BigIntegerField(help_text="unix seconds")
    seconds = models.PositiveIntegerField()

    class Meta:
        abstract = True


class TrafficBlock(EdgeBlock):
    """Requests, status classes and latencies of one arm and route in one block."""

    route = models.CharField(max_length=200)
    arm = models.CharField(max_length=24)
    requests = models.PositiveBigIntegerField(default=0)
    status = models.JSONField(default=dict)
    errors = models.PositiveBigIntegerField(default=0)
    # Distinct users who met an error or a slow answer, a few of each: {"errors": "<hex>", ...}.
    keys = models.JSONField(default=dict)
    slow = models.JSONField(default=dict)
    warming = models.PositiveBigIntegerField(default=0)
    shed = models.PositiveBigIntegerField(default=0)
    latency = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["proxy", "boot", "split", "route", "arm", "start"],
                name="one_traffic_block",
            )
        ]
        # Gates and tiles read one split's recent blocks.
        indexes = [models.Index(fields=["split", "start"], name="traffic_block_by_split")]

    def __str__(self) -> str:
        return f"{self.split} {self.route} {self.arm} {self.start}"


class TrafficHour(models.Model):
    """One hour of one arm and route up to `until`, all proxies added up; see `traffic.hours`.

    A cache of blocks, rebuilt when one comes late, and what is left when blocks have expired.
    """

    split = models.SlugField()
    route = models.CharField(max_length=200)
    arm = models.CharField(max_length=24)
    start = models.BigIntegerField(help_text="unix seconds")
    until = models.BigIntegerField(help_text="unix seconds")
    # Of the hour's row without route, which says how far the hour is: another one whenever the hour
    # is built anew, so that what was read of it may be kept in memory.
    token = models.CharField(max_length=32, blank=True)
    # int64 arrays, one row per block: `hours.COLUMNS`, and requests above each of `marks`, legacy's
    # quantiles of the hour before in µs.
    blocks = models.BinaryField(default=bytes)
    above = models.BinaryField(default=bytes)
    marks = models.JSONField(default=list)
    # Sparse histograms, int64 pairs of bucket and count.
    all = models.BinaryField(default=bytes)
    even = models.BinaryField(default=bytes)
    odd = models.BinaryField(default=bytes)
    keys = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["split", "route", "arm", "start"], name="one_traffic_hour"
            )
        ]
        indexes = [models.Index(fields=["split", "start"], name="traffic_hour_by_split")]

    def __str__(self) -> str:
        return f"{self.split} {self.route} {self.arm} {self.start}"


class RoutingHour(models.Model):
    """One hour of one step's routing up to `until`, all proxies added up; a cache of blocks."""

    split = models.SlugField()
    epoch = models.CharField(max_length=40, blank=True)
    start = models.BigIntegerField(help_text="unix seconds")
    until = models.BigIntegerField(help_text="unix seconds")
    # Sums by name, and when flips and the newest block were: see `traffic.routing`.
    sums = models.JSONField(default=dict)
    flips = models.JSONField(default=list)
    candidate_keys = models.BinaryField(default=bytes)
    legacy_keys = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["split", "epoch", "start"], name="one_routing_hour")
        ]

    def __str__(self) -> str:
        return f"{self.split} {self.epoch} {self.start}"


class RoutingBlock(EdgeBlock):
    """Where requests were sent in one block, and the keys first seen in it."""

    epoch = models.CharField(max_length=40, blank=True)
    intended = models.PositiveBigIntegerField(default=0)
    failed_over = models.PositiveBigIntegerField(default=0)
    diverted = models.PositiveBigIntegerField(default=0)
    arms = models.JSONField(default=dict)
    # Requests of counted keys, and the sum over keys of squared requests: how uneven they are.
    key_requests = models.PositiveBigIntegerField(default=0)
    key_squares = models.PositiveBigIntegerField(default=0)
    # 8 bytes per key hash, sorted; merging proxies is a set union.
    candidate_keys = models.BinaryField(default=bytes)
    legacy_keys = models.BinaryField(default=bytes)
    flips = models.JSONField(default=list)
    flip_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["proxy", "boot", "split", "start"], name="one_routing_block"
            )
        ]
        indexes = [
            models.Index(fields=["split", "start"], name="routing_block_by_split"),
            # A step's keys are read by the step's epoch, whatever the clocks say.
            models.Index(fields=["split", "epoch"], name="routing_block_by_epoch"),
        ]

    def __str__(self) -> str:
        return f"{self.split} {self.start}"


class TapBlock(EdgeBlock):
    """What became of every sampled request of one route in one block."""

    route = models.CharField(max_length=200)
    sampled = models.PositiveBigIntegerField(default=0)
    waiting = models.PositiveBigIntegerField(default=0)
    pairs = models.PositiveBigIntegerField(default=0)
    unpaired = models.PositiveBigIntegerField(default=0)
    truncated = models.PositiveBigIntegerField(default=0)
    failed_over = models.PositiveBigIntegerField(default=0)
    diverted = models.PositiveBigIntegerField(default=0)
    shed = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["proxy", "boot", "split", "route", "start"], name="one_tap_block"
            )
        ]
        indexes = [models.Index(fields=["split", "start"], name="tap_block_by_split")]

    def __str__(self) -> str:
        return f"{self.split} {self.route} {self.start}"


class LoadRun(models.Model):
    """One load test of a split's candidate: what was asked, how far it is, what it showed.

    The row is the order: whoever ticks reads it and does what is due. The copies end by
    `Split.amplify_until` even when nobody ticks any more.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"

    class Mode(models.TextChoices):
        MIRROR = "mirror", "production's own requests, copied"
        GENERATOR = "generator", "requests sent on a schedule"

    split = models.ForeignKey(Split, on_delete=models.CASCADE, related_name="load_runs")
    # Evidence of other builds does not count; whoever starts the run names them.
    builds = models.CharField(max_length=201, blank=True)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.MIRROR)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    requested_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    # Later than this nothing is asked for any more, finished or not.
    deadline_at = models.DateTimeField()
    ticked_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # `traffic.load.plan.LoadPlan` and `traffic.load.machine.Progress` as plain JSON.
    plan = models.JSONField()
    progress = models.JSONField(default=dict)
    verdict = models.CharField(max_length=16, blank=True)
    sentence = models.TextField(blank=True)
    result = models.JSONField(default=dict, blank=True)
    # `traffic.load.memory.MemorySample`s of the candidate, as far as it tells them.
    memory = models.JSONField(default=list, blank=True)
    # What the generator should send now, and until when; it stops by itself then.
    desired_rps = models.FloatField(default=0)
    desired_until = models.DateTimeField(null=True, blank=True)
    # The generator process that sends for this run, and when it last said so: one at a time.
    generator = models.CharField(max_length=40, blank=True)
    generator_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["split"], condition=Q(state="running"), name="one_running_load_run"
            )
        ]

    def __str__(self) -> str:
        return f"load of {self.split_id}: {self.state}"


class LoadBlock(models.Model):
    """What the generator sent in one block of a run, and how the candidate answered."""

    run = models.ForeignKey(LoadRun, on_delete=models.CASCADE, related_name="blocks")
    # The process that sent it: a second one never overwrites the first one's counts.
    boot = models.CharField(max_length=40)
    start = models.BigIntegerField(help_text="unix seconds")
    seconds = models.PositiveIntegerField()
    requests = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0)
    shed = models.PositiveBigIntegerField(default=0)
    status = models.JSONField(default=dict)
    latency = models.JSONField(default=dict)
    # How late requests were sent, in the same buckets: a late generator measures itself.
    lateness = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "boot", "start"], name="one_load_block")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.start}"
