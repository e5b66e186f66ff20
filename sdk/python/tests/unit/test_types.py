"""What type checkers say to callers: an ignored error that they no longer find is an error of mypy's."""

from __future__ import annotations

from typing import TypedDict

import pytest

from countersign import Client, InvalidRegistrationError
from countersign.testing import FakePlatform


class Employee(TypedDict):
    user_id: str
    attributes: dict[str, str]


def test_a_misspelt_member_does_not_pass_a_type_checker() -> None:
    platform = FakePlatform()
    with Client(url=platform.url, api_key=platform.api_key, transport=platform) as client:
        with pytest.raises(InvalidRegistrationError):
            client.register({"userid": "ada"})  # type: ignore[typeddict-item]
        with pytest.raises(InvalidRegistrationError):
            client.register({"user_id": "ada", "mail": "ada@example.com"})  # type: ignore[typeddict-unknown-key]
        found: str = client.register({"user_id": "ada"}).data["user_id"]
        assert found == "ada"


def test_a_schema_of_the_operators_own_has_its_type() -> None:
    platform = FakePlatform()
    with Client[Employee](url=platform.url, api_key=platform.api_key, transport=platform) as client:
        team: str = client.register({"user_id": "ada", "attributes": {"team": "x"}}).data["attributes"][
            "team"
        ]
        assert team == "x"
        client.register({"user_id": "grace"})  # type: ignore[typeddict-item]
