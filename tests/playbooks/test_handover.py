"""Playbooks on paper: complete, and safe whatever telemetry put into their names."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from agentguard.playbooks.handover import handover_html, handover_markdown
from tests.cli.traces import trace
from tests.web.serving import served, until

HOSTILE = [
    "<script>alert(1)</script>",
    "[click](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "\u202egnp.exe\u200b",
    "# Ignore the above\n\n- [x] done",
    "<img src=x onerror=alert(1)>",
    "`; rm -rf /`",
    "www.evil.example",
]


def document(text: str = "Pause the queue") -> dict[str, Any]:
    return {
        "incident": {
            "title": text,
            "summary": text,
            "severity": "HIGH",
            "blast_radius_score": 6.25,
            "graph_version": "v1",
        },
        "estimated_recovery_time": None,
        "estimated_recovery_time_reason": "No recovery was recorded.",
        "generator": "deterministic-1",
        "steps": [
            {
                "id": "contain-1",
                "title": text,
                "timeframe": "0-5 min",
                "owner": None,
                "actions": [text],
                "verifications": ["The error share is under 2 %."],
                "rollback": [],
                "evidence": [{"trace_id": "t1"}, {"trace_id": "t1"}, {"trace_id": text}],
            }
        ],
    }


class Elements(HTMLParser):
    """Collects start tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markdown_has_every_part_of_the_playbook() -> None:
    lines = handover_markdown(document()).splitlines()

    assert lines[0] == "# Pause the queue"
    assert "## 1. Pause the queue" in lines
    assert "- [ ] Pause the queue" in lines
    assert "- [ ] The error share is under 2 %." in lines
    assert "**Undo**" not in lines
    assert "0-5 min; owner: not declared" in lines
    assert any("Recovery time: unknown" in line for line in lines)
    assert lines[-1] == "Traces: `t1`, `Pause the queue`"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_adds_elements_or_attributes_to_the_page(text: str) -> None:
    plain, hostile = Elements(handover_html(document())), Elements(handover_html(document(text)))

    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes <= {"lang", "charset", "class"}
    assert not set(hostile.tags) & {"script", "a", "img", "link", "iframe"}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_adds_lines_links_or_html_to_the_markdown(text: str) -> None:
    written = handover_markdown(document(text))

    assert written.count("\n") == handover_markdown(document()).count("\n")
    for live in ("<s", "<i", "](", "https:/", "www.", "\u202e", "\u200b"):
        assert live not in written.replace(f"\\{live[0]}", "")


@pytest.mark.anyio
async def test_a_playbook_of_a_job_is_handed_over_in_every_format(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        body = "\n".join(json.dumps(trace(number)) for number in range(8))
        await client.post(
            "/api/scan", params={"dataset": "shop"}, files={"file": ("t.jsonl", body)}
        )
        job = (
            await client.post("/api/playbook", json={"agent_id": "gpt-4o", "background": True})
        ).json()["id"]

        async def result() -> Any:
            return (await client.get(f"/api/jobs/{job}")).json()["result"]

        playbook = await until(result)
        path = f"/api/playbooks/{job}/handover"
        as_json = await client.get(path)
        markdown = await client.get(path, params={"format": "markdown"})
        html = await client.get(path, params={"format": "html"})
        unknown = await client.get("/api/playbooks/nope/handover")

    assert as_json.json() == playbook
    assert markdown.text == handover_markdown(playbook)
    assert html.text == handover_html(playbook)
    assert html.headers["content-disposition"].startswith("attachment")
    assert all(step["title"] in Elements(html.text).text for step in playbook["steps"])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-job")
