"""Lines on the terminal: one per event, with the seconds since the start."""

import sys
import time


class Console:
    """Writes to stdout at once; a terminal that has gone away is no reason to fail."""

    def __init__(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started

    def say(self, line: str = "") -> None:
        """Print one line, or several."""
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            return

    def event(self, name: str, what: str) -> None:
        """Print `  12.3 s  name  what`."""
        self.say(f"{self.elapsed():7.1f} s  {name:<11} {what}")
