"""The ports to kept data: rows of the database, and files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from agentguard.retention.policy import Item, Usage

S_contra = TypeVar("S_contra", contravariant=True)


class RetainedRows(Protocol[S_contra]):
    """One kind of data in the database.

    Every method but `deleted` runs in the caller's transaction.
    """

    @property
    def kind(self) -> str:
        """Name in metrics, `doctor` and `purge`."""

    async def usage(self, stores: S_contra) -> Usage: ...

    async def expire(self, stores: S_contra, now: int) -> tuple[str, ...]:
        """Delete what exceeds the limits of this kind; return the ids."""

    async def purge(self, stores: S_contra, before: int, *, include_cited: bool) -> tuple[str, ...]:
        """Delete what was made before this time (ns) and is not in use; return the ids.

        Cited graph versions stay unless `include_cited`.
        """

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Delete the files of these rows, after the transaction; repeating it is harmless."""


class RetainedFiles(Protocol):
    """One kind of data in files; every method raises OSError.

    Files are selected first and deleted later, so that the deletion is entered in between.
    """

    @property
    def kind(self) -> str:
        """Name in metrics, `doctor` and `purge`."""

    async def usage(self) -> Usage: ...

    def expiring(self, now: int) -> AbstractAsyncContextManager[Sequence[Item]]:
        """Select what exceeds the limits of this kind; it cannot change until the context ends.

        Selects less where another process uses the files; the next call selects the rest.
        """

    def purging(self, before: int) -> AbstractAsyncContextManager[Sequence[Item]]:
        """Select what was made before this time (ns), in the same way.

        Raises UnavailableError where another process uses the files for too long.
        """

    async def delete(self, selected: Sequence[Item]) -> None:
        """Delete selected items, within their context; repeating it is harmless."""


class LeftoverFiles(Protocol):
    """Files of work that has ended, or was cut off: no entry tells of their deletion.

    Every method raises OSError.
    """

    @property
    def kind(self) -> str:
        """Name in metrics, `doctor` and `purge`."""

    async def usage(self) -> Usage: ...

    async def expire(self, now: int) -> int:
        """Delete what nothing needs any more; return the number of deleted items."""

    async def purge(self, before: int) -> int:
        """Delete the same on request; return the number of deleted items."""
