"""Jobs, and the dead letters of jobs that failed after their last attempt."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    faint,
    hanging,
    moment,
    percent,
    plural,
    section,
)
from agentguard.cli.tables.rows import Rows, dispensable, names, number, sentences, text

_JOBS = (
    text("Job"),
    text("Kind"),
    text("State"),
    number("Progress"),
    number("Attempts"),
    dispensable(text("Created"), 1),
    dispensable(sentences("Error"), 2),
)
_LETTERS = (text("Job"), names("Task"), text("Reason"), text("Dead-lettered"))
_STYLES = {"failed": "red", "succeeded": "green", "running": "yellow", "cancelled": "dim"}


def jobs_parts(document: Document) -> list[RenderableType]:
    """Return a page of jobs and, where there are any, the dead letters."""
    jobs = document["jobs"]
    rows: list[list[str | Text]] = [
        [
            j["id"],
            j["kind"],
            _state(j),
            _done(j),
            str(j["attempts"]),
            moment(j["created_at"]),
            _error(j),
        ]
        for j in jobs
    ]
    parts: list[RenderableType] = [
        section(plural(len(jobs), "job"), Rows(_JOBS, rows)) if jobs else faint("No job matches.")
    ]
    if document["next"]:
        parts.append(faint(f"More: agentguard jobs --before {document['next']}"))
    if document["dead_letters"]:
        parts.append(dead_letters_part(document))
    return parts


def job_parts(document: Document) -> list[RenderableType]:
    """Return one job."""
    facts = {
        "Kind": document["kind"],
        "State": _state(document),
        "Progress": _done(document),
        "Attempts": str(document["attempts"]),
        "Created": moment(document["created_at"]),
        "Started": moment(document["started_at"]),
        "Finished": moment(document["finished_at"]),
        "Error": _error(document),
        "Result": "shown by --format json" if document["result"] is not None else "–",
    }
    return [
        section(
            f"Job {document['id']}",
            Group(*(hanging(label, fact, indent=2, width=10) for label, fact in facts.items())),
        )
    ]


def dead_letters_part(document: Document) -> RenderableType:
    """Return the messages in the dead-letter queue."""
    letters = document["dead_letters"]
    if not letters:
        return faint("The dead-letter queue is empty.")
    rows: list[list[str | Text]] = [
        [d["job_id"], d["task"], d["reason"], moment(d["died_at"])] for d in letters
    ]
    return section(plural(len(letters), "dead letter"), Rows(_LETTERS, rows))


def _state(job: Document) -> Text:
    return Text(job["state"], style=_STYLES.get(job["state"], "dim"))


def _done(job: Document) -> str:
    done, total = job["progress"]["done"], job["progress"]["total"]
    return percent(min(1, done / total)) if total else "–"


def _error(job: Document) -> str:
    return f"{job['error']['code']}: {job['error']['message']}" if job["error"] else "–"
