"""Texts that are equal to a reader."""

import unicodedata


def canonical(text: str) -> str:
    """Return a text in Unicode NFC, without outer white space; case and inner spaces stay."""
    return unicodedata.normalize("NFC", text).strip()


def compare_text(legacy: str, candidate: str) -> bool:
    """Return whether two texts are equal in their canonical form."""
    return canonical(legacy) == canonical(candidate)
