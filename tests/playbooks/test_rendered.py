"""Twenty playbooks as a person sees them, from recordings, one or more for each condition.

`pytest --snapshot-update` rewrites them; read each in full after a change.
"""

from __future__ import annotations

import io
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from rich.console import Console
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.catalog.reading import read_catalog
from agentguard.cli.tables.playbook import playbook_parts
from agentguard.graph.resolve import resolve
from agentguard.ingest.sources import read_paths
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import MAX_STEPS, Action, Playbook
from agentguard.playbooks.templates import packaged_templates
from agentguard.scan.pipeline import Scan, scan
from agentguard.simulation.engine import simulate
from agentguard.simulation.modes import parse_mode
from agentguard.simulation.shared_fate import is_group, members
from tests.discovery.recordings import dialects, lines

DEMO = Path(str(files("agentguard") / "demo_recording"))
EXAMPLES = Path(__file__).parents[2] / "docs" / "playbook-examples.md"
SCREEN = (120, 56)
"""Columns and lines of a screen that shows a playbook without scrolling."""
STARTED = 1_764_543_780 * 10**9
CATALOG = """\
agents:
  - {name: CheckoutAgent, owner: shop-team, runbook: "https://wiki.example.com/checkout"}
any:
  - {name: charge_northpay, owner: payments-team, effects: payment}
workflows:
  - {name: POST /checkout, owner: shop-team, effects: [payment, parcel]}
"""
CASES = {
    "provider-outage": ("demo", "gpt-4o-mini", None, None),
    "provider-outage-of-a-group": ("demo", "provider:openai", None, None),
    "provider-outage-with-a-fallback": ("cohere-traceloop", "command-a-03-2025", None, None),
    "rate-limit": ("demo", "gpt-4o", "errors:0.3", None),
    "latency-of-a-model": ("demo", "gpt-4o-mini", "latency:10", None),
    "latency-of-an-agent": ("demo", "PricingAgent", "latency:5", None),
    "mcp-server-down": ("mcp-native", "freight-mcp", None, None),
    "mcp-server-without-fallback": ("claude-agent-sdk", "archive", None, None),
    "tool-down-with-effects": ("demo", "charge_northpay", None, None),
    "tool-schema-change": ("demo", "stock_lookup", "errors:1", None),
    "wrong-output-of-a-model": ("demo", "gpt-4o", "wrong_output:0.2", None),
    "wrong-output-of-an-agent": ("demo", "FactCheckAgent", "wrong_output:0.5", None),
    "agent-outage": ("demo", "InventoryAgent", None, None),
    "agent-outage-of-an-entry": ("demo", "CheckoutAgent", None, None),
    "agent-loop": ("demo", "ResearchAgent", None, "agent_loop"),
    "shadow-agent": ("demo", "DiscountBot", None, "shadow_agent"),
    "queue-backlog": ("celery-messaging", "research", None, None),
    "database": ("milvus-lancedb-traceloop", "patterns", None, None),
    "database-in-a-service": ("fastapi-distributed", "sqlite", None, None),
    "service-outage": ("fastapi-distributed", "hotels-agent", None, "component_outage"),
}


class TextFiles(SingleFileSnapshotExtension):
    """One text file for each playbook."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


@cache
def scanned(recording: str) -> Scan:
    if recording == "demo":
        return scan(read_paths([DEMO / "traces.jsonl.gz"]), dialects())
    return scan(lines(recording), dialects())


@cache
def catalog() -> Catalog:
    return read_catalog(CATALOG, origin="catalog.yaml")


@cache
def playbook(name: str) -> Playbook:
    recording, wanted, mode, condition = CASES[name]
    found = scanned(recording)
    failed = _failed(found, wanted)
    result = simulate(
        found.graph,
        found.runs,
        failed,
        modes=dict.fromkeys(failed, parse_mode(mode)) if mode else {},
        catalog=catalog(),
    )
    return generate(
        found.graph,
        result,
        runs=found.runs,
        matches=match(found.graph, catalog()),
        condition=condition,
        started_at=STARTED,
    )


def _failed(found: Scan, wanted: str) -> tuple[str, ...]:
    if is_group(wanted):
        return members(found.graph, wanted)
    return (resolve(found.graph, wanted).id,)


def rendered(found: Playbook, *, full: bool = False) -> str:
    written = io.StringIO()
    console = Console(file=written, width=SCREEN[0], no_color=True)
    origin = {"dataset": None, "graph_version": None, "window": None}
    for part in playbook_parts(origin | playbook_document(found), full=full):
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


@pytest.mark.parametrize("name", CASES)
def test_a_playbook_as_it_is_shown(name, snapshot):
    text = rendered(playbook(name))

    assert text == snapshot(extension_class=TextFiles)


@pytest.mark.parametrize(
    "name", ["provider-outage-of-a-group", "tool-down-with-effects", "agent-outage"]
)
def test_the_page_of_examples_shows_it(name):
    assert f"```text\n{rendered(playbook(name))}```" in EXAMPLES.read_text()


@pytest.mark.parametrize("name", CASES)
def test_it_fits_one_screen_and_says_first_what_is_lost(name):
    found = playbook(name)
    text = rendered(found).splitlines()

    assert len(found.steps) <= MAX_STEPS
    assert len(text) <= SCREEN[1]
    assert re.match(r"(CRITICAL|HIGH|MEDIUM|LOW)  Lost (now|while it is stopped): ", text[2])
    assert "Since: 2025-11-30" in " ".join(text[2:6])


@pytest.mark.parametrize("name", CASES)
def test_every_step_has_a_check_and_a_rollback_and_keeps_the_order(name):
    steps = playbook(name).steps

    assert all(s.actions and s.verifications and s.rollback for s in steps)
    order = [list(Action).index(s.action) for s in steps]
    assert order == sorted(order)


def test_the_examples_cover_every_template():
    conditions = {playbook(name).condition for name in CASES}

    assert conditions == packaged_templates().by_condition.keys()


@pytest.mark.parametrize("name", CASES)
def test_what_is_unknown_is_said_once(name):
    text = rendered(playbook(name), full=True)

    assert text.count("Unknown: ") <= 1
    assert "unknown" not in (playbook(name).situation.lost)


def test_a_hosted_model_is_never_restarted():
    text = rendered(playbook("provider-outage"), full=True)

    assert "restart" not in text.replace("cannot be restarted", "").casefold()


def test_a_second_run_of_a_payment_is_warned_of():
    text = " ".join(rendered(playbook("tool-down-with-effects")).split())

    assert "A second run of POST /checkout repeats payment (charge_northpay)" in text
