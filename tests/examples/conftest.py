"""The example services, one process each for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

from tests.examples.services import Service, build_candidate, running


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="session")
def legacy(logs: Path) -> Iterator[Service]:
    yield from _service("legacy", logs)


@pytest.fixture(scope="session")
def candidate(logs: Path) -> Iterator[Service]:
    if build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    yield from _service("candidate", logs)


@pytest.fixture(scope="session")
def standin(logs: Path) -> Iterator[Service]:
    yield from _service("standin", logs)


@pytest.fixture(params=["candidate", "standin"])
def replacement(request: pytest.FixtureRequest) -> Service:
    """Each implementation that claims to answer as legacy does."""
    service: Service = request.getfixturevalue(request.param)
    return service


@pytest.fixture
def healthy(replacement: Service) -> Iterator[Service]:
    """A replacement whose faults are switched off again after the test."""
    yield replacement
    replacement.switch(None)


def _service(name: str, logs: Path) -> Iterator[Service]:
    # Session fixtures are made before a test's own mark opens sockets.
    pytest_socket.enable_socket()
    with running(name, logs) as (service, _):
        yield service
