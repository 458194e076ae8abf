"""What every test stands on: a guarded ledger that may be emptied, and a database in a file."""

import pytest
from django.conf import settings
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from tests.ledger import ledger_flush, own_anchor

__all__ = ["ledger_flush", "own_anchor"]

# How long an example takes says how busy the machine is, not whether a promise holds.
hypothesis.register_profile("banyan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("banyan")


@pytest.fixture(scope="session", autouse=True)
def ledger_key(tmp_path_factory):
    """Keep the ledger's key and anchor out of the tree; each test's log has a name of its own."""
    directory = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "BANYAN_LEDGER_KEY", str(directory / "ledger.key"))
        patch.setattr(settings, "BANYAN_LEDGER_ANCHOR", str(directory / "ledger.anchor"))
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Keep the test database in a file: in memory, threads share one cache and its locks."""
    if connection.vendor == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(name)
        # A killed process loses nothing without fsync, only a machine that loses power does.
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] = options["init_command"].replace("FULL", "OFF")
    else:
        # A test is one long transaction, however slow the machine.
        patience = " -c idle_in_transaction_session_timeout=0"
        connection.settings_dict["OPTIONS"]["options"] += patience
