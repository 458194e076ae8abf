"""The comparison engine: two answers in, match or mismatch and the causes out. Pure."""

from shadow.comparison.answers import Answer, Outcome
from shadow.comparison.differences import Difference, signature
from shadow.comparison.documents import RuleError, rules_of
from shadow.comparison.engine import compare
from shadow.comparison.rules import Rules

__all__ = [
    "Answer",
    "Difference",
    "Outcome",
    "RuleError",
    "Rules",
    "compare",
    "rules_of",
    "signature",
]
