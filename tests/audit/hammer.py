"""Many writers on one ledger: `python -m tests.audit.hammer THREADS EACH`.

Every fifth transaction is rolled back after its entry was written.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import django

ROLLED_BACK_EVERY = 5


def write(thread: int, each: int, together: threading.Barrier) -> None:
    from django.db import connection, transaction

    from audit.chain import Actor
    from audit.services import append

    now = datetime(2026, 1, 31, tzinfo=UTC)
    together.wait()
    for number in range(each):
        with transaction.atomic():
            append(
                actor=Actor("user", f"writer-{thread}", "operator"),
                action="note:write",
                body={"number": number},
                now=now,
            )
            if number % ROLLED_BACK_EVERY == 0:
                transaction.set_rollback(True)
    connection.close()


def main(threads: int, each: int) -> None:
    django.setup()
    together = threading.Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(write, thread, each, together) for thread in range(threads)]:
            done.result()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
