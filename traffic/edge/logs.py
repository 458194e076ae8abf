"""The edge's log: one JSON object per line, encoded, or plain text for people who watch."""

import json
import logging
import re
import time

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS = ("json", "text")
SECRETS = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{6,}"), r"\1***"),
    (re.compile(r"(?i)((?:token|secret|password|passwd)\s*[=:]\s*)[^\s,;&\"']+"), r"\1***"),
)
LONGEST = 8000


class Lines(logging.Formatter):
    """Formats a record as one line, whatever it holds; what looks like a secret is left out."""

    def __init__(self, proxy: str, *, form: str) -> None:
        """`proxy` stands in each line, so that lines of many hosts can be told apart."""
        super().__init__()
        self._proxy, self._form = proxy, form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said = {
            "timestamp": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "proxy": self._proxy,
            "event": clean(record.getMessage()),
        }
        if record.exc_info:
            said["exception"] = clean(self.formatException(record.exc_info))
        if self._form == "json":
            return json.dumps(said)
        return " ".join(json.dumps(value)[1:-1] for value in said.values())


def clean(text: str) -> str:
    """Return the text without what looks like a secret, cut to a length."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text[:LONGEST]


def set_up(proxy: str, *, level: str, form: str) -> None:
    """Let every logger of this process write such lines to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(proxy, form=form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # httpx logs every request at INFO; the admin socket is asked a hundred times a second.
    logging.getLogger("httpx").setLevel(logging.WARNING)
