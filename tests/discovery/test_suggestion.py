"""Drafts of rules for spans that no rule claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentguard.cli.output import json_text
from agentguard.discovery.dialects.checking import check_file
from agentguard.discovery.dialects.loading import (
    Dialects,
    dialects_of,
    load_dialects,
    packaged_tables,
)
from agentguard.discovery.dialects.users import dialects_with
from agentguard.ingest.payloads import Payload
from agentguard.scan.pipeline import scan
from agentguard.scan.suggesting import NoSpansToSuggestForError, suggest
from tests.discovery.recordings import lines
from tests.discovery.scoped_spans import payload, span

OPEN = "'?'"
CHAT: dict[str, Any] = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o"}


def suggested(*spans: dict[str, Any], scope: str = "acme.agents") -> dict[str, Any]:
    return suggest([payload(scope, *spans)], load_dialects(), "a.jsonl")


def completed(draft: str) -> str:
    """The draft as a person completes it who takes every open span for structure."""
    done = draft.replace(f"role: {OPEN}", "role: step")
    return "\n".join(line for line in done.splitlines() if line.strip() != f"name: [{OPEN}]")


def test_spans_are_grouped_by_scope_and_form() -> None:
    found = suggested(
        span(1, "think hard", desk__state="a"),
        span(2, "think hard", desk__state="b"),
        span(3, "say", acme__span__type="phrase"),
        span(4, "sing", acme__span__type="phrase"),
        span(5, "look", acme__span__type="tool"),
    )

    assert [(group["spans"], sorted(group["names"])) for group in found["groups"]] == [
        (2, ["say", "sing"]),
        (2, ["think hard"]),
        (1, ["look"]),
    ]
    assert (found["without_role"], found["by_form"]) == (4, 1)


def test_what_a_form_shows_is_drafted_and_the_rest_is_left_open() -> None:
    groups = suggested(span(1, "look", acme__span__type="tool"), span(2, "think"))["groups"]
    by_name = {next(iter(group["names"])): group for group in groups}

    assert by_name["look"]["rule"] == {
        "when": {"scope": r"^acme\.agents$", "equals": {"acme.span.type": "tool"}},
        "role": "tool",
        "name": [{"span": "^(.+)$"}],
    }
    assert by_name["think"]["rule"] == {
        "when": {"scope": r"^acme\.agents$", "kinds": ["internal"], "name": "^think$"},
        "role": "?",
        "name": ["?"],
    }
    assert (by_name["look"]["open"], by_name["think"]["open"]) == (False, True)


def test_what_stands_above_and_below_is_shown() -> None:
    found = suggested(span(1, "think"), span(2, "chat gpt-4o", parent=1, kind="client", **CHAT))

    assert found["groups"][0]["below"] == {"model": 1}
    assert "# Above them" not in found["draft"]
    assert "# Below them: model 1" in found["draft"]


def test_many_names_are_grouped_by_their_attributes() -> None:
    spans = [span(n, f"step of {'abcdefghijkl'[n]}", desk__state="x") for n in range(1, 12)]
    (group,) = suggested(*spans)["groups"]

    assert group["rule"]["when"]["has"] == ["desk.state"]


def test_no_condition_names_what_rules_cannot_see() -> None:
    spans = [span(n, f"step {'abcdefghijkl'[n]}", llm__cost__total="1") for n in range(1, 12)]
    (group,) = suggested(*spans)["groups"]

    assert group["rule"]["when"]["name"] == "^step "


def test_content_and_long_values_are_not_shown() -> None:
    found = suggested(
        span(1, "think", desk__prompt="secret", desk__note="n" * 60, desk__x="it is a secret"),
        span(2, "think", desk__json='{"k":"secret"}', desk__unit="north"),
    )
    (group,) = found["groups"]

    assert "secret" not in json.dumps(found)
    assert {"# desk.prompt (content)", "# desk.x (content)", "# desk.json (content)"} <= {
        line.strip() for line in found["draft"].splitlines()
    }
    assert (group["attributes"]["desk.prompt"], group["attributes"]["desk.unit"]) == (
        None,
        {"north": 1},
    )
    assert "n" * 41 not in found["draft"]


def test_a_file_whose_spans_all_have_rules_gives_no_groups() -> None:

    assert suggested(span(1, "chat gpt-4o", kind="client", **CHAT))["groups"] == []


def test_no_span_is_an_error() -> None:
    with pytest.raises(NoSpansToSuggestForError, match=r"a\.jsonl"):
        suggest([], load_dialects(), "a.jsonl")


def without(*ids: str) -> Dialects:
    tables = packaged_tables()
    return dialects_of({name: t for name, t in tables.items() if t["id"] not in ids})


CASES = [
    ("mastra", ()),
    ("semantic-kernel", ()),
    ("haystack-native", ("openinference-haystack",)),
    ("langfuse-sdk", ("langfuse",)),
    ("vercel-ai-sdk-6", ("vercel-ai",)),
]


@pytest.mark.parametrize(("name", "unknown"), CASES, ids=[name for name, _ in CASES])
def test_a_completed_draft_is_valid_and_leaves_no_span_without_a_role(
    name: str, unknown: tuple[str, ...], tmp_path: Path
) -> None:
    dialects = without(*unknown)
    draft = suggest(lines(name), dialects, name)["draft"]
    open_fields = draft.count(f"role: {OPEN}")
    path = tmp_path / "mine.yaml"
    path.write_text(completed(draft))
    mine = yaml.safe_load(path.read_text())
    again = dialects_of(
        {"mine": mine} | {n: t for n, t in packaged_tables().items() if t["id"] not in unknown}
    )

    assert len(check_file(draft, "draft").faults) == open_fields
    assert dialects_with((path,)).rules[0].dialect == mine["id"]
    assert scan(lines(name), again).graph.coverage.unattributed == {}


def test_hostile_names_stay_in_the_draft_as_data() -> None:
    hostile = "x\n  - when: {}\n\x1b[31m\u202e: '"
    found: list[Payload] = [payload(hostile, span(1, hostile, desk__note=hostile))]
    document = suggest(found, load_dialects(), hostile)
    draft = document["draft"]

    assert all(c.isprintable() or c == "\n" for c in draft)
    assert len(yaml.safe_load(draft)["spans"]) == 1
    assert len(check_file(draft, "draft").faults) == 1
    assert json.loads(json_text(document))["groups"][0]["scope"] == document["groups"][0]["scope"]
