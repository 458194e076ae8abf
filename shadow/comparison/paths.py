"""Places in a JSON document: `$.outputs[3].score`, `$.list[*].name`, `$['odd name']`."""

import json
import re
from dataclasses import dataclass

ANY_INDEX = "*"
MAX_NAME_CHARS = 60
# Any element of an array, as an int that no index can be.
ANY = -1
_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|\['(?P<quoted>(?:[^'\\]|\\['\\])*)'\]"
    r"|\[(?P<index>\d{1,9}|\*)\]"
)
_ESCAPE = re.compile(r"\\(.)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Keyed:
    """An element of an array that is read as a mapping: the one whose field has this value.

    `value` is JSON text.
    """

    field: str
    value: str


# A member's name, an element's index or ANY, an element's key.
Step = str | int | Keyed
Path = tuple[Step, ...]


def parse_path(path: str) -> Path:
    """Return the steps of a path, () for `$`; ValueError for what is no path."""
    position, steps = 1, []
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            break
        steps.append(_step(found))
        position = found.end()
    if not path.startswith("$") or position != len(path):
        raise ValueError(f"not a path like $.name, $.list[*].name or $['odd name']: {path!r}")
    return tuple(steps)


def _step(found: "re.Match[str]") -> str | int:
    if found["name"] is not None:
        return found["name"]
    if found["index"] is not None:
        return ANY if found["index"] == ANY_INDEX else int(found["index"])
    return _ESCAPE.sub(r"\1", found["quoted"])


def matches(wanted: Step, step: Step) -> bool:
    """Whether a step of a rule's path stands for this step of a document."""
    return wanted == step or (wanted == ANY and not isinstance(step, str))


def show(path: Path) -> str:
    """Return a path as text; overlong names are cut."""
    return "$" + "".join(_show_step(step) for step in path)


def _show_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{ANY_INDEX if step == ANY else step}]"
    if isinstance(step, Keyed):
        value = step.value if len(step.value) <= MAX_NAME_CHARS else json.dumps(_cut(step.value))
        return f"[{json.dumps(_cut(step.field))}={value}]"
    name = _cut(step)
    if _PLAIN_NAME.match(name):
        return f".{name}"
    escaped = json.dumps(name, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{escaped}']"


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else name[:MAX_NAME_CHARS] + "…"
