"""Small private JSON files, replaced whole."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controlplane.stack.errors import RefusedError

PRIVATE_FILE = 0o600


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file by rename, readable by its owner only: a reader sees the old or the new."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(document, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_private(path: Path) -> dict[str, Any]:
    """Return the file's object, empty when there is none; RefusedError when it is damaged."""
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path} cannot be read ({error}): repair or remove it") from error
    if not isinstance(document, dict):
        raise RefusedError(f"{path} is not a JSON object: repair or remove it")
    return document
