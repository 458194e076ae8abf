"""The reason of a refusal, which Envoy says only in its log."""

import re
from pathlib import Path

TAIL_BYTES = 64 * 1024
_REFUSED = re.compile(
    r"(?:config update rejected|update for .* rejected|rejected): (?P<reason>.+)$"
)


class EnvoyLog:
    """Reads what Envoy wrote after a remembered place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def place(self) -> int:
        """Return the present end of the log, to read on from later."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def refusal_since(self, place: int) -> str | None:
        """Return the last refusal written after `place`, in Envoy's words."""
        found = None
        for line in self._lines(place):
            match = _REFUSED.search(line)
            if match:
                found = match.group("reason").strip()
        return found

    def _lines(self, place: int) -> list[str]:
        try:
            with self._path.open("rb") as file:
                end = file.seek(0, 2)
                # A log that shrank was rotated: read it from its beginning.
                file.seek(max(place if place <= end else 0, end - TAIL_BYTES))
                return file.read(TAIL_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return []
