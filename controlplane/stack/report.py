"""What a started stack tells: the lines for a person, stack.json for a program."""

import os
from collections.abc import Mapping
from typing import Any

from controlplane.stack.layout import PROXY_ID, Layout


def document(
    layout: Layout, *, ready: bool, pids: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    """Return stack.json: addresses, sign-in, tokens, and pids (each also the child's session)."""
    secrets, demo = layout.secrets, layout.options.demo
    pair = {
        "legacy": layout.url("legacy"),
        "candidate": layout.url("candidate"),
        "legacy_admin": layout.url("legacy-admin"),
        "candidate_admin": layout.url("candidate-admin"),
        "legacy_log": str(layout.access_log("legacy")),
        "candidate_log": str(layout.access_log("candidate")),
        "scenario": layout.options.scenario,
    }
    return {
        "ready": ready,
        "pid": os.getpid(),
        "seconds_to_ready": round(seconds, 2),
        "web": layout.url("web"),
        "envoy": layout.url("envoy"),
        "redis": layout.redis_url,
        **(pair if demo else {}),
        "ports": dict(layout.ports),
        "pids": dict(pids),
        "state_dir": str(layout.state.root),
        "operator": {
            "username": "operator",
            "password": secrets["operator_password"],
            "token": secrets["operator_token"],
        },
        "viewer": {
            "username": "viewer",
            "password": secrets["viewer_password"],
            "token": secrets["viewer_token"],
        },
        "proxy": {"id": PROXY_ID, "token": secrets["proxy_token"]},
    }


def welcome(layout: Layout, seconds: float) -> str:
    """Return what a person needs: one address, sign-in, where users call, where logs are."""
    secrets = layout.secrets
    return f"""
Banyan is ready after {seconds:.1f} s.

  Open      {layout.public_url}/
  Sign in   operator / {secrets["operator_password"]}
            viewer   / {secrets["viewer_password"]}
  Users     {layout.url("envoy")} (Envoy)
  Logs      {layout.state.logs}

Ctrl-C stops everything.
"""
