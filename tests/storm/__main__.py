"""`python -m tests.storm`: the whole figure on both engines, as JSON; exit 1 for a broken promise.

Smaller: `--crowd 5 --front 0 --kills 20 --engines sqlite`.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.postgres import NoPostgresError, throwaway_postgres
from tests.storm.one import parser

ROOT = Path(__file__).resolve().parent.parent.parent
ENGINES = ("sqlite", "postgresql")


def main() -> int:
    """Measure engine by engine; a part that broke its promise is named, not repaired."""
    options = parser()
    options.description = __doc__
    options.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    options.add_argument("--out", type=Path, help="where the JSON goes too")
    asked = options.parse_args()
    passed = [
        part
        for name in ("hands", "crowd", "front", "kills", "seed")
        for part in (f"--{name}", str(getattr(asked, name)))
    ]
    found: dict[str, Any] = {"seed": asked.seed, "engines": {}}
    for engine in asked.engines:
        found["engines"][engine] = _measure(engine, passed)
    found["kept"] = all(_kept(parts) for parts in found["engines"].values())
    text = json.dumps(found, indent=2)
    print(text)  # noqa: T201
    if asked.out:
        asked.out.write_text(text + "\n")
    return 0 if found["kept"] else 1


def _kept(parts: dict[str, Any]) -> bool:
    return "failed" not in parts and all(part["kept"] for part in parts.values())


def _measure(engine: str, options: list[str]) -> dict[str, Any]:
    with ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory(prefix="banyan-storm-"))
        url = f"sqlite:///{state}/storm.sqlite3"
        if engine == "postgresql":
            try:
                url = stack.enter_context(throwaway_postgres())
            except NoPostgresError as error:
                return {"failed": str(error)}
        environment = {
            **os.environ,
            "BANYAN_STATE_DIR": state,
            "BANYAN_DATABASE_URL": url,
            "BANYAN_LOG_LEVEL": "CRITICAL",
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        }
        sys.stderr.write(f"{engine} ...\n")
        _run(environment, "-m", "django", "migrate", "--skip-checks", "-v0")
        done = _run(environment, "-m", "tests.storm.one", *options)
    if done.returncode:
        return {"failed": done.stderr[-3000:]}
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
