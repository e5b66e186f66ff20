"""Makes a server's texts safe to log or show."""

import re
import unicodedata

LONGEST_TEXT = 1_000
# API keys, proofs and nonces are runs of at least 60 of these characters. Ids, thumbprints and UUIDs are
# shorter.
_SECRET = re.compile(r"[\w.-]{60,}", re.ASCII)
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def safe(text: str) -> str:
    """
    Removes secrets, line ends and other control characters, and characters that change the writing
    direction, and cuts the text at `LONGEST_TEXT`.
    """
    shown = _SECRET.sub("[redacted]", text)
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in shown)
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}…"
