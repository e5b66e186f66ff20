"""README.md: every example runs, and the table of errors is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import countersign
from countersign import ApiError, CountersignError
from countersign._errors import ERROR_CLASSES
from countersign.testing import FakePlatform

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
_ROW = re.compile(r"^\| `(\w+Error)` \| (.*?) \|", re.M)
ROWS = {name: re.findall(r"`(\w+)`", codes) for name, codes in _ROW.findall(README)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    platform = FakePlatform()
    monkeypatch.setattr("countersign._client.SyncTransport", lambda: platform)
    monkeypatch.setattr("countersign._async_client.AsyncTransport", lambda: platform)
    monkeypatch.chdir(tmp_path)
    users = [{"user_id": "ada"}, {"user_id": "grace"}]
    exec(example, {"url": platform.url, "api_key": platform.api_key, "users": users, "__name__": "example"})  # noqa: S102


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 8


def test_the_table_of_errors_has_every_code_with_its_class() -> None:
    for code, cls in ERROR_CLASSES.items():
        assert [name for name, codes in ROWS.items() if code in codes] == [cls.__name__]


def test_the_table_of_errors_has_every_exported_class() -> None:
    exported = {
        name
        for name, value in vars(countersign).items()
        if isinstance(value, type) and issubclass(value, CountersignError) and value is not CountersignError
    }
    assert set(ROWS) == exported - {ApiError.__name__}
