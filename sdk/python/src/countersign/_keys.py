"""
The client's keys: which one signs, and how the next one is asked for (docs/protocol.md, "Key roll-over").
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from ._bytes import length_prefixed
from ._errors import InvalidArgumentError
from ._http import Answer, unexpected_answer
from ._signer import Alg, ApiKeySigner, KeyPairSigner, secret_key, sign_possession

AHEAD_MS = 14 * 24 * 3600 * 1000
"""How long before its end a key is replaced. Answers name the end from then on."""
_RETRY_MS = 3600 * 1000
"""The wait after a roll-over that failed."""
_DOUBT_MS = 60_000
"""After the platform refused the next key, the one before signs for this long."""
_LONGEST_LAG_MS = 600_000
"""A Region that does not know the next key by then never will."""


@dataclass(frozen=True)
class RotatedKey:
    """A client's next key. It replaces the credential that the client was created with: keep it."""

    client_id: str
    kid: str
    usable_at: str
    """RFC 3339, UTC. From then on the client signs with it."""
    expires_at: str
    """RFC 3339, UTC."""
    api_key: str | None = field(default=None, repr=False)
    """The new API key, where the client has one."""
    private_key: dict[str, str] | None = field(default=None, repr=False)
    """The new private key as a JWK, with its `alg`, where the client has a key pair."""


@dataclass(slots=True)
class Challenge:
    """What a request's body may depend on."""

    issuer: str
    nonce: str
    now_s: float


class Keys:
    """`now`: epoch milliseconds, by the server's clock."""

    def __init__(self, signer: ApiKeySigner | KeyPairSigner, now: Callable[[], float]) -> None:
        self._current = signer
        self._now = now
        self._old: tuple[ApiKeySigner | KeyPairSigner, float] | None = None
        """The key before, and until when it may sign."""
        self._next: tuple[ApiKeySigner | KeyPairSigner, float] | None = None
        """The next key, and from when on it signs."""
        self._expires_at_ms: float | None = None
        self._not_before_ms = 0.0
        self._pending: ECKey | OKPKey | None = None
        """A new key pair that the platform may know already: it is offered again, never another one."""

    @property
    def client_id(self) -> str:
        return self._current.client_id

    def signer(self) -> ApiKeySigner | KeyPairSigner:
        """Returns the key that signs now."""
        now = self._now()
        if self._next and now >= self._next[1]:
            self._old = (self._current, now + _LONGEST_LAG_MS)
            self._current, self._next, self._expires_at_ms = self._next[0], None, None
        return self._current

    def refused(self, signer: ApiKeySigner | KeyPairSigner) -> bool:
        """
        The platform refused a signature. A Region may not know the next key yet. Returns whether another key
        may sign instead.
        """
        if signer is not self._current:
            return True
        now = self._now()
        if self._old is None or now > self._old[1]:
            return False
        self._next = (signer, now + _DOUBT_MS)
        self._current, self._old = self._old[0], None
        return True

    def expires(self, signer: ApiKeySigner | KeyPairSigner, at_ms: float) -> None:
        """An answer said when the key that was used ends."""
        if signer is self._current:
            self._expires_at_ms = at_ms

    def is_due(self) -> bool:
        """Returns whether a call has to ask for the next key now. Until it ends, no other call does."""
        now = self._now()
        if self._expires_at_ms is None or self._next or self._current.profile == "basic":
            return False
        if now < self._expires_at_ms - AHEAD_MS or now < self._not_before_ms:
            return False
        self._not_before_ms = now + _RETRY_MS
        return True

    def body(self, challenge: Challenge) -> bytes:
        """Returns the request's body: an API key is made by the platform, a key pair by its owner."""
        current = self._current
        if isinstance(current, ApiKeySigner):
            return b"{}"
        key = self._pending = self._pending or _generated(current.alg)
        possession = sign_possession(
            key,
            current.alg,
            iss=current.client_id,
            aud=challenge.issuer,
            nonce=challenge.nonce,
            old=current.key.thumbprint(),
            now_s=challenge.now_s,
        )
        jwk = _jwk(key, current.alg, private=False)
        return json.dumps({"jwk": jwk, "possession": possession}, separators=(",", ":")).encode()

    def read(self, answer: Answer) -> RotatedKey:
        """
        Reads the answer. The next key is not used yet. Raises UnexpectedAnswerError where the answer is not
        about this client's next key.
        """
        value = answer.json()
        members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        kid, usable_at, expires_at = (members.get(name) for name in ("kid", "usable_at", "expires_at"))
        wrong = unexpected_answer(answer)
        if not (isinstance(kid, str) and isinstance(usable_at, str) and isinstance(expires_at, str)):
            raise wrong
        if time_ms(usable_at) is None or time_ms(expires_at) is None:
            raise wrong
        current = self._current
        if isinstance(current, ApiKeySigner):
            api_key = open_api_key(str(members.get("api_key_jwe")), current, kid)
            if api_key is None:
                raise wrong
            return RotatedKey(current.client_id, kid, usable_at, expires_at, api_key=api_key)
        if self._pending is None or self._pending.thumbprint() != kid:
            raise wrong
        private_key = _jwk(self._pending, current.alg, private=True)
        return RotatedKey(current.client_id, kid, usable_at, expires_at, private_key=private_key)

    def adopt(self, key: RotatedKey) -> None:
        """Uses the next key from its time on: its owner has it now."""
        usable_at_ms = time_ms(key.usable_at) or 0.0
        if key.api_key is not None:
            self._next = (ApiKeySigner(key.api_key), usable_at_ms)
        elif self._pending is not None and isinstance(self._current, KeyPairSigner):
            signer = KeyPairSigner(key.client_id, self._pending, self._current.alg, key.kid)
            self._next = (signer, usable_at_ms)
            self._pending = None


def _generated(alg: Alg) -> ECKey | OKPKey:
    if alg == "ES256":
        return cast(ECKey, ECKey.generate_key("P-256"))
    return cast(OKPKey, OKPKey.generate_key("Ed25519"))


def open_api_key(token: str, current: ApiKeySigner, kid: str) -> str | None:
    """Returns the API key that a JWE under the current one holds; None where it is not the client's next."""
    header, *rest = token.split(".")
    # The one header that the protocol knows; nothing else is decrypted.
    if header != "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0" or len(rest) != 4 or rest[0]:
        return None
    try:
        key = secret_key(roll_over_key(current.api_key, current.client_id, kid))
        found = jwe.decrypt_compact(token, key, algorithms=["dir", "A256GCM"]).plaintext
        signer = ApiKeySigner((found or b"").decode())
    except (JoseError, InvalidArgumentError, ValueError):
        return None
    fits = (signer.client_id, signer.kid, signer.profile) == (current.client_id, kid, "strict")
    return signer.api_key if fits else None


def roll_over_key(api_key: str, client_id: str, kid: str) -> bytes:
    """Returns the key under which the next API key travels."""
    info = length_prefixed("countersign/key-roll-over/v1", client_id, kid)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(api_key.encode())


def _jwk(key: ECKey | OKPKey, alg: Alg, private: bool) -> dict[str, str]:
    members = key.as_dict(private=private)
    names = ("kty", "crv", "x", "y", "d")
    return {**{name: str(members[name]) for name in names if name in members}, "alg": alg}


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z", re.ASCII)


def time_ms(text: str) -> float | None:
    """Reads a time of RFC 3339 in UTC."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    whole = calendar.timegm(tuple(int(match[i]) for i in range(1, 7)))
    return whole * 1000.0 + float(match[7] or 0) * 1000
