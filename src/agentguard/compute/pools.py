"""Pools that run CPU-bound work off the event loop, in a process or in a thread."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
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


class WorkerStuckError(WorkerDiedError):
    """The pool process was killed because its task exceeded the time limit."""

    code = "worker-stuck"

    def __init__(self) -> None:
        UnavailableError.__init__(
            self, "The task exceeded its time limit, and its process was replaced."
        )


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """The time that one task of a ProcessPool may take."""

    cpu_seconds: float
    """CPU time, so that a busy machine fails no task; the kernel enforces it."""
    wall_seconds: float
    """For a task that waits instead of computing."""


class Pool(Protocol[S_co]):
    """Runs functions away from the event loop.

    S is created once per pool and passed to every function, for example a decoder.
    """

    async def run(
        self, function: Callable[Concatenate[S_co, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the function's result, or raise its exception.

        Raises WorkerDiedError if the process died, WorkerStuckError if it was killed because the
        function exceeded the pool's limits.
        """

    @property
    def busy_seconds(self) -> float:
        """Return how long the running task has been running; 0 if the pool has no limits."""

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

    @property
    def busy_seconds(self) -> float:
        return 0.0

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

    `prepare` and all arguments must be picklable. With `limits`, tasks run one after another, and
    a task that exceeds them is ended by killing the process.
    """

    def __init__(self, prepare: Callable[[], S], limits: TaskLimits | None = None) -> None:
        self._prepare, self._limits = prepare, limits
        self._turn = asyncio.Lock()
        self._busy_since: float | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._running = 0

    async def run(
        self, function: Callable[Concatenate[S, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        call = partial(_call, function, *args, **kwargs)
        self._running += 1
        try:
            if self._limits is None:
                return await self._submit(call, None)
            async with self._turn:
                return await self._run_limited(call, self._limits)
        finally:
            self._running -= 1

    @property
    def busy_seconds(self) -> float:
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    async def _run_limited(self, call: Callable[[], T], limits: TaskLimits) -> T:
        if self._executor is None:  # the start of the process does not count
            await self._submit(partial(_call, no_op), None)
        self._busy_since = time.monotonic()
        try:
            within = partial(_call_within, limits.cpu_seconds, call)
            return await self._submit(within, limits.wall_seconds)
        finally:
            self._busy_since = None

    async def _submit(self, call: Callable[[], T], seconds: float | None) -> T:
        executor = self._executor = self._executor or _process_executor(self._prepare)
        try:
            result = asyncio.get_running_loop().run_in_executor(executor, call)
        except BrokenProcessPool:  # it died while it had nothing to do
            self._drop(executor)
            raise WorkerDiedError from None
        processes = tuple((executor._processes or {}).values())  # noqa: SLF001
        try:
            return await self._result(result, processes, seconds)
        except BrokenProcessPool:
            self._drop(executor)
            used_up = await _exit_code(processes) == -signal.SIGPROF
            raise (WorkerStuckError if used_up else WorkerDiedError) from None
        except WorkerStuckError:
            self._drop(executor)
            raise
        finally:
            result.cancel()

    async def _result(
        self, result: asyncio.Future[T], processes: Sequence[BaseProcess], seconds: float | None
    ) -> T:
        """Return the result; after so many seconds, kill the processes."""
        await asyncio.wait([result], timeout=seconds)
        if result.done():
            return await result
        _kill(processes)
        await asyncio.wait([result])
        raise WorkerStuckError

    async def ping(self) -> None:
        # A caller that waits for a running task gets the error from `run`.
        if self._executor is not None and not self._running:
            await self.run(no_op)

    def close(self) -> None:
        """Kill the process, even while it runs a function; no_op waits for that result."""
        if self._executor is not None:
            # Python 3.14 has ProcessPoolExecutor.kill_workers for this.
            _kill(tuple((self._executor._processes or {}).values()))  # noqa: SLF001
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


def _call_within(cpu_seconds: float, call: Callable[[], T]) -> T:
    """Return the result; the kernel kills this process if that takes more CPU time.

    SIGPROF ends a process that does not handle it, whatever code is running.
    """
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _kill(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.kill()


async def _exit_code(processes: Sequence[BaseProcess]) -> int | None:
    """Return the exit code of the process, which the executor may not have read yet."""
    for _ in range(100):
        if all(process.exitcode is not None for process in processes):
            break
        await asyncio.sleep(0.01)
    return processes[0].exitcode if processes else None
