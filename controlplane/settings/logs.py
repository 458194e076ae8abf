"""Structured logs: one JSON object per line on stderr, with the request's or the task's id.

Values are encoded, so that nobody's text begins a line or moves a cursor; what looks like a secret
is left out, wherever it stands.
"""

import re
from typing import Any, Literal

import structlog

SECRET_NAMES = re.compile(
    r"token|secret|password|passwd|authorization|cookie|api_?key", re.IGNORECASE
)
SECRET_TEXTS = (
    # A password in an address, a bearer token, and name=value.
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{6,}"), r"\1***"),
    (re.compile(r"(?i)((?:token|secret|password|passwd)\s*[=:]\s*)[^\s,;&\"']+"), r"\1***"),
)
LONGEST = 8000


def without_secrets(_: Any, __: str, event: Any) -> Any:
    """Replace what is a secret by its name, or looks like one; cut what is too long."""
    return {name: _clean(value, name) for name, value in event.items()}


def _clean(value: Any, name: str = "") -> Any:
    if SECRET_NAMES.search(name):
        return "***"
    if isinstance(value, dict):
        return {str(key): _clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        for pattern, instead in SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value[:LONGEST]
    return value


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(*, level: str, form: Literal["json", "text"] = "json") -> dict[str, Any]:
    """Return Django's LOGGING and set structlog up to share its formatter.

    `text` is for people who watch a demonstration; it is encoded and cleaned like `json`.
    """
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: Any = structlog.processors.JSONRenderer(default=repr)
    if form == "text":
        render = structlog.processors.KeyValueRenderer(
            key_order=["timestamp", "level", "logger", "event"], repr_native_str=True
        )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            form: {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    without_secrets,
                    render,
                ],
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            # The server's own words become lines like all others.
            "uvicorn": {"handlers": [], "propagate": True},
            # Named, or logging would let it speak although the server was told not to.
            "uvicorn.access": {"level": "WARNING"},
        },
    }
