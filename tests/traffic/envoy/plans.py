"""Plans for tests, random and fixed."""

from typing import Any

from hypothesis import strategies as st

from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream

LEGACY = Upstream("127.0.0.1", 9001)
CANDIDATE = Upstream("127.0.0.1", 9002)
MIRRORED = (MirrorRule("POST", "/infer"), MirrorRule("GET", "/items/{id}"))


def plan(name: str = "embeddings", **changes: Any) -> SplitPlan:
    values: dict[str, Any] = {
        "name": name,
        "legacy": LEGACY,
        "candidate": CANDIDATE,
        "mode": "dual_run",
        "mirrored": MIRRORED,
    }
    return SplitPlan(**(values | changes))


TTH = st.integers(0, 10_000)


@st.composite
def plan_sets(draw: st.DrawFn) -> list[SplitPlan]:
    """Up to four splits with different prefixes, in any mode."""
    prefixes = draw(st.lists(st.sampled_from(["/", "/a", "/a/b", "/c"]), unique=True, min_size=1))
    found = []
    for number, prefix in enumerate(prefixes):
        shadow = draw(TTH)
        found.append(
            plan(
                f"split-{number}",
                path_prefix=prefix,
                mode=draw(
                    st.sampled_from(["safe", "dual_run", "canary", "full", "decommissioned"])
                ),
                weight_tth=draw(TTH),
                seed=draw(st.integers(1, 2**31)),
                shadow_tth=shadow,
                noise_tth=draw(st.integers(0, shadow)),
                canary_shadow_tth=draw(TTH),
                amplify_tth=draw(st.sampled_from([0, 10_000, 25_000])),
            )
        )
    return found
