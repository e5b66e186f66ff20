"""JSON with one meaning per text, and its canonical form."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, cast

from .._bytes import base64url, sha256


def parse_json(data: bytes, max_depth: float = math.inf, refuse_proto: bool = False) -> tuple[object] | None:
    """
    Parses UTF-8 JSON. Returns the value in a tuple; None where two parties could read two things, or where a
    limit is passed.
    """

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs) or (refuse_proto and "__proto__" in found):
            raise ValueError
        return found

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError
        return number

    def refuse(text: str) -> object:
        raise ValueError

    try:
        text = data.decode()
        value: object = json.loads(text, object_pairs_hook=members, parse_float=finite, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return (value,) if _depth(value) <= max_depth else None


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, cast("dict[str, object]", value).values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, cast("list[object]", value)), default=0)
    return 0


def canonical_json(value: object) -> str:
    """Returns the form of RFC 8785."""
    if isinstance(value, dict):
        members = sorted(cast("dict[str, Any]", value).items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical_json(name)}:{canonical_json(v)}" for name, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_json, cast("list[object]", value))) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(float(value))
    return json.dumps(value, ensure_ascii=False)


def _number(number: float) -> str:
    """Returns a number as ECMAScript writes it."""
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + cast(int, exponent)
    minus = "-" if sign else ""
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    if 0 < point < len(text):
        return f"{minus}{text[:point]}.{text[point:]}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{point - 1:+d}"


def entity_tag(data: object) -> str:
    return f'"{base64url(sha256(canonical_json(data).encode()))}"'
