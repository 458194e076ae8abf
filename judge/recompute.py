"""The same evidence gives the same verdict for ever: judge again from a stored document.

A document of plain JSON holds a rule, its version and every argument of the verdict: counts,
policy numbers and times. Rules are never changed; a better one gets a new version beside the old.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from judge import (
    discrepancy,
    errors_live,
    errors_paired,
    full_step,
    latency,
    latency_live,
    metric,
    split_gate,
)
from judge.arms import ArmBlocks
from judge.discrepancy_facts import DiscrepancyPolicy
from judge.errors_live_facts import ErrorsLivePolicy
from judge.errors_paired import ErrorsPairedPolicy
from judge.evidence import Evidence
from judge.full import FullCounts
from judge.latencies import Latencies
from judge.latency_facts import LatencyPolicy
from judge.latency_live_facts import LatencyLivePolicy
from judge.pairs import PairCounts
from judge.split_gate import SplitCounts, SplitPolicy

Reader = Callable[[Any], Any]
# JSON has no numbers for these, and counts that hold them are ERROR, which must stay so.
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class UnknownRuleError(ValueError):
    """The document asks for a rule or version that there is not."""


class BadDocumentError(ValueError):
    """The document does not hold what its rule asks for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A verdict function, and how to read those of its arguments that are not plain JSON."""

    judge: Callable[..., Evidence]
    readers: Mapping[str, Reader]


def inputs_of(rule: str, version: str, **arguments: Any) -> dict[str, Any]:
    """Return the document of a call: `rule` judged these keyword arguments.

    Arrays become lists, policies and counts objects of their fields. `recompute` gives the
    evidence of the call, whatever order the members of the document get.
    """
    _rule(rule, version)
    return {"rule": rule, "version": version, "inputs": plain(arguments)}


def recompute(document: Mapping[str, Any]) -> Evidence:
    """Return the evidence that follows from a document of `inputs_of`.

    UnknownRuleError for a rule or version that there is not, BadDocumentError for a document that
    is none, TypeError and ValueError of the rule for arguments that it refuses.
    """
    inputs = document.get("inputs")
    found = _rule(document.get("rule"), document.get("version"))
    if not isinstance(inputs, Mapping):
        raise BadDocumentError("the document holds no inputs")
    arguments = {
        name: found.readers[name](value) if name in found.readers else value
        for name, value in _numbers(dict(inputs)).items()
    }
    return found.judge(**arguments)


def rules() -> tuple[tuple[str, str], ...]:
    """Return (rule, version) of everything that can be recomputed."""
    return tuple(RULES)


def plain(value: Any) -> Any:
    """Return a value as plain JSON: arrays and tuples as lists, records as objects."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else repr(plain(key))


def _numbers(value: Any) -> Any:
    """Return the document with what stands for NaN and infinity as such."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value] if _odd(value) else value
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _odd(values: list[Any]) -> bool:
    """Tell whether a list may hold more than plain numbers: nearly none does, and they are long."""
    return not set(map(type, values)) <= {int, float}


def _rule(name: Any, version: Any) -> Rule:
    found = RULES.get((name, version))
    if found is None:
        raise UnknownRuleError(f"no rule {name!r} of version {version!r}")
    return found


def _record(record: Callable[..., Any], **readers: Reader) -> Reader:
    """Return a reader of an object into a record, some of whose fields have their own."""

    def read(document: Any) -> Any:
        if not isinstance(document, dict):
            raise BadDocumentError(f"expected an object, not {document!r}")
        fields = {
            name: readers[name](value) if name in readers else value
            for name, value in document.items()
        }
        try:
            return record(**fields)
        except TypeError as error:
            raise BadDocumentError(str(error)) from error

    return read


def _by(key: Callable[[str], Any], reader: Reader) -> Reader:
    """Return a reader of an object whose member names are keys of another type; None stays."""

    def read(document: Any) -> Any:
        if document is None:
            return None
        if not isinstance(document, dict):
            raise BadDocumentError(f"expected an object, not {document!r}")
        try:
            return {key(name): reader(value) for name, value in document.items()}
        except (ValueError, TypeError) as error:
            raise BadDocumentError(str(error)) from error

    return read


def _as_it_is(value: Any) -> Any:
    return value


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value)


_HISTOGRAM = _by(int, _as_it_is)
_LATENCIES = _record(Latencies, even=_HISTOGRAM, odd=_HISTOGRAM)
_PAIRS = _record(PairCounts)
_FULL = _record(FullCounts, pairs=_PAIRS)
_LATENCY_LIVE = _record(LatencyLivePolicy)
_ERRORS_LIVE = _record(ErrorsLivePolicy)

RULES: dict[tuple[Any, Any], Rule] = {
    (discrepancy.RULE, "1"): Rule(
        discrepancy.judge_discrepancy, {"policy": _record(DiscrepancyPolicy)}
    ),
    (latency.RULE, "1"): Rule(
        latency.judge_latency,
        {
            "legacy": _LATENCIES,
            "candidate": _LATENCIES,
            "required": _tuple,
            "policy": _record(LatencyPolicy, taus=_tuple),
            "deff": _by(float, _as_it_is),
        },
    ),
    (errors_paired.RULE, "1"): Rule(
        errors_paired.judge_errors_paired,
        {"pairs": _PAIRS, "policy": _record(ErrorsPairedPolicy)},
    ),
    (errors_live.RULE, "1"): Rule(
        errors_live.judge_errors_live, {"arms": _record(ArmBlocks), "policy": _ERRORS_LIVE}
    ),
    (latency_live.RULE, "1"): Rule(
        latency_live.judge_latency_live,
        {"slow": _by(str, _record(ArmBlocks)), "policy": _LATENCY_LIVE},
    ),
    (full_step.ERRORS_RULE, "1"): Rule(
        full_step.judge_errors_full, {"counts": _FULL, "policy": _ERRORS_LIVE}
    ),
    (full_step.LATENCY_RULE, "1"): Rule(
        full_step.judge_latency_full, {"slow": _by(str, _FULL), "policy": _LATENCY_LIVE}
    ),
    (metric.RULE, "1"): Rule(
        metric.judge_metric,
        {"readings": metric.read_readings, "policy": _record(metric.MetricPolicy)},
    ),
    (split_gate.RULE, "1"): Rule(
        split_gate.judge_split, {"counts": _record(SplitCounts), "policy": _record(SplitPolicy)}
    ),
}
