"""A platform in memory, for the tests of applications: it makes the real checks, and fails on demand."""

from __future__ import annotations

import json
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any, Literal, cast
from urllib.parse import parse_qs
from uuid import uuid4

import httpx
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from .._api_key import is_client_id
from .._async_client import AsyncClient
from .._client import Client
from .._keys import AHEAD_MS, roll_over_key
from .._options import Internals
from .._signer import secret_key
from ._checks import (
    ALGORITHMS,
    MAX_BODY_BYTES,
    STATUSES,
    ClientKey,
    ClientRecord,
    Context,
    Incoming,
    NonceKey,
    Profile,
    RefusedError,
    Verified,
    api_key_material,
    check_user,
    decode_base64url,
    derive_api_key,
    is_signed,
    read_body,
    registration_id,
    verify,
)
from ._json import canonical_json, entity_tag, parse_json

ENTRY = "https://api.example.com"
_CLOCK_ERROR_MS = 2_000
_NONCE_LIFE_MS = 300_000
_WINDOW_MS = 60_000
_PAGE = 100
_KEY_LIFE_S = 90 * 24 * 3600
_BRINGS_NONCE = frozenset(
    {
        "use_nonce",
        "clock_skew",
        "registration_conflict",
        "key_exists",
        "invalid_registration",
        "quota_exceeded",
    }
)


@dataclass(frozen=True)
class Seen:
    """A request that the platform received."""

    method: str
    region: str
    """`entry`, or a Region's name."""
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


Fault = httpx.Response | Literal["refuse", "lose", "timeout"]
"""
Takes the place of an answer. `refuse`: no connection. `lose`: the request takes effect, and its answer is
lost. `timeout`: the request has no effect, and no answer.
"""


@dataclass
class _Stored:
    user: dict[str, object]
    answer: dict[str, object]


