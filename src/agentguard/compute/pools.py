"""Pools that run CPU-bound work off the event loop, in a process or in a thread."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from agentguard.kernel.errors import UnavailableError

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")
P = ParamSpec("P")


class WorkerDiedError(UnavailableError):
    """The pool process was killed, ran out of memory or crashed."""

    code = "worker-died"

    def __init__(self) -> None:
        super().__init__(
            "The process that ran this task died. Try again; if it dies again, the input may be too"
            " large for this machine."
        )


class Pool(Protocol[S_co]):
    """Runs functions away from the event loop.

    S is created once per pool and passed to every function, for example a decoder.
    """

    async def run(
        self, function: Callable[Concatenate[S_co, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the function's result, or raise its exception.

        Raises WorkerDiedError if the process died.
        """

    async def ping(self) -> None:
        """Raise WorkerDiedError once if the process has died since the last call.

        The next task starts a new process.
        """


class ThreadPool(Generic[S]):
    """Runs functions in a single thread, for commands with no_op else to do."""

    def __init__(self, prepare: Callable[[], S]) -> None:
        self._prepare = prepare
        self._state: list[S] = []
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="agentguard-work")

    async def run(
        self, function: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, partial(self._call, function, *args, **kwargs)
        )

    async def ping(self) -> None:
        """Return immediately: a thread lives as long as its process."""

    def close(self) -> None:
        """Wait for the running function and cancel the queued ones."""
        self._executor.shutdown(cancel_futures=True)

    def _call(
        self, function: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if not self._state:
            self._state.append(self._prepare())
        return function(self._state[0], *args, **kwargs)


class ProcessPool(Generic[S]):
    """Runs functions in one child process, started on first use and restarted after it dies.

    `prepare` and all arguments must be picklable.
    """

    def __init__(self, prepare: Callable[[], S]) -> None:
        self._prepare = prepare
        self._executor: ProcessPoolExecutor | None = None
        self._running = 0

    async def run(
        self, function: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        executor = self._executor = self._executor or _process_executor(self._prepare)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                executor, partial(_call, function, *args, **kwargs)
            )
        except BrokenProcessPool:
            self._drop(executor)
            raise WorkerDiedError from None
        finally:
            self._running -= 1

    async def ping(self) -> None:
        # A caller that waits for a running task gets the error from `run`.
        if self._executor is not None and not self._running:
            await self.run(no_op)

    def close(self) -> None:
        """Kill the process, even while it runs a function; no_op waits for that result."""
        if self._executor is not None:
            # Python 3.14 has ProcessPoolExecutor.kill_workers for this.
            for process in tuple((self._executor._processes or {}).values()):  # noqa: SLF001
                process.kill()
            self._executor.shutdown(cancel_futures=True)

    def _drop(self, executor: ProcessPoolExecutor) -> None:
        if self._executor is executor:
            self._executor = None
        executor.shutdown(wait=False, cancel_futures=True)


_state: list[Any] = []  # in the child process: the value returned by `prepare`


def _process_executor(prepare: Callable[[], Any]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(prepare,)
    )


def _begin(prepare: Callable[[], Any]) -> None:
    """Ignore SIGINT and SIGTERM, which the parent handles, and exit when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _state.append(prepare())


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def no_op(_state: object) -> None:
    """Do no_op; completes only if the process has started."""


def _call(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return function(_state[0], *args, **kwargs)
