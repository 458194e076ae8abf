"""Gathers lines of both sides: new ones of their files, or those that were posted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from shadow.checks.base import Progress, Subject
from shadow.checks.logs.redaction import redacted_line
from shadow.checks.logs.settings import SIDES, LogSettings
from shadow.checks.logs.tail import Tail, TailError
from shadow.http import Request, send_all

# More lines than this say nothing more; fewer are waited for.
ENOUGH_LINES = 1000
MOST_LINES = 5000
PAUSE_SECONDS = 0.2
ROUNDS = 20
DEADLINE_SECONDS = 3.0
NOWHERE = "/banyan-asks-for-nothing"
JSON = (("content-type", "application/json"),)


@dataclass(slots=True)
class Gathered:
    """Lines by side, redacted; `problems` say why a side has none."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather(subject: Subject, settings: LogSettings, progress: Progress) -> Gathered:
    """Return the lines of both sides; those of files are waited for, at most `wait_s`."""
    gathered, tails = Gathered(), _tails(subject, settings)
    for side, tail in list(tails.items()):
        if isinstance(tail, TailError):
            gathered.problems.append(f"{side.capitalize()}: {tail}")
            del tails[side]
    files = {side: tail for side, tail in tails.items() if isinstance(tail, Tail)}
    if settings.ask and files:
        progress(0.1, "Asks both services, so that they write lines.")
        ask_both(subject)
    found = _wait(files, settings, progress)
    for side in SIDES:
        if side in files:
            lines, source = _enough(found[side], files[side], settings)
        else:
            lines, source = list(subject.logs.get(side, ())), "posted"
        gathered.lines[side] = [redacted_line(x, settings.redact) for x in lines[-MOST_LINES:]]
        gathered.sources[side] = source
        if not lines and side not in settings.files:
            gathered.problems.append(
                f"{side.capitalize()} has no lines: post some to logs/{side}/, "
                f"or name a file as {side}.file in the settings."
            )
    return gathered


def _tails(subject: Subject, settings: LogSettings) -> dict[str, Tail | TailError]:
    found: dict[str, Tail | TailError] = {}
    for side, path in settings.files.items():
        try:
            found[side] = Tail(path, roots=subject.log_roots)
        except TailError as exc:
            found[side] = exc
    return found


def ask_both(subject: Subject) -> None:
    """Send what makes any service log: its health, a path it has not, a body that is broken."""
    health = Request("GET", "", subject.health_path)
    asked = [health, Request("GET", "", NOWHERE)]
    asked += [
        Request(route.method, "", route.path, JSON, b"{")
        for route in subject.routes
        if route.safe_to_duplicate and route.method == "POST" and "{" not in route.path
    ][:1]
    send_all(
        [
            Request(one.method, address, one.path, one.headers, one.body)
            for _ in range(ROUNDS)
            for one in asked
            for address in (subject.legacy_url, subject.candidate_url)
        ],
        deadline_s=DEADLINE_SECONDS,
        at_once=4,
    )


def _wait(
    tails: dict[str, Tail], settings: LogSettings, progress: Progress
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {side: [] for side in tails}
    deadline = time.monotonic() + settings.wait_s
    while tails:
        for side, tail in tails.items():
            found[side] += tail.new_lines()
        fewest = min(map(len, found.values()))
        left = deadline - time.monotonic()
        if fewest >= ENOUGH_LINES or left <= 0:
            break
        share = 1 - left / settings.wait_s
        progress(0.1 + 0.8 * share, f"Reads lines as they are written, {fewest} so far.")
        time.sleep(PAUSE_SECONDS)
    return found


def _enough(new: Sequence[str], tail: Tail, settings: LogSettings) -> tuple[list[str], str]:
    """Return the new lines; where they are too few, those before them, too."""
    if len(new) >= settings.limits.min_lines:
        return list(new), "file, new lines"
    return [*tail.old_lines(), *new], "file, older lines too"
