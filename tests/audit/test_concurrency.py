"""Several processes of several threads append at once, on a database of their own."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings

from audit.verify_audit import verify_export

pytestmark = pytest.mark.real
PROCESSES, THREADS, EACH = 2, 4, 25
KEPT = PROCESSES * THREADS * EACH * 4 // 5  # hammer.ROLLED_BACK_EVERY
DATABASE = settings.DATABASES["default"]


@pytest.fixture
def own_database(tmp_path):
    """The URL of a fresh database on the engine under test."""
    if "sqlite" in DATABASE["ENGINE"]:
        yield f"sqlite:///{tmp_path}/ledger.sqlite3"
        return
    name, host = f"hammer_{uuid.uuid4().hex}", DATABASE["HOST"]
    server = {"host": host, "port": DATABASE["PORT"] or None, "user": DATABASE["USER"]}
    with psycopg.connect(
        **server, password=DATABASE["PASSWORD"] or None, dbname="postgres", autocommit=True
    ) as db:
        db.execute(f'CREATE DATABASE "{name}"')
        secret = f":{quote(DATABASE['PASSWORD'])}" if DATABASE["PASSWORD"] else ""
        port = f":{DATABASE['PORT']}" if DATABASE["PORT"] else ""
        yield f"postgres://{DATABASE['USER']}{secret}@{quote(host, safe='')}{port}/{name}"
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def python(url, *arguments):
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={
            **os.environ,
            "BANYAN_DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        },
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def output(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    return out


def test_concurrent_writers_leave_one_chain_without_a_gap(own_database):
    output(python(own_database, "-m", "django", "migrate", "--skip-checks", "-v0", "audit"))
    hammers = [
        python(own_database, "-m", "tests.audit.hammer", str(THREADS), str(EACH))
        for _ in range(PROCESSES)
    ]
    for hammer in hammers:
        output(hammer)
    lines = output(python(own_database, "-m", "django", "audit_export")).splitlines(keepends=True)
    result = verify_export(lines)
    assert result.finding is None
    assert result.checked.entries == KEPT + 1
    written = [json.loads(json.loads(line)["body"]) for line in lines[2:]]
    for thread in range(THREADS):
        numbers = [b["number"] for b in written if b["actor"]["name"] == f"writer-{thread}"]
        assert sorted(numbers) == sorted([n for n in range(EACH) if n % 5] * PROCESSES)
