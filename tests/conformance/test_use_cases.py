"""The lists of what changes state are whole: a new use case that is in none fails a test.

A use case is a public method that takes an actor.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import agentguard
from tests.conformance.use_cases import METHODS

STEPS = {
    "Dispatcher._claim": "one statement",
    "Dispatcher._handle": "one statement",
    "Dispatcher._postpone": "one statement",
    "Dispatcher._renew": "one statement",
    "Turn._claim": "one statement",
    "Turn._succeed": "one statement",
    "Turn.release": "one statement",
    "Anchoring._opened": "one anchor, and that no other is open",
    "AnchorChanges.store": "a step of an anchor with its entry: see tests/evm/test_rounds.py",
    ".mark_entries": "one statement per 10,000 entries; a later round goes on",
    "CosigningService.cosign": "one statement",
    "Sequencer.run_once": "a batch of entries with its tiles and checkpoint",
    "LiveSummary.enter": "one statement",
    "Addressing.handle": "who is told of one message: see test_notifications.py",
    "Delivering._store": "one attempt, with its entry if it was the last: the same tests",
    "StartupFacts.enter": "one statement",
    "RefusalLoop.enter": "one statement",
    "KeptData.expire": "one row: what is known of the clock",
    "KeptData._expire_rows": "housekeeping: one transaction for each kind of row",
    "KeptData._expire_files": "housekeeping: the entry about files, before they are deleted",
    "StoredSimulations.keep": "what a job stores, with its entry: see test_unit_of_work.py",
    "Identities.store_uses": "when keys and sessions were used last: no entry for each request",
    "SetUpService.begin": "one row: no principal, the server prints the link",
    "SetUpService.finish": "without a principal: see test_sign_in_transactions.py",
    "SignInService._attempted": "an attempt counts although nothing follows from it",
    "SignInService._succeeded": "counts are put back; a better hash of the same password",
    "SignInService.begin": "without a principal yet: see test_sign_in_transactions.py",
    "SignInService.token": "without a principal yet: see test_sign_in_transactions.py",
    "SignInService.change_password": "after steps that count: see test_sign_in_transactions.py",
    "SingleSignOnService.finish": "without a principal yet: see test_sign_in_transactions.py",
    "JobTransactions.claim": "a step of a job: see steps_of_jobs",
    "JobTransactions.extend": "a step of a job: see steps_of_jobs",
    "JobTransactions.fail": "a step of a job: see steps_of_jobs",
    "JobTransactions.postpone": "a step of a job: see steps_of_jobs",
    "JobTransactions.release": "a step of a job: see steps_of_jobs",
}
"""Methods that write outside use cases, and why they need no place in USE_CASES."""

OF_USE_CASES = {
    "DatasetService.delete",
    "GraphImport.run",
    "GraphPublisher._write",
    "IncidentService._run",
    "Jobs.cancel",
    "Jobs.submit",
    "Jobs.submit_single",
    "KeyRotation.begin",
    "KeyRotation.rotate",
    "KeyService._change",
    "KeyService._store",
    "RetentionService._purge_rows",
    "SignInService.sign_out",
    "UserService._change",
    "UserService.create",
    "UserService.remove",
}
"""Methods of use cases that open a write transaction."""

WITHOUT_CHANGES = {
    "AnalysisService.analyze",
    "DiffService.diff",
    "KeyService.page",
    "MitigationService.of_failure",
    "MitigationService.of_graph",
    "PlaybookService.get",
    "PlaybookService.resolve",
    "PlaybookService.write",
    "ReceiverTest.run",
    "RiskHistory.of",
    "SimulationService.game_days",
    "SimulationService.resolve",
    "SimulationService.result",
    "SimulationService.select",
    "SimulationService.simulate",
    "SignInService.user_of",
    "StoredSimulations.repeat",
    "UserService.page",
}
"""Use cases that need an actor although they change nothing: they cost much, or tell much."""

DELEGATING = {
    "Anchoring.give_up",
    "Anchoring.run",
    "ScanJobs.accept",
    "ScanJobs.submit_file",
    "SignInService.change_password",
}
"""Use cases that change state through those of the list, or through steps, alone."""


def writers() -> Iterator[str]:
    """Yield what opens a write transaction in AgentGuard: `Class.method`, or `.function`."""
    for path in Path(agentguard.__file__).parent.rglob("*.py"):
        source = path.read_text()
        if "unit_of_work.run" in source:
            for name, node in named_nodes(ast.parse(source)):
                if any(map(opens_transaction, ast.walk(node))):
                    yield name


def named_nodes(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for top in module.body:
        if isinstance(top, ast.ClassDef):
            for method in top.body:
                yield f"{top.name}.{getattr(method, 'name', '')}", method
        else:
            yield f".{getattr(top, 'name', '')}", top


def opens_transaction(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node).endswith("unit_of_work.run")


def acting() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public method of AgentGuard's classes that takes an actor, with its name.

    Not those for use in another use case's transaction, which take its stores.
    """
    for stage in (
        "accounts",
        "audit",
        "scan",
        "graph",
        "jobs",
        "analysis",
        "simulation",
        "incidents",
        "notifications",
        "playbooks",
        "catalog",
        "retention",
    ):
        package = importlib.import_module(f"agentguard.{stage}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ != module.__name__ or getattr(kind, "_is_protocol", False):
                    continue
                for name, method in inspect.getmembers(kind, inspect.isfunction):
                    taken = inspect.signature(method).parameters
                    if not name.startswith("_") and "actor" in taken and "stores" not in taken:
                        yield f"{kind.__name__}.{name}", method


def test_no_use_case_is_missing_from_the_list():
    others = WITHOUT_CHANGES | DELEGATING
    named = {name: method for name, method in acting() if name not in others}

    assert set(named.values()) == set(METHODS)
    for method in named.values():
        assert list(inspect.signature(method).parameters)[1] == "actor"


def test_every_write_transaction_belongs_to_a_use_case_or_is_a_step():
    assert set(writers()) == OF_USE_CASES | set(STEPS)
