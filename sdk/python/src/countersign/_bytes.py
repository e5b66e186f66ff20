"""Byte forms of the protocol (docs/protocol.md, "Bytes")."""

from __future__ import annotations

import base64
import hashlib


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def length_prefixed(*texts: str) -> bytes:
    """Returns each text in UTF-8 behind its length in two bytes, so that no two lists share their bytes."""
    encoded = [text.encode() for text in texts]
    return b"".join(len(text).to_bytes(2, "big") + text for text in encoded)
