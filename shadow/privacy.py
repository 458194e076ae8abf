"""What may be kept of a request and its answers. Pure."""

MAX_STORED_CHARS = 262_144


def stored_text(body: bytes) -> str:
    """Return bytes as a text that every database holds, cut at MAX_STORED_CHARS.

    PostgreSQL holds no NUL; what cannot be decoded is shown as a replacement character.
    """
    return body.decode("utf-8", errors="replace").replace("\x00", "\ufffd")[:MAX_STORED_CHARS]
