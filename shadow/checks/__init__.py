"""The checks of the checklist that Banyan carries out itself, on both services.

Each module compares what both sides say and returns a `Result`; nothing here knows Django.
To add one: a `Check` in a module beside these, and its line in `CHECKS`.
"""

from collections.abc import Mapping

from shadow.checks.base import Check
from shadow.checks.errors.check import ERROR_CODES
from shadow.checks.health.check import HEALTH
from shadow.checks.logs.check import LOG_FORMAT
from shadow.checks.schema.check import SCHEMA

_ALL: tuple[Check, ...] = (SCHEMA, ERROR_CODES, HEALTH, LOG_FORMAT)

CHECKS: Mapping[str, Check] = {check.item: check for check in _ALL}

__all__ = ["CHECKS"]
