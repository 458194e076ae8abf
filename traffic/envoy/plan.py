"""What one split should do, as plain values: the input of every Envoy document."""

from dataclasses import dataclass
from typing import Literal

FULL_TTH = 10_000
"""All of it, in ten-thousandths: the unit of every share in the data plane."""
MAX_AMPLIFY_TTH = 50 * FULL_TTH
"""Copies of one request for a load test: more would make Envoy the thing that is tested."""

Mode = Literal["safe", "dual_run", "canary", "full", "decommissioned"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where one service listens. `host` is an IP address (preferred) or a name to resolve."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class MirrorRule:
    """A request that is safe to send twice. `path` is exact or a template: `{x}` is one segment."""

    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """What one split should do now. Shares are ten-thousandths; impossible values raise.

    `weight_tth` is the candidate's share of users and is read only in `canary`. `shadow_tth` of
    legacy's requests are copied to the candidate, `noise_tth` (a part of them, not in addition) to
    legacy a second time, and `canary_shadow_tth` of the candidate's requests to legacy. For a load
    test each request is copied `amplify_tth` / 10,000 times on top, to the candidate alone; at most
    `load_max_requests` of these wait at once, further ones are shed. Only requests that match a
    rule in `mirrored` are ever copied.
    """

    name: str
    legacy: Upstream
    candidate: Upstream
    mode: Mode
    weight_tth: int = 0
    seed: int = 1
    shadow_tth: int = 0
    noise_tth: int = 0
    canary_shadow_tth: int = 0
    path_prefix: str = "/"
    route_timeout_s: float = 15
    per_try_timeout_s: float = 1
    shadow_max_requests: int = 64
    amplify_tth: int = 0
    load_max_requests: int = 256
    mirrored: tuple[MirrorRule, ...] = ()

    def __post_init__(self) -> None:
        for field in ("weight_tth", "shadow_tth", "noise_tth", "canary_shadow_tth"):
            if not 0 <= getattr(self, field) <= FULL_TTH:
                raise ValueError(f"{self.name}: {field} is outside 0..{FULL_TTH}")
        if self.noise_tth > self.shadow_tth:
            raise ValueError(f"{self.name}: noise_tth must be a part of shadow_tth")
        if not 0 <= self.amplify_tth <= MAX_AMPLIFY_TTH:
            raise ValueError(f"{self.name}: amplify_tth is outside 0..{MAX_AMPLIFY_TTH}")
        if not self.path_prefix.startswith("/"):
            raise ValueError(f"{self.name}: path_prefix must start with '/'")

    @property
    def exposure_tth(self) -> int:
        """The candidate's share of users, whatever the mode."""
        if self.mode in ("full", "decommissioned"):
            return FULL_TTH
        return self.weight_tth if self.mode == "canary" else 0

    @property
    def legacy_is_gone(self) -> bool:
        """Whether there is only the candidate: nobody falls back, and there is no way back."""
        return self.mode == "decommissioned"


def legacy_cluster(split: str) -> str:
    """Name of the cluster that answers users from legacy."""
    return f"{split}/legacy"


def candidate_cluster(split: str) -> str:
    """Name of the candidate as a member of the safe cluster; it is what access records show."""
    return f"{split}/candidate"


def candidate_safe_cluster(split: str) -> str:
    """Name of the cluster users of the candidate are sent to: candidate, then legacy."""
    return f"{split}/candidate-safe"


def candidate_shadow_cluster(split: str) -> str:
    """Name of the cluster that receives copies of legacy users' requests."""
    return f"{split}/candidate-shadow"


def legacy_shadow_cluster(split: str) -> str:
    """Name of the cluster that receives copies for the noise floor and the reverse direction."""
    return f"{split}/legacy-shadow"


def candidate_load_cluster(split: str) -> str:
    """Name of the cluster that receives the copies of a load test."""
    return f"{split}/candidate-load"
