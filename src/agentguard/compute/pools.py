"""Where CPU work runs, so that the event loop stays free: other processes, or one other thread."""

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
    """The process that did the work is gone: killed, out of memory, or crashed."""

    code = "worker-died"

    def __init__(self) -> None:
        super().__init__(
            "The process that worked on this died. Try again; if that repeats, the input may be too"
            " large for this machine."
        )


class Pool(Protocol[S_co]):
    """Runs functions away from the event loop.

    S is what each worker makes once and hands to every function, a decoder, say.
    """

    async def run(
        self, function: Callable[Concatenate[S_co, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the function's answer, or raise what it raises.

        WorkerDiedError if the worker did not survive.
        """

    async def ping(self) -> None:
        """Return unless the worker died since.

        Then raise WorkerDiedError, once: whoever needs it next starts another.
        """


class ThreadPool(Generic[S]):
    """One thread of this process: for a command, which has nothing else to do."""

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
        """Return at once: a thread lives as long as its process."""

    def close(self) -> None:
        """Wait for what is running, refuse the rest."""
        self._executor.shutdown(cancel_futures=True)

    def _call(
        self, function: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if not self._state:
            self._state.append(self._prepare())
        return function(self._state[0], *args, **kwargs)


class ProcessPool(Generic[S]):
    """One process of its own, started when first needed and again when it dies.

    `prepare` and all arguments must pickle.
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
        if (
            self._executor is not None and not self._running
        ):  # who waits for work in hand learns by itself that the worker died
            await self.run(nothing)

    def close(self) -> None:
        """End the process, whatever it is at.

        What still runs there when this closes was given up.
        """
        if self._executor is not None:
            # Python 3.14 has kill_workers for it
            for process in tuple((self._executor._processes or {}).values()):  # noqa: SLF001
                process.kill()
            self._executor.shutdown(cancel_futures=True)

    def _drop(self, executor: ProcessPoolExecutor) -> None:
        if self._executor is executor:
            self._executor = None
        executor.shutdown(wait=False, cancel_futures=True)


_state: list[Any] = []  # of this worker process: what `prepare` made


def _process_executor(prepare: Callable[[], Any]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(prepare,)
    )


def _begin(prepare: Callable[[], Any]) -> None:
    """Leave signals to the parent, and go when it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _state.append(prepare())


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def nothing(_state: object) -> None:
    """Do what a worker can do only once it is up."""


def _call(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return function(_state[0], *args, **kwargs)
