"""Row 48, T15: a log is one line per event, encoded, with its ids and without secrets."""

import json
import logging
import logging.config
import sys
from types import SimpleNamespace

import pytest
import structlog

from controlplane.settings.logs import logging_config
from rollout import services
from tests.rollout.builders import NOW, OPERATOR, in_dual_run
from traffic.edge.config import parse_config
from traffic.edge.logs import Lines

SECRET = "s3cr3t-planted-0123456789"
HOSTILE = 'a\n{"event":"forged"}\r\x1b[31m\u2028\x00'
PLANTED = (
    f"https://user:{SECRET}@host/x",
    f"Authorization: Bearer {SECRET}",
    f"token={SECRET}",
    f"password: {SECRET}",
)


def record(message, *args):
    return logging.LogRecord("any", logging.INFO, "x.py", 1, message, args, None)


def web_line(*, form="json", **event):
    formatter = logging_config(level="INFO", form=form)["formatters"][form]
    made = structlog.stdlib.ProcessorFormatter(
        processors=formatter["processors"], foreign_pre_chain=formatter["foreign_pre_chain"]
    )
    given = record(event.pop("event"))
    if event:
        given.msg, given._from_structlog, given._name = {"event": given.msg, **event}, True, "any"
        given._logger = logging.getLogger("any")
    return made.format(given)


@pytest.mark.parametrize("form", ["json", "text"])
def test_somebody_elses_text_stays_on_one_line(form):
    for line in (
        web_line(event=HOSTILE, form=form),
        web_line(event="x", form=form, name=HOSTILE, inner={"a": [HOSTILE]}),
        Lines("edge-1", form=form).format(record("%s", HOSTILE)),
    ):
        assert len(line.splitlines()) == 1
        assert line.isascii()
        assert line.isprintable()


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_secret_is_in_no_line(form, planted):
    said = [
        web_line(event=planted, form=form),
        web_line(event="x", form=form, note=planted, deep={"list": [planted]}),
        Lines("edge-1", form=form).format(record("it said %s", planted)),
    ]
    said += [
        web_line(event="x", form=form, **{name: SECRET})
        for name in ("token", "proxy_token", "Authorization", "cookie", "password", "api_key")
    ]
    assert not [line for line in said if SECRET in line]


def test_an_exceptions_text_is_cleaned_too():
    try:
        int(PLANTED[0])
    except ValueError:
        given = record("failed")
        given.exc_info = sys.exc_info()
    line = Lines("edge-1", form="json").format(given)
    assert SECRET not in line
    assert "Traceback" in json.loads(line)["exception"]
    assert len(line.splitlines()) == 1


def test_an_edges_line_names_its_proxy():
    said = json.loads(Lines("edge-1", form="json").format(record("up")))
    assert (said["proxy"], said["event"], said["level"]) == ("edge-1", "up", "info")


@pytest.mark.parametrize("name", ["log-level", "log-format"])
def test_an_edge_refuses_a_form_that_there_is_not(name, capsys):
    with pytest.raises(SystemExit):
        parse_config([f"--{name}", "loud"], dict.fromkeys(_needed(), "x"))
    assert name.replace("-", "_").upper() in capsys.readouterr().err


def _needed():
    return [
        f"BANYAN_EDGE_{name}" for name in ("STATE_DIR", "CONTROL", "PROXY_ID", "TOKEN", "REDIS")
    ]


@pytest.mark.django_db
def test_a_decision_is_told_with_its_ids(django_capture_on_commit_callbacks, monkeypatch):
    made = in_dual_run()
    told = []
    # `rollout.services.decide` is a function as well.
    module = sys.modules["rollout.services.decide"]
    tells = SimpleNamespace(info=lambda event, **more: told.append(more))
    monkeypatch.setattr(module, "log", tells)
    with django_capture_on_commit_callbacks(execute=True):
        decision = services.hold(
            slug=made.slug, reason="look", actor=OPERATOR, now=NOW, request_id="req-7"
        )
    (line,) = told
    assert line["decision_id"] == decision.pk
    assert (line["request_id"], line["entry"]) == ("req-7", decision.entry_id)


def test_the_servers_access_lines_stay_off_when_it_was_told_so():
    loggers = logging_config(level="INFO")["loggers"]
    assert loggers["uvicorn.access"]["level"] == "WARNING"
