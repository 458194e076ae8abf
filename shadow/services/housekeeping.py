"""Delete what has expired; add settled pairs to their hours."""

from datetime import datetime, timedelta

from shadow import hours
from shadow.models import LogBatch, MatchSample, MismatchSample, PairBlock, ProbeResult

PROBE_LIFETIME = timedelta(hours=49)
SEEN_SECONDS = 900


def housekeep(*, now: datetime) -> None:
    """Delete what has expired: examples, old probes, and the pair ids of settled blocks.

    Then add what is settled to its hours, which keep what gates read.
    """
    MismatchSample.objects.filter(expires_at__lt=now).delete()
    MatchSample.objects.filter(expires_at__lt=now).delete()
    LogBatch.objects.filter(expires_at__lt=now).delete()
    ProbeResult.objects.filter(at__lt=now - PROBE_LIFETIME).delete()
    settled = int(now.timestamp()) - SEEN_SECONDS
    PairBlock.objects.filter(start__lt=settled).exclude(seen=b"").update(seen=b"")
    hours.settle(now=now)
