"""Reads the parts of an API key (docs/protocol.md, "API key")."""

from __future__ import annotations

import re
import zlib
from typing import Literal, NamedTuple

from ._errors import InvalidArgumentError


class ApiKeyParts(NamedTuple):
    client_id: str
    generation: str
    """Decimal text: the `kid` of a strict proof."""
    profile: Literal["strict", "basic"]


_API_KEY = re.compile(
    r"(cs[kb])_([a-z][a-z0-9-]{2,31})_([1-9][0-9]{0,8})_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})", re.ASCII
)
_CLIENT_ID = re.compile(r"[a-z][a-z0-9-]{2,31}", re.ASCII)


def parse_api_key(text: object) -> ApiKeyParts:
    """
    Returns the parts of an API key; its secret is not checked. Raises InvalidArgumentError where the form or
    the checksum is wrong: the key is cut off or mistyped.
    """
    match = _API_KEY.fullmatch(text) if isinstance(text, str) else None
    if match is None or checksum(match[0][:-7]) != match[4]:
        raise InvalidArgumentError("api_key is not an API key of Countersign, or was copied incompletely")
    return ApiKeyParts(match[2], match[3], "strict" if match[1] == "csk" else "basic")


def is_client_id(text: object) -> bool:
    return isinstance(text, str) and _CLIENT_ID.fullmatch(text) is not None


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, length: int) -> str:
    digits = ""
    while len(digits) < length:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def checksum(text: str) -> str:
    """Returns the CRC-32 of zlib, as 6 digits of base62."""
    return base62(zlib.crc32(text.encode()), 6)
