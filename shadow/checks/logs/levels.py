"""The words for severity: which mean the same. Pure."""

SEVERITIES = {
    "trace": ("trace", "verbose", "finest", "5t"),
    "debug": ("debug", "dbg", "fine"),
    "info": ("info", "information", "informational", "inf"),
    "notice": ("notice",),
    "warning": ("warning", "warn", "wrn"),
    "error": ("error", "err", "severe"),
    "critical": ("critical", "crit", "fatal", "ftl", "panic", "emergency", "emerg", "alert"),
}
# As pino and bunyan write them, and Python's own numbers.
NUMBERS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
FIELD_NAMES = ("level", "severity", "lvl", "loglevel", "log.level", "levelname", "@l")
_BY_WORD = {word: name for name, words in SEVERITIES.items() for word in words}


def severity_of(word: object) -> str:
    """Return the severity that a word stands for, "" when it stands for none."""
    return _BY_WORD.get(str(word).strip().strip("[]").lower(), "")


def is_level_name(name: str) -> bool:
    """Whether a field of this name holds the level."""
    return name.lower() in FIELD_NAMES


def spelling_of(word: str) -> str:
    """Return how the word is written, so that one never seen before can be judged by the others."""
    if word.isupper():
        return "capitals"
    return "small letters" if word.islower() else "mixed letters"
