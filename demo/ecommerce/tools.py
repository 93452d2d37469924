"""The tools of the online shop."""

from __future__ import annotations

from demo.database import Database
from demo.scripts import Task

_PRICE_CENTS = {"lamp": 4_900, "chair": 12_900, "desk": 34_900, "rug": 8_900}

SCHEMA = """
CREATE TABLE stock (item TEXT PRIMARY KEY, pieces INTEGER NOT NULL);
INSERT INTO stock VALUES ('lamp', 900), ('chair', 400), ('desk', 120), ('rug', 250);
CREATE TABLE shipments (id INTEGER PRIMARY KEY, order_id TEXT NOT NULL);
"""


def price_list(task: Task, _: Database) -> str:
    """Look the price up."""
    return f"{task['item']}: {_PRICE_CENTS[task['item']]} cents"


def campaign_calendar(task: Task, _: Database) -> str:
    """Find the campaign that applies."""
    return f"campaign for {task['item']}: 10 % off"


def issue_coupon(task: Task, _: Database) -> str:
    """Create a coupon code."""
    return f"coupon LOYAL-{task['id']}"


def stock_lookup(task: Task, database: Database) -> str:
    """Count the items in stock."""
    rows = database.run("SELECT pieces FROM stock WHERE item = ?", (task["item"],))
    return f"{rows[0][0]} pieces of {task['item']}"


def risk_score(task: Task, _: Database) -> str:
    """Score the order."""
    return f"risk {len(task['item'])} of 10"


def charge_northpay(task: Task, _: Database) -> str:
    """Charge the card with the usual provider."""
    return f"charged order {task['id']} with NorthPay"


def charge_southpay(task: Task, _: Database) -> str:
    """Charge the card with the second provider."""
    return f"charged order {task['id']} with SouthPay"


def book_courier(task: Task, database: Database) -> str:
    """Book a courier and record the booking."""
    database.run("INSERT INTO shipments (order_id) VALUES (?)", (task["id"],))
    return f"courier booked for {task['id']}"


def similar_items(task: Task, _: Database) -> str:
    """Find items that go with this one."""
    return ", ".join(sorted(_PRICE_CENTS.keys() - {task["item"]}))


def send_receipt(task: Task, _: Database) -> str:
    """Send the receipt."""
    return f"receipt for {task['id']} sent"
