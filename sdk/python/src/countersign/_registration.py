"""Users as a client sends them, and registrations as the platform returns them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypedDict, cast

from ._errors import InvalidArgumentError
from ._http import Answer, unexpected_answer

if TYPE_CHECKING:
    # Type checkers have this module without its being installed.
    from typing_extensions import TypeVar
else:
    from typing import TypeVar


class _UserId(TypedDict):
    user_id: str


class User(_UserId, total=False):
    """A user in the default registration schema. An operator's own schema may differ."""

    email: str
    display_name: str
    attributes: Mapping[str, object]


if TYPE_CHECKING:
    U = TypeVar("U", bound=Mapping[str, object], default=User)
    """The type of a user. A client has it, so that a misspelt member does not pass a type checker."""
else:
    U = TypeVar("U")


@dataclass(frozen=True)
class Registration(Generic[U]):
    """A stored registration."""

    id: str
    """43 characters of base64url."""
    client_id: str
    user_id: str
    created_at: str
    """RFC 3339, UTC."""
    data: U
    """The user as registered."""
    etag: str
    """Strong entity tag of `data` (RFC 9110, section 8.8.3)."""


@dataclass(frozen=True)
class Registered(Registration[U]):
    """The answer to a registration."""

    replayed: bool
    """
    Whether the user was registered before. Advisory: after an unclear answer, a first registration may look
    repeated.
    """


def encode_user(user: object) -> bytes:
    """
    Returns the user as JSON in UTF-8. Raises InvalidArgumentError where JSON cannot express the user; the
    message never quotes the user.
    """
    try:
        if isinstance(user, Mapping):
            members = dict(cast("Mapping[object, object]", user))
            text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return text.encode()
    except (TypeError, ValueError, RecursionError):
        # Drop the library's own message: it may quote the user.
        pass
    raise InvalidArgumentError("the user must be a mapping that JSON can express")


_ID = re.compile(r"[\w-]{43}", re.ASCII)


def path_of(id: object) -> str:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise InvalidArgumentError("id must be the id of a registration: 43 characters of base64url")
    return f"/v1/registrations/{id}"


def read_registration(answer: Answer, expected: Mapping[str, str]) -> Registration[U]:
    """
    `expected`: members that the answer must have, such as the client that asked. Raises
    UnexpectedAnswerError, also where the answer is of another client, user or registration.
    """
    value = answer.json()
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    texts = [members.get(name) for name in ("id", "client_id", "user_id", "created_at")]
    data = members.get("data")
    same = all(members.get(name) == wanted for name, wanted in expected.items())
    if not same or not all(isinstance(text, str) for text in texts) or not isinstance(data, dict):
        raise unexpected_answer(answer)
    id, client_id, user_id, created_at = cast("list[str]", texts)
    etag = answer.headers.get("etag", "")
    return Registration(id, client_id, user_id, created_at, cast(U, data), etag)


def read_registered(answer: Answer, expected: Mapping[str, str]) -> Registered[U]:
    found: Registration[U] = read_registration(answer, expected)
    replayed = answer.headers.get("idempotency-replayed") == "true"
    return Registered(
        found.id, found.client_id, found.user_id, found.created_at, found.data, found.etag, replayed
    )
