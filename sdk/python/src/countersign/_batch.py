"""Results of a batch, one for each user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal

from ._errors import CountersignError
from ._registration import Registered, U


@dataclass(frozen=True)
class BatchProgress:
    """Counts since the batch began."""

    registered: int
    failed: int


@dataclass(frozen=True)
class BatchSuccess(Generic[U]):
    """A user who is registered."""

    index: int
    """Position in the source, from 0."""
    user: U
    registration: Registered[U]
    ok: Literal[True] = True


@dataclass(frozen=True)
class BatchFailure(Generic[U]):
    """A user who could not be registered, and why."""

    index: int
    """Position in the source, from 0."""
    user: U
    error: CountersignError
    ok: Literal[False] = False


BatchResult = BatchSuccess[U] | BatchFailure[U]
"""Result for one user: its registration, or the error."""