class FakePlatform(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """
    A platform of two Regions in memory, with one client, `test`. It is a transport of httpx.

        platform = FakePlatform()
        with platform.client() as client:
            client.register({"user_id": "ada"})
        platform.fault = lambda request: "refuse" if request.region == "a" else None
    """

    def __init__(self, regions: Sequence[str] = ("a", "b"), *, limit: int = 6_000) -> None:
        """`limit`: signatures a minute, for each client and Region."""
        self.regions = tuple(regions)
        self.limit = limit
        self.requests: list[Seen] = []
        """The requests so far."""
        self.waits: list[float] = []
        """The waits of `client()` and `async_client()`, in milliseconds. They pass at once."""
        self.fault: Callable[[Seen], Fault | None] = lambda request: None
        """Decides for each request whether it fails, before it is served."""
        self.clients: dict[str, ClientRecord] = {}
        self._ahead_ms = 0.0
        self._root = secrets.token_bytes(32)
        self._salts: dict[str, bytes] = {}
        self._nonce_keys = {
            name: NonceKey(secrets.token_bytes(4), secrets.token_bytes(32), name) for name in self.regions
        }
        self._used: set[str] = set()
        self._stored: dict[str, _Stored] = {}
        self._deleted_ms: dict[str, float] = {}
        self._events: dict[str, list[dict[str, object]]] = {}
        """Of each client, in one order for all Regions."""
        self._charged: dict[tuple[str, str, int], int] = {}
        self.api_key = self.add_client("test")
        """The API key of the client `test`."""

    @property
    def url(self) -> str:
        """Base URL of the entry."""
        return ENTRY

    @property
    def now_ms(self) -> float:
        """The platform's time, in epoch milliseconds."""
        return math.floor(time.time() * 1000 + self._ahead_ms)

    def advance(self, ms: float) -> None:
        """Lets time pass, for the platform and for the clients that it makes."""
        self._ahead_ms += ms

    def add_client(
        self,
        client_id: str,
        profile: Profile = "strict",
        *,
        jwk: Mapping[str, str] | None = None,
        expires_in_s: float = _KEY_LIFE_S,
    ) -> str:
        """Adds a client. Returns its API key; empty where it has a key pair (`jwk`, public)."""
        record = self.clients[client_id] = ClientRecord(client_id, profile)
        self._salts[client_id] = secrets.token_bytes(16)
        expires_at_s = self.now_ms / 1000 + expires_in_s
        if jwk is not None:
            key = _public_key(jwk)
            if key is None:
                raise ValueError("jwk must be a public key with its alg: ES256, Ed25519 or EdDSA")
            kid = key.thumbprint()
            record.keys[kid] = ClientKey(kid, jwk["alg"], 0, expires_at_s, key)
            return ""
        api_key = derive_api_key(self._root, self._salts[client_id], client_id, 1, profile)
        record.keys["1"] = ClientKey("1", "HS256", 0, expires_at_s, api_key_material(api_key))
        return api_key

    def revoke_key(self, client_id: str, kid: str) -> None:
        """Ends a key of a client, and every key that it asked for."""
        keys = self.clients[client_id].keys
        for key in [key for key in keys.values() if key.issued_by == kid]:
            self.revoke_key(client_id, key.kid)
        keys.pop(kid, None)

    def client(self, *, skew_ms: float = 0, **options: Any) -> Client[Any]:
        """Returns a client of this platform. Its clock is off by `skew_ms`, and its waits pass at once."""
        return Client(**self._options(skew_ms, options))

    def async_client(self, *, skew_ms: float = 0, **options: Any) -> AsyncClient[Any]:
        """As `client`, for asyncio."""
        return AsyncClient(**self._options(skew_ms, options))

    def problem(
        self, code: str, *, status: int | None = None, retry_after_s: int | None = None
    ) -> httpx.Response:
        """Returns an answer with a problem, to be used as a fault."""
        extra = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return self._problem(code, status or STATUSES.get(code, 500), extra)

    def _options(self, skew_ms: float, options: dict[str, Any]) -> dict[str, Any]:
        def sleep(ms: float) -> None:
            self.waits.append(ms)
            self.advance(ms)

        internals = Internals(now=lambda: self.now_ms + skew_ms, sleep=sleep)
        credential = {} if "private_key" in options else {"api_key": self.api_key}
        return {"url": self.url, "transport": self, "_internals": internals, **credential, **options}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, await request.aread())

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        host = request.url.host
        region = next((name for name in self.regions if host == f"{name}.api.example.com"), "entry")
        query = request.url.query.decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, region, request.url.path, query, headers, body)
        self.requests.append(seen)
        fault = self.fault(seen)
        if fault == "refuse":
            raise httpx.ConnectError("refused", request=request)
        if fault == "timeout":
            raise httpx.ReadTimeout("timed out", request=request)
        if isinstance(fault, httpx.Response):
            return fault
        answer = self._serve(seen)
        if fault == "lose":
            raise httpx.ReadError("lost", request=request)
        return answer

    def _serve(self, seen: Seen) -> httpx.Response:
        if seen.path == "/.well-known/countersign" and seen.method == "GET":
            return self._discovery()
        if seen.region == "entry":
            return self._problem("not_found", 404)
        if seen.path == "/v1/nonce" and seen.method == "GET":
            return self._nonces(seen)
        verified: Verified | None = None
        try:
            verified = verify(
                Incoming(
                    seen.method,
                    seen.path,
                    {name: [value] for name, value in seen.headers.items()},
                    seen.body,
                ),
                self._context(seen.region),
                self.clients,
            )
            answer = self._write(seen, verified) if seen.method != "GET" else self._read(seen, verified)
        except RefusedError as refused:
            answer = self._refusal(seen, refused)
        if verified:
            expires_at_s = verified.key.expires_at_s
            if expires_at_s - self.now_ms / 1000 < AHEAD_MS / 1000:
                answer.headers["Countersign-Key-Expires"] = formatdate(expires_at_s, usegmt=True)
        return answer

    def _context(self, region: str) -> Context:
        urls = [f"https://{region}.api.example.com", ENTRY]
        return Context(self.now_ms, ENTRY, urls, self._nonce_keys[region], _CLOCK_ERROR_MS)

    def _discovery(self) -> httpx.Response:
        value = {
            "issuer": ENTRY,
            "regions": [{"name": name, "url": f"https://{name}.api.example.com"} for name in self.regions],
            "proof_algorithms": list(ALGORITHMS),
            "proof_max_life": 300,
            "nonce_life": _NONCE_LIFE_MS // 1000,
            "max_body_bytes": MAX_BODY_BYTES,
            "max_nonce_count": 100,
        }
        return self._json(200, value, {"Cache-Control": "public, max-age=60"})

    def _nonces(self, seen: Seen) -> httpx.Response:
        query = parse_qs(seen.query, keep_blank_values=True)
        (client_id, *more), (count, *others) = query.get("client_id", [""]), query.get("count", ["1"])
        known = not set(query) - {"client_id", "count"}
        right = known and not more and not others and is_client_id(client_id)
        if not right or not count.isdecimal() or not 1 <= int(count) <= 100:
            return self._problem("malformed_request", 400)
        nonces = [self._nonce(seen.region, client_id) for _ in range(int(count))]
        headers = {"Cache-Control": "no-store", "Replay-Nonce": nonces[0]}
        if "count" in query:
            return self._json(200, {"nonces": nonces, "expires_in": _NONCE_LIFE_MS // 1000}, headers)
        return self._json(200, {"nonce": nonces[0], "expires_in": _NONCE_LIFE_MS // 1000}, headers)

    def _nonce(self, region: str, client_id: str) -> str:
        issued_ms = math.floor(self.now_ms)
        return self._nonce_keys[region].mint(client_id, issued_ms, _NONCE_LIFE_MS, secrets.token_bytes(12))

    def _write(self, seen: Seen, verified: Verified) -> httpx.Response:
        value: object = None
        if seen.method == "POST":
            value = read_body(seen.body)
            if seen.path == "/v1/register":
                check_user(value)
        nonce = cast(str, verified.nonce)
        if nonce in self._used:
            raise RefusedError("use_nonce", signed=True)
        self._used.add(nonce)
        self._charge(seen.region, verified.client.client_id)
        if seen.method == "DELETE":
            answer = self._delete(seen, verified)
        elif seen.path == "/v1/keys":
            answer = self._roll_over(cast("dict[str, object]", value), verified)
        elif seen.path == "/v1/register":
            answer = self._register(seen, cast("dict[str, object]", value), verified)
        else:
            raise RefusedError("not_found")
        answer.headers["Replay-Nonce"] = self._nonce(seen.region, verified.client.client_id)
        return answer

    def _charge(self, region: str, client_id: str) -> None:
        window = int(self.now_ms // _WINDOW_MS)
        charged = self._charged.get((region, client_id, window), 0)
        if charged >= self.limit:
            refused = RefusedError("quota_exceeded", signed=True)
            refused.retry_after_s = math.ceil(((window + 1) * _WINDOW_MS - self.now_ms) / 1000)
            raise refused
        self._charged[(region, client_id, window)] = charged + 1

    def _register(self, seen: Seen, user: dict[str, object], verified: Verified) -> httpx.Response:
        client_id = verified.client.client_id
        id = registration_id(client_id, cast(str, user["user_id"]))
        key = f"{client_id}#{id}"
        clears_ms = self._deleted_ms.get(key, -math.inf) + 2 * _CLOCK_ERROR_MS
        if verified.nonce_issued_ms <= clears_ms:
            refused = RefusedError("use_nonce", signed=True)
            refused.retry_after_s = max(1, math.floor((clears_ms - self.now_ms) / 1000) + 1)
            raise refused
        before = self._stored.get(key)
        if before and canonical_json(before.user) != canonical_json(user):
            raise RefusedError("registration_conflict", signed=True)
        created_at = _iso(self.now_ms)
        answer = {
            "id": id,
            "client_id": client_id,
            "user_id": user["user_id"],
            "created_at": created_at,
            "data": user,
        }
        if before is None:
            self._happened(seen, "registration.created", client_id, id=id)
        stored = self._stored.setdefault(key, _Stored(user, answer))
        self._deleted_ms.pop(key, None)
        headers = {
            "ETag": entity_tag(stored.user),
            "Location": f"https://{seen.region}.api.example.com/v1/registrations/{id}",
            **({"Idempotency-Replayed": "true"} if before else {}),
        }
        return self._json(201, stored.answer, headers)

    def _read(self, seen: Seen, verified: Verified) -> httpx.Response:
        if seen.path.startswith("/v1/events/"):
            return self._page(seen, verified)
        stored = self._stored.get(f"{verified.client.client_id}#{seen.path.rpartition('/')[2]}")
        if stored is None:
            raise RefusedError("not_found")
        etag = entity_tag(stored.user)
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        if etag in seen.headers.get("if-none-match", ""):
            return httpx.Response(304, headers={**self._common(), **headers})
        return self._json(200, stored.answer, headers)

    def _page(self, seen: Seen, verified: Verified) -> httpx.Response:
        after = seen.path.rpartition("/")[2]
        cursor = re.fullmatch(r"0|c(\d{1,15})", after, re.ASCII)
        if cursor is None:
            raise RefusedError("malformed_request", signed=True)
        begin = int(cursor[1] or 0)
        events = self._events.get(verified.client.client_id, [])[begin : begin + _PAGE]
        following = f"c{begin + len(events)}" if events else after
        return self._json(200, {"events": events, "next": following}, {"Cache-Control": "no-store"})

    def _happened(self, seen: Seen, kind: str, client_id: str, **data: str) -> None:
        version = f"{seen.region}.{self.now_ms:.0f}.{secrets.token_urlsafe(9)}"
        event: dict[str, object] = {
            "id": f"evt_{secrets.token_urlsafe(32)}",
            "type": kind,
            "timestamp": _iso(self.now_ms),
            "data": {"client_id": client_id, **data, "version": version},
        }
        self._events.setdefault(client_id, []).append(event)

    def _delete(self, seen: Seen, verified: Verified) -> httpx.Response:
        key = f"{verified.client.client_id}#{seen.path.rpartition('/')[2]}"
        self._deleted_ms[key] = self.now_ms
        if self._stored.pop(key, None) is None:
            raise RefusedError("not_found")
        client_id, id = key.split("#")
        self._happened(seen, "registration.deleted", client_id, id=id)
        return httpx.Response(204, headers=self._common())

    def _roll_over(self, value: dict[str, object], verified: Verified) -> httpx.Response:
        """The next key; the same one again, as long as the key that asks lives."""
        client, current = verified.client, verified.key
        following = next((key for key in client.keys.values() if key.issued_by == current.kid), None)
        answer: dict[str, object] = {}
        if current.alg == "HS256":
            salt, generation = self._salts[client.client_id], int(current.kid) + 1
            api_key = derive_api_key(self._root, salt, client.client_id, generation, "strict")
            new = ClientKey(str(generation), "HS256", 0, 0, api_key_material(api_key))
            key = secret_key(roll_over_key(_text_of(current), client.client_id, new.kid))
            header = {"alg": "dir", "enc": "A256GCM"}
            answer["api_key_jwe"] = jwe.encrypt_compact(header, api_key, key, algorithms=["dir", "A256GCM"])
        else:
            new = self._possessed(value, verified)
        if following and following.kid != new.kid:
            raise RefusedError("key_exists", signed=True)
        if following is None:
            new.usable_at_s = self.now_ms / 1000 + 60
            new.expires_at_s, new.issued_by = new.usable_at_s + _KEY_LIFE_S, current.kid
            following = client.keys[new.kid] = new
        answer["kid"] = new.kid
        answer["usable_at"] = _iso(following.usable_at_s * 1000)
        answer["expires_at"] = _iso(following.expires_at_s * 1000)
        return self._json(201, answer, {"Cache-Control": "no-store"})

    def _possessed(self, value: dict[str, object], verified: Verified) -> ClientKey:
        jwk, possession = value.get("jwk"), value.get("possession")
        key = _public_key(cast("Mapping[str, str]", jwk)) if isinstance(jwk, dict) else None
        if key is None or not isinstance(possession, str):
            raise RefusedError("malformed_request", signed=True)
        alg = cast("Mapping[str, str]", jwk)["alg"]
        new = ClientKey(key.thumbprint(), alg, 0, 0, key)
        parts = [decode_base64url(part) for part in possession.split(".")]
        values = [parse_json(part) if part else None for part in parts[:2]]
        header, claims = ((found[0] if found else None) for found in values)
        wanted = {
            "iss": verified.client.client_id,
            "aud": ENTRY,
            "nonce": verified.nonce,
            "old": verified.key.kid,
        }
        right = (
            header == {"alg": alg, "typ": "countersign-possession+jwt"}
            and isinstance(claims, dict)
            and wanted.items() <= cast("dict[str, object]", claims).items()
            and is_signed(possession, new)
        )
        if not right:
            raise RefusedError("invalid_proof", signed=True)
        return new

    def _refusal(self, seen: Seen, refused: RefusedError) -> httpx.Response:
        headers: dict[str, str] = {}
        if refused.retry_after_s is not None:
            headers["Retry-After"] = str(refused.retry_after_s)
        waits = refused.code == "use_nonce" and refused.retry_after_s is not None
        claims = _claims_of(seen)
        if refused.signed and refused.code in _BRINGS_NONCE and not waits:
            headers["Replay-Nonce"] = self._nonce(seen.region, str(claims.get("iss")))
        errors = [{"pointer": error.pointer, "message": error.message} for error in refused.errors]
        return self._problem(refused.code, STATUSES[refused.code], headers, errors)

    def _problem(
        self,
        code: str,
        status: int,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[object] = (),
    ) -> httpx.Response:
        title = code.replace("_", " ").capitalize()
        value: dict[str, object] = {
            "type": f"https://docs.example.com/errors/{code}",
            "title": title,
            "status": status,
            "code": code,
        }
        if errors:
            value["errors"] = errors
        return self._json(status, value, {"Content-Type": "application/problem+json", **(headers or {})})

    def _json(self, status: int, value: object, headers: Mapping[str, str]) -> httpx.Response:
        content = json.dumps(value, ensure_ascii=False).encode()
        common = {"Content-Type": "application/json", **self._common()}
        return httpx.Response(status, headers={**common, **headers}, content=content)

    def _common(self) -> dict[str, str]:
        return {
            "Date": formatdate(self.now_ms / 1000, usegmt=True),
            "Countersign-Request-Id": str(uuid4()),
        }


def _claims_of(seen: Seen) -> Mapping[str, object]:
    """Returns the claims of a proof that was verified."""
    payload = decode_base64url(seen.headers.get("authorization", "").split(".")[1])
    return cast("Mapping[str, object]", json.loads(payload or b"{}"))


def _text_of(key: ClientKey) -> str:
    return cast("bytes", key.material.raw_value).decode()


def _public_key(jwk: Mapping[str, str]) -> ECKey | OKPKey | None:
    algs = {("EC", "P-256"): ("ES256",), ("OKP", "Ed25519"): ("Ed25519", "EdDSA")}
    kind = (jwk.get("kty", ""), jwk.get("crv", ""))
    if "d" in jwk or jwk.get("alg") not in algs.get(kind, ()):
        return None
    try:
        if kind[0] == "EC":
            return cast(ECKey, ECKey.import_key(dict(jwk)))
        return cast(OKPKey, OKPKey.import_key(dict(jwk)))
    except (JoseError, ValueError):
        return None


def _iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"
