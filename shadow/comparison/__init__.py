"""The comparison engine: two answers in, match or mismatch and the causes out. Pure."""

from shadow.comparison.answers import Answer, Outcome
from shadow.comparison.differences import Difference, signature
from shadow.comparison.engine import compare
from shadow.comparison.rules import Rules

__all__ = ["Answer", "Difference", "Outcome", "Rules", "compare", "signature"]
