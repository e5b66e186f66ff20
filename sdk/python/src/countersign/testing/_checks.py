"""
The checks that a platform makes of a request, 1 (request) to 8 (body) of docs/protocol.md, "Checks", in that
order; the first failure ends them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256 as sha256_hash
from typing import Literal, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey

from .._api_key import base62, checksum
from .._bytes import base64url, length_prefixed, sha256
from .._errors import Violation
from .._signer import REGISTRIES, secret_key
from ._json import parse_json

Profile = Literal["strict", "basic"]
STATUSES = {
    "malformed_request": 400,
    "malformed_proof": 400,
    "use_nonce": 401,
    "invalid_proof": 401,
    "clock_skew": 401,
    "key_expired": 401,
    "client_disabled": 403,
    "not_allowed": 403,
    "not_found": 404,
    "registration_conflict": 409,
    "key_exists": 409,
    "cursor_gone": 410,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_registration": 422,
    "quota_exceeded": 429,
    "internal": 500,
    "unavailable": 503,
}


class RefusedError(Exception):
    """A request is refused. `signed`: by a client whose signature was verified, which gets a fresh nonce."""

    def __init__(self, code: str, *, signed: bool = False, errors: Sequence[Violation] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.signed = signed
        self.errors = errors
        self.retry_after_s: int | None = None


@dataclass
class ClientKey:
    kid: str
    alg: str
    usable_at_s: float
    expires_at_s: float
    material: OctKey | ECKey | OKPKey
    issued_by: str | None = None
    """`kid` of the key that asked for this one."""


@dataclass
class ClientRecord:
    client_id: str
    profile: Profile
    disabled: bool = False
    keys: dict[str, ClientKey] = field(default_factory=dict[str, ClientKey])


@dataclass
class NonceKey:
    """Makes and checks the nonces of one Region and ledger."""

    kid: bytes
    key: bytes
    region: str

    def mint(self, client_id: str, issued_ms: int, life_ms: int, random: bytes) -> str:
        region = self.region.encode()
        data = b"\x01" + self.kid + bytes([len(region)]) + region
        data += issued_ms.to_bytes(6, "big") + life_ms.to_bytes(4, "big") + random
        return base64url(data + self._mac(client_id, data))

    def issued_ms(self, nonce: object, client_id: str, now_ms: float, clock_error_ms: float) -> int | None:
        """Returns when a nonce was issued; None where it is not one that is valid here and now."""
        data = decode_base64url(nonce) if isinstance(nonce, str) else None
        region = self.region.encode()
        if data is None or len(data) != 6 + len(region) + 10 + 12 + 16:
            return None
        head = b"\x01" + self.kid + bytes([len(region)]) + region
        if not data.startswith(head) or not hmac.compare_digest(data[-16:], self._mac(client_id, data[:-16])):
            return None
        times = data[len(head) :]
        issued_ms, life_ms = int.from_bytes(times[:6], "big"), int.from_bytes(times[6:10], "big")
        return issued_ms if issued_ms <= now_ms + clock_error_ms and now_ms <= issued_ms + life_ms else None

    def _mac(self, client_id: str, data: bytes) -> bytes:
        said = length_prefixed("countersign/nonce/v1", client_id) + data
        return hmac.new(self.key, said, sha256_hash).digest()[:16]


def derive_nonce_key(root: bytes, region: str, ledger: str) -> bytes:
    return _hkdf(root, b"", length_prefixed("countersign/nonce-key/v1", region, ledger))


def derive_api_key(root: bytes, salt: bytes, client_id: str, generation: int, profile: Profile) -> str:
    info = length_prefixed("countersign/api-key/v1", client_id, str(generation), profile)
    secret = base62(int.from_bytes(_hkdf(root, salt, info), "big"), 43)
    text = f"{'csk' if profile == 'strict' else 'csb'}_{client_id}_{generation}_{secret}"
    return f"{text}_{checksum(text)}"


def _hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt or None, info=info).derive(secret)


def registration_id(client_id: str, user_id: str) -> str:
    return base64url(sha256(length_prefixed("countersign/registration/v1", client_id, user_id)))


@dataclass
class Incoming:
    """A request as a platform sees it."""

    method: str
    path: str
    headers: Mapping[str, Sequence[str]]
    """Each value of each header, by lower-case name."""
    body: bytes


@dataclass
class Context:
    now_ms: float
    issuer: str
    base_urls: Sequence[str]
    nonce_key: NonceKey
    clock_error_ms: float = 2_000


@dataclass
class Verified:
    client: ClientRecord
    key: ClientKey
    nonce: str | None
    nonce_issued_ms: int


ALGORITHMS = ("HS256", "ES256", "Ed25519", "EdDSA")
_STRICT_TYP = "countersign-proof+jwt"
_LEEWAY_S = 60
_PROOF_LIFE_S = 300
_READ_LIFE_S = 60
MAX_BODY_BYTES = 16_384


def verify(request: Incoming, context: Context, clients: Mapping[str, ClientRecord]) -> Verified:
    """Makes checks 1 to 7. Raises RefusedError."""
    token = _token(request)
    profile, header, claims = _parsed(token)
    client, key = _signer(token, profile, header, claims, clients)
    now_s = context.now_ms / 1000
    if client.disabled:
        raise RefusedError("client_disabled", signed=True)
    if not key.usable_at_s <= now_s < key.expires_at_s:
        raise RefusedError("key_expired", signed=True)
    reads = request.method == "GET"
    if profile == "basic" and (request.method == "DELETE" or request.path == "/v1/keys"):
        raise RefusedError("not_allowed", signed=True)
    _check_times(claims, profile, reads, now_s)
    _check_binding(claims, profile, reads, request, context)
    if reads:
        return Verified(client, key, None, 0)
    nonce = claims.get("nonce")
    issued_ms = context.nonce_key.issued_ms(nonce, client.client_id, context.now_ms, context.clock_error_ms)
    if issued_ms is None:
        raise RefusedError("use_nonce", signed=True)
    return Verified(client, key, cast(str, nonce), issued_ms)


def _token(request: Incoming) -> str:
    if len(request.body) > MAX_BODY_BYTES:
        raise RefusedError("body_too_large")
    types = request.headers.get("content-type", ())
    if request.body and not (
        len(types) == 1 and re.match(r"application/json\s*(;|$)", types[0].strip(), re.I)
    ):
        raise RefusedError("unsupported_media_type")
    given = request.headers.get("authorization", ())
    match = re.fullmatch(r"jwt (.*)", given[0], re.I | re.S) if len(given) == 1 else None
    if match is None:
        raise RefusedError("malformed_request")
    return match[1]


def decode_base64url(text: str) -> bytes | None:
    """Returns the bytes of canonical base64url; None where the text is another."""
    if not re.fullmatch(r"[\w-]*", text, re.ASCII):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if base64url(data) == text else None


def _parsed(token: str) -> tuple[Profile, dict[str, str], dict[str, object]]:
    parts = [decode_base64url(part) for part in token.split(".")]
    if len(parts) != 3 or None in parts:
        raise RefusedError("malformed_proof")
    values = [parse_json(cast(bytes, part)) for part in parts[:2]]
    header, claims = (cast("dict[str, object]", value[0]) if value else None for value in values)
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise RefusedError("malformed_proof")
    typ, members = header.get("typ"), set(header)
    strict = typ == _STRICT_TYP and members == {"alg", "typ", "kid"}
    basic = members == {"alg"} or (members == {"alg", "typ"} and typ == "JWT")
    texts = all(isinstance(value, str) for value in header.values())
    if not (strict or basic) or not texts or header["alg"] not in ALGORITHMS:
        raise RefusedError("malformed_proof")
    if not isinstance(claims.get("iss"), str):
        raise RefusedError("malformed_proof")
    return "strict" if strict else "basic", cast("dict[str, str]", header), claims


def _signer(
    token: str,
    profile: Profile,
    header: Mapping[str, str],
    claims: Mapping[str, object],
    clients: Mapping[str, ClientRecord],
) -> tuple[ClientRecord, ClientKey]:
    client = clients.get(cast(str, claims["iss"]))
    if client and client.profile == profile:
        for key in client.keys.values():
            if key.alg == header["alg"] and header.get("kid") in (None, key.kid) and is_signed(token, key):
                return client, key
    raise RefusedError("invalid_proof")


def is_signed(token: str, key: ClientKey) -> bool:
    try:
        jws.deserialize_compact(token, key.material, registry=REGISTRIES[key.alg])
    except (JoseError, ValueError):
        return False
    return True


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_times(claims: Mapping[str, object], profile: Profile, reads: bool, now_s: float) -> None:
    needs_iat = profile == "strict" or reads
    if not _is_time(claims.get("exp")) or (needs_iat and not _is_time(claims.get("iat"))):
        raise RefusedError("invalid_proof", signed=True)
    if profile == "strict" and "nbf" in claims and not _is_time(claims["nbf"]):
        raise RefusedError("invalid_proof", signed=True)
    exp = cast(float, claims["exp"])
    begins = [cast(float, claims[name]) for name in ("iat", "nbf") if _is_time(claims.get(name))]
    if exp + _LEEWAY_S <= now_s or any(begin > now_s + _LEEWAY_S for begin in begins):
        raise RefusedError("clock_skew", signed=True)
    life = _READ_LIFE_S if reads else _PROOF_LIFE_S
    # A basic proof for registering needs no iat: the server's clock, with leeway, replaces it.
    if exp > (cast(float, claims["iat"]) + life if needs_iat else now_s + life + _LEEWAY_S):
        raise RefusedError("invalid_proof", signed=True)


def _check_binding(
    claims: Mapping[str, object], profile: Profile, reads: bool, request: Incoming, context: Context
) -> None:
    jti = claims.get("jti")
    if profile == "basic":
        right = not (isinstance(jti, str) and len(jti) > 64)
    else:
        right = (
            claims.get("aud") == context.issuer
            and isinstance(jti, str)
            and 16 <= len(jti) <= 64
            and claims.get("htm") == request.method
            and claims.get("htu") in [url + request.path for url in context.base_urls]
            and claims.get("fingerprint") == base64url(sha256(request.body))
        )
    # A proof with a nonce reads nothing, so that a used register proof reads nothing.
    if not right or (reads and "nonce" in claims):
        raise RefusedError("invalid_proof", signed=True)


def read_body(body: bytes) -> object:
    """Makes the first half of check 8. Returns the JSON value. Raises RefusedError."""
    value = parse_json(body, max_depth=32, refuse_proto=True)
    if value is None:
        raise RefusedError("malformed_request", signed=True)
    return value[0]


def check_user(value: object) -> dict[str, object]:
    """Makes the second half of check 8, by the default registration schema. Raises RefusedError."""
    if not isinstance(value, dict):
        raise RefusedError("invalid_registration", signed=True, errors=[Violation("", "must be an object")])
    user = cast("dict[str, object]", value)
    wrong = [
        Violation(_pointer(name), "is unknown")
        for name in user
        if name not in ("user_id", "email", "display_name", "attributes")
    ]
    for name, least, most in (("user_id", 1, 256), ("email", 0, 320), ("display_name", 0, 256)):
        text = user.get(name)
        if name not in user:
            if name == "user_id":
                wrong.append(Violation("/user_id", "is required"))
        elif not isinstance(text, str) or not least <= len(text) <= most:
            wrong.append(Violation(f"/{name}", f"must be text of {least} to {most} characters"))
        elif name == "email" and not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@.]+", text):
            wrong.append(Violation("/email", "must be an email address"))
    if not isinstance(user.get("attributes", {}), dict):
        wrong.append(Violation("/attributes", "must be an object"))
    if wrong:
        raise RefusedError("invalid_registration", signed=True, errors=wrong)
    return user


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def api_key_material(api_key: str) -> OctKey:
    return secret_key(api_key.encode())
