"""The project's test vectors, which hold every client library to the same decisions."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[3] / "test" / "vectors"


def vectors(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def decoded(text: str | None) -> bytes:
    return base64.urlsafe_b64decode((text or "") + "==")
