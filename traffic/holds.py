"""Holds of proxies, and the records of the glass they broke: what is held, what is believed."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from traffic.glass import BrokenGlass, GlassError, Sealed, moment_text, read
from traffic.models import GlassRecord, Proxy, ProxyGroup

IMPORTED = (GlassRecord.Outcome.MOVED, GlassRecord.Outcome.NOTED)
REFUSALS = {
    "malformed": "it is no record of a broken glass",
    "unsigned": "its host could not sign it",
    "unknown_key": "another key signed it than this proxy's",
    "forged": "the signature is not of this text",
    "foreign": "it is about another proxy",
    "foreign_lineage": "it is about another control plane's proxies",
    "duplicate": "the same record was imported before",
}
"""Why a record is not believed. It is kept and stands in the ledger all the same."""


@dataclass(frozen=True, slots=True)
class Held:
    """A proxy that broke its glass; `released` when it was told to end that hold."""

    proxy: str
    id: str
    reason: str
    at: datetime | None
    released: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stored record says (None: nothing readable), and why it is not believed."""

    broken: BrokenGlass | None
    code: str

    @property
    def text(self) -> str:
        """Why not, in words; empty for one that is believed."""
        return REFUSALS.get(self.code, "")


def held(*, group_id: int) -> list[Held]:
    """Return the proxies of a group that hold, by name, as they last reported."""
    group = ProxyGroup.objects.get(pk=group_id)
    rows = Proxy.objects.filter(group_id=group_id).exclude(hold=None).order_by("name")
    return [found for row in rows if (found := held_of(row, released_ids(group)))]


def held_of(proxy: Proxy, released: Sequence[str]) -> Held | None:
    """Return a proxy's hold; None when it has none."""
    if not proxy.hold:
        return None
    name = str(proxy.hold.get("id", ""))
    return Held(
        proxy=proxy.name,
        id=name,
        reason=str(proxy.hold.get("reason", "")),
        at=_moment(proxy.hold.get("at")),
        released=name in released,
    )


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromisoformat(moment_text(float(str(seconds)))) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def released_ids(group: ProxyGroup) -> list[str]:
    """Return the holds that the group's snapshots release."""
    return group.release_hold.split()


def waiting_records() -> list[GlassRecord]:
    """Return the records that nobody has looked at, in the order in which they came."""
    rows = GlassRecord.objects.filter(outcome=GlassRecord.Outcome.WAITING)
    return list(rows.select_related("proxy__group").order_by("pk"))


def waiting_of(*, group_id: int) -> list[GlassRecord]:
    """Return those of one group."""
    return [row for row in waiting_records() if row.proxy.group_id == group_id]


def judge(record: GlassRecord) -> Judged:
    """Say whether a record is to be believed: signed by this proxy's key, about it, and new."""
    try:
        broken = read(record.text)
    except GlassError:
        return Judged(None, "malformed")
    return Judged(broken, _doubt(record, broken))


def _doubt(record: GlassRecord, broken: BrokenGlass) -> str:
    proxy = record.proxy
    if not record.signature:
        return "unsigned"
    if not hmac.compare_digest(record.key, proxy.glass_key):
        return "unknown_key"
    if not Sealed(record.text, record.signature, record.key).holds():
        return "forged"
    if broken.proxy != proxy.name:
        return "foreign"
    if broken.lineage not in (None, proxy.group.lineage):
        return "foreign_lineage"
    seen = GlassRecord.objects.filter(sha256=record.sha256, outcome__in=IMPORTED)
    return "duplicate" if seen.exists() else ""


def in_force(record: GlassRecord, broken: BrokenGlass) -> bool:
    """Whether the proxy still holds exactly this hold, and was not told to end it."""
    proxy = Proxy.objects.select_related("group").get(pk=record.proxy_id)
    found = held_of(proxy, released_ids(proxy.group))
    return found is not None and found.id == broken.hold and not found.released
