"""How the differences of two contracts are said. Pure."""

import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
EXTRAS = {True: "further fields allowed", False: "further fields refused"}
NEEDS = {
    "field_required": ("optional", "required"),
    "field_optional": ("always there", "may be absent"),
}
SENTENCES = {
    "request_type": "{path} may be {legacy} for legacy, the candidate takes {candidate} only.",
    "request_null": "Legacy takes null for {path}, the candidate refuses it.",
    "request_enum": "Legacy takes {legacy} for {path}, the candidate only {candidate}.",
    "request_minimum": "{path} is {legacy} for legacy, the candidate wants {candidate}.",
    "request_maximum": "{path} is {legacy} for legacy, the candidate wants {candidate}.",
    "request_min_length": "{path} has {legacy} characters for legacy, {candidate} here.",
    "request_max_length": "{path} has {legacy} characters for legacy, {candidate} here.",
    "request_items_count": "{path} holds {legacy} elements for legacy, {candidate} here.",
    "request_pattern": "Legacy takes {legacy} for {path}, the candidate only {candidate}.",
    "request_format": "Legacy takes {legacy} for {path}, the candidate only {candidate}.",
    "request_rule": "{path} has a rule for the candidate that legacy does not have: {candidate}.",
    "request_variant": "An alternative of {path} that legacy takes has no match in the candidate.",
    "response_type": "{path} is {legacy} for legacy, and may be {candidate} for the candidate.",
    "response_null": "The candidate may answer null for {path}, legacy never does.",
    "response_enum": "The candidate may answer {candidate} for {path}, legacy only {legacy}.",
    "response_minimum": "{path} is {legacy} for legacy and {candidate} for the candidate.",
    "response_maximum": "{path} is {legacy} for legacy and {candidate} for the candidate.",
    "response_min_length": "{path} has {legacy} characters for legacy, {candidate} here.",
    "response_max_length": "{path} has {legacy} characters for legacy, {candidate} here.",
    "response_items_count": "{path} holds {legacy} elements for legacy, {candidate} here.",
    "response_pattern": "Legacy promises {legacy} for {path}, the candidate {candidate}.",
    "response_format": "Legacy promises {legacy} for {path}, the candidate {candidate}.",
    "response_rule": "Legacy promises for {path} what the candidate does not: {legacy}.",
    "response_variant": "An alternative of {path} that the candidate may answer is new.",
    "accepts_more": "The candidate takes more for {path}: {candidate}, legacy {legacy}.",
    "default_changed": "{path} left out means {legacy} for legacy and {candidate} here.",
    "default_unstated": "{path} left out means {legacy}; the candidate's document says nothing.",
    "field_required": "The candidate needs {path}, which legacy does not. Make it optional.",
    "field_optional": "Legacy always answers {path}, the candidate may leave it out.",
    "field_added": "{path} is new; legacy's clients do not send or read it.",
    "field_unexpected": "{path} is new, and legacy says that there are no further fields.",
    "field_ignored": "The candidate does not know {path}, and would ignore it.",
    "field_refused": "The candidate does not know {path}, and would refuse it.",
    "field_removed": "The candidate does not answer {path}.",
    "extra_accepted": "Legacy refuses fields at {path} that it does not know, the candidate "
    "accepts them.",
    "extra_refused": "Legacy accepts fields at {path} that it does not know, the candidate "
    "refuses them.",
    "extra_sent": "The candidate may answer further fields at {path}, legacy never does.",
}


def sentence(code: str, path: str, legacy: str, candidate: str) -> str:
    """Say one difference."""
    return SENTENCES[code].format(path=path, legacy=legacy, candidate=candidate)


def lost(code: str, path: str, renamed: str) -> str:
    """Say that a field is gone, and how it may be called now."""
    said = sentence(code, path, "", "")
    return f"{said} It has {renamed!r} instead: renamed?" if renamed else said


def member(path: str, name: str) -> str:
    """Return the path of an object's member."""
    return f"{path}.{name}" if _PLAIN.fullmatch(name) else f"{path}['{name[:100]}']"
