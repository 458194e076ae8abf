"""The ledger's Ed25519 key: a file of mode 0600 outside the database, made on first use."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import KeyProblemError
from audit.verify_audit import Checkpoint, Key, signature_line

MODE = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load(path: Path) -> Ed25519PrivateKey:
    """Read the key. Raises KeyProblemError: missing, unreadable, open to others, or no such key."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & OTHERS:
                raise KeyProblemError(f"the signing key {path} is open to others: chmod 600 it")
            text = file.read(10_000)
        key = serialization.load_pem_private_key(text, password=None)
    except FileNotFoundError as error:
        raise KeyProblemError(f"the signing key {path} is missing") from error
    except OSError as error:
        raise KeyProblemError(f"the signing key {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyProblemError(f"the signing key {path} holds no private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblemError(f"the signing key {path} is not an Ed25519 key")
    return key


def create(path: Path) -> Ed25519PrivateKey:
    """Make a key and return it; of two who do so at once, both get the first one's.

    The file appears whole and never replaces another. Raises KeyProblemError.
    """
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _written(path, text) as temporary, contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        sync_folder(path)
    except OSError as error:
        raise KeyProblemError(f"the signing key {path}: {error.strerror}") from error
    return load(path)


@contextlib.contextmanager
def _written(path: Path, text: bytes) -> Iterator[str]:
    """Keep `text` in a file beside `path`, of mode 0600 and on disk, while the block runs."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        Path(temporary).unlink()


def create_anew(path: Path) -> Ed25519PrivateKey:
    """Make a key where another one may have been left behind. Raises KeyProblemError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise KeyProblemError(f"the signing key {path}: {error.strerror}") from error
    return create(path)


def replace(path: Path, successor: Path) -> None:
    """Put the successor in the place of the key. Raises KeyProblemError."""
    try:
        successor.replace(path)
        sync_folder(path)
    except OSError as error:
        raise KeyProblemError(f"the signing key {path}: {error.strerror}") from error


def sync_folder(path: Path) -> None:
    """Put the folder's entry for `path` on disk."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def next_path(path: Path) -> Path:
    """Return where the successor of the key waits for its first checkpoint."""
    return path.with_name(f"{path.name}.next")


def public_key(key: Ed25519PrivateKey, name: str) -> Key:
    """Return the public half, under the log's name."""
    return Key(name, key.public_key().public_bytes_raw())


def sign(checkpoint: Checkpoint, keys: Sequence[Ed25519PrivateKey]) -> Checkpoint:
    """Return the checkpoint with a signature of each key."""
    text = checkpoint.text.encode()
    lines = [signature_line(public_key(key, checkpoint.origin), key.sign(text)) for key in keys]
    return checkpoint._replace(signatures=tuple(lines))
