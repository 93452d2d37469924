"""The tools of the content pipeline."""

from __future__ import annotations

from demo.database import Database
from demo.scripts import Task

SCHEMA = """
CREATE TABLE articles (id TEXT PRIMARY KEY, topic TEXT NOT NULL);
INSERT INTO articles VALUES
  ('archive-1', 'harbour'), ('archive-2', 'forest'), ('archive-3', 'market');
"""


def web_search(task: Task, _: Database) -> str:
    """Search the web."""
    return f"three pages about the {task['topic']}"


def archive_search(task: Task, database: Database) -> str:
    """Search our own articles."""
    rows = database.run("SELECT count(*) FROM articles WHERE topic = ?", (task["topic"],))
    return f"{rows[0][0]} articles about the {task['topic']}"


def style_check(task: Task, _: Database) -> str:
    """Check the text against the style guide."""
    return f"style of {task['id']} is fine"


def verify_claims(task: Task, _: Database) -> str:
    """Look the claims up."""
    return f"claims of {task['id']} hold"


def render_page(task: Task, _: Database) -> str:
    """Turn the text into a page."""
    return f"<h1>The {task['topic']}</h1>"


def save_article(task: Task, database: Database) -> str:
    """Store the article."""
    database.run("INSERT INTO articles VALUES (?, ?)", (task["id"], task["topic"]))
    return f"{task['id']} saved"


def notify_readers(task: Task, _: Database) -> str:
    """Tell the subscribers."""
    return f"readers of {task['id']} notified"
