"""The ledger: appends per second on both databases, the check of 100,000 entries, mutations found.

Appends need a durable commit each, so they are measured by the clock and not in CPU-seconds.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import ROOT, Result

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ENTRIES = 100_000
WRITERS, EACH = 4, 150
RUNS = 3
MUTATIONS = 10_000
APPEND_GOAL = 150.0
VERIFY_GOAL_S = 3.0


def run() -> dict[str, Result]:
    """Measure all of it; PostgreSQL is left out where it is not installed."""
    return {**appends(), **verification(), **mutations()}


def appends() -> dict[str, Result]:
    """Append from four threads, one transaction each; the ledger must verify afterwards."""
    results = {}
    with ExitStack() as stack:
        for engine, url in _databases(stack).items():
            rates = [float(_python(url, "-m", "bench.ledger", "appends")) for _ in range(RUNS)]
            results[f"ledger_appends_{engine}"] = Result(
                value=round(sorted(rates)[RUNS // 2], 1),
                unit="1/s",
                goal=APPEND_GOAL,
                direction="min",
                runs=RUNS,
                how=f"{WRITERS} threads, each entry in a transaction of its own, "
                f"{min(rates):.0f} to {max(rates):.0f}"
                f"{', fsync off' if engine == 'postgresql' else ', synchronous=FULL'}",
            )
    return results


def _databases(stack: ExitStack) -> dict[str, str]:
    from tests.postgres import NoPostgresError, throwaway_postgres

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="banyan-bench-"))
    os.environ["BANYAN_STATE_DIR"] = folder  # no key and no anchor of a demo beside this tree
    urls = {"sqlite": f"sqlite:///{folder}/ledger.sqlite3"}
    try:
        urls["postgresql"] = stack.enter_context(throwaway_postgres())
    except NoPostgresError as error:
        sys.stderr.write(f"appends on PostgreSQL not measured: {error}\n")
    for url in urls.values():
        _python(url, "-m", "django", "migrate", "--skip-checks", "-v0")
    return urls


def _python(url: str, *arguments: str) -> str:
    environment = {
        **os.environ,
        "BANYAN_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def _hammer() -> float:
    """Append on this process's database; returns entries per second."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    import django

    django.setup()
    from audit.queries import verify
    from tests.audit.hammer import write

    together = threading.Barrier(WRITERS + 1)
    before = verify().entries
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, number, EACH, together) for number in range(WRITERS)]
        together.wait()
        began = time.perf_counter()
        for writer in writers:
            writer.result()
        took = time.perf_counter() - began
    report = verify()
    if not report.verified or report.entries <= before:
        raise RuntimeError(f"the ledger does not verify: {report.text}")
    # Counted are the transactions; a fifth of them is rolled back after its entry was written.
    return WRITERS * EACH / took


def verification() -> dict[str, Result]:
    """Verify an export of 100,000 entries with checkpoints, as an auditor does."""
    with tempfile.TemporaryDirectory(prefix="banyan-bench-") as folder:
        export = Path(folder, "ledger.jsonl")
        _write_export(export)
        took = [_verify(export) for _ in range(RUNS)]
    return {
        "ledger_verify_100k": Result(
            value=round(sorted(took)[RUNS // 2], 2),
            unit="s CPU",
            goal=VERIFY_GOAL_S,
            direction="max",
            runs=RUNS,
            how="chain, tree, 100 signatures and rules, from reading the file on, "
            f"{min(took):.2f} to {max(took):.2f} s",
        )
    }


def _write_export(path: Path) -> None:
    from tests.audit.builders import LIFE, log
    from tests.audit.signing import checkpoint, signed_export

    lives = -(-ENTRIES // len(LIFE))
    links = log({**entry, "migration": f"m{n}"} for n in range(lives) for entry in LIFE)[:ENTRIES]
    marks = [checkpoint(links[:size]) for size in range(1000, ENTRIES + 1, 1000)]
    path.write_bytes(b"".join(signed_export(links, marks)))


def _verify(export: Path) -> float:
    from audit.verify_audit import find_verifier, verify_export

    began = time.process_time()
    with export.open("rb") as lines:
        result = verify_export(lines, verify=find_verifier())
    took = time.process_time() - began
    if result.finding or result.checked.entries != ENTRIES:
        raise RuntimeError(f"a whole export does not verify: {result.finding}")
    return took


def mutations() -> dict[str, Result]:
    """Damage exports and rows ten thousand times; each must be found at the right entry."""
    exports = MUTATIONS * 7 // 10
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/audit/test_mutations.py"],
        cwd=ROOT,
        env={**os.environ, "BANYAN_MUTATIONS": str(exports)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:])
    return {
        "ledger_mutations_found": Result(
            value=MUTATIONS,
            unit="of 10,000",
            goal=MUTATIONS,
            direction="min",
            runs=1,
            how="edits, deletions, swaps, insertions, re-hashed histories, cut tails, altered "
            "columns and checkpoints; offline, with the right entry named",
        )
    }


if __name__ == "__main__":
    print(_hammer())
