"""The crowd over HTTP: a web process as it is run, and one client connection for each hand."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.contrib.auth.models import Group, User
from django.utils import timezone

from controlplane.tokens import issue_token
from rollout.models import ServiceMigration
from tests.storm.crowd import Tally, at_once, count
from tests.storm.ready import ready_again

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
ANSWER_SECONDS = 30


def front(made: ServiceMigration, *, rounds: int, hands: int) -> Tally:
    """Let `hands` POST the same promote at once, `rounds` times; answers are counted by code."""
    tally, began, token = Tally(hands=hands), time.monotonic(), _token()
    with web() as port:
        for _ in range(rounds):
            ready = ready_again(made)
            count(tally, ready, at_once(*[lambda: _post(port, token, ready)] * hands))  # noqa: B023
    tally.seconds = time.monotonic() - began
    return tally


def _token() -> str:
    user = User.objects.create_user(username="storm")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    return issue_token(
        user=user, name="storm", role="operator", now=timezone.now(), lifetime=timedelta(days=1)
    )


@contextlib.contextmanager
def web(*options: str) -> Iterator[int]:
    """Run the web process on this process's database; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = ("-m", "uvicorn", "controlplane.asgi:application", "--port", str(port))
    quiet = ("--no-access-log", "--log-level", "error")
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, *serve, *quiet, *options], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            _wait(server, port, log)
            yield port
        finally:
            server.kill()
            server.wait()


def _wait(server: "subprocess.Popen[bytes]", port: int, log: IO[bytes]) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and server.poll() is None:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.05)
    log.seek(0)
    raise RuntimeError(f"the web process did not start: {log.read()[-2000:].decode()}")


def _post(port: int, token: str, ready: ServiceMigration) -> tuple[str, float]:
    """Return the answer's code ("decided" for 200, "500 internal") and the seconds it took."""
    body = json.dumps({"version": ready.version, "reason": "storm", "to": 5})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    connection.request("POST", f"/api/v1/migrations/{ready.slug}/promote/", body, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    took = time.monotonic() - began
    if answer.status == http.HTTPStatus.OK:
        return "decided", took
    code = document["code"]
    late = (http.HTTPStatus.CONFLICT, "stale_version")
    return code if (answer.status, code) == late else f"{answer.status} {code}", took
