"""Where the ledger's key and anchors are, and how long each may take; read at each use."""

from pathlib import Path

from django.conf import settings

# A hung disk or anchor costs a promotion this long, and a roll back nothing: it never asks.
IO_SECONDS = 3.0
# What pages, probes and scrapes wait for at most, and for how long they take an answer for good.
GLANCE_SECONDS = 0.5
GLANCE_KEPT_S = 5.0


def key_path() -> Path:
    """Return where the signing key is: BANYAN_LEDGER_KEY, else `ledger.key` in the state folder."""
    return _path("BANYAN_LEDGER_KEY", "ledger.key")


def anchor_path() -> Path:
    """Return where checkpoints go: BANYAN_LEDGER_ANCHOR, else `ledger.anchor` there."""
    return _path("BANYAN_LEDGER_ANCHOR", "ledger.anchor")


def further_anchors() -> list[str]:
    """Return the names in BANYAN_LEDGER_ANCHORS.

    Each is the path of a file, beginning with /, or the dotted path of a function making an anchor.
    """
    return list(getattr(settings, "BANYAN_LEDGER_ANCHORS", None) or ())


def state_comparison() -> str:
    """Return the dotted path of what yields (slug, place) for each migration; empty: none."""
    return str(getattr(settings, "BANYAN_STATE_COMPARISON", "") or "")


def unanchored_limit_s() -> int:
    """Return after how many seconds without an anchor promotions close."""
    return int(getattr(settings, "BANYAN_LEDGER_UNANCHORED_LIMIT_S", 300))


def _path(setting: str, default: str) -> Path:
    given = getattr(settings, setting, None)
    return Path(given) if given else Path(settings.STATE_DIR) / default
