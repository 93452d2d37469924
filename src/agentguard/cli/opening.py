"""Opens the application for one command and selects its graph."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.cli.messages import answers_only
from agentguard.graph.selection import GraphSelection, SelectedGraph
from agentguard.settings import Settings

T = TypeVar("T")


def ask(settings: Settings, question: Callable[[App], Awaitable[T]]) -> T:
    """Return the result of `question`; raise NoDataError if there is no data directory."""

    async def asked() -> T:
        async with open_app(settings, create=False) as app:
            return await question(app)

    with answers_only():
        return asyncio.run(asked())


def change(settings: Settings, work: Callable[[App], Awaitable[T]]) -> T:
    """Return the result of `work`; create the data directory if there is none."""

    async def changed() -> T:
        async with open_app(settings) as app:
            return await work(app)

    with answers_only():
        return asyncio.run(changed())


def ask_about(
    settings: Settings,
    selection: GraphSelection,
    question: Callable[[App, SelectedGraph], Awaitable[T]],
) -> T:
    """Return the result of `question` about the selected graph.

    Raises NoDataError, NoGraphError, SpansNotKeptError.
    """

    async def asked(app: App) -> T:
        return await question(app, await app.graph.select(selection))

    return ask(settings, asked)


def ask_with_overview(
    settings: Settings,
    selection: GraphSelection,
    question: Callable[[App, SelectedGraph], Awaitable[dict[str, Any]]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the result and the overview of the graph, which has the names for tables."""

    async def asked(app: App, selected: SelectedGraph) -> tuple[dict[str, Any], dict[str, Any]]:
        return await question(app, selected), await app.graph.overview(selected)

    return ask_about(settings, selection, asked)
