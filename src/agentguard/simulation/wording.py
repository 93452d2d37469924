"""Numbers, names and lists as people write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

EXACT = 1e-9
"""Expectations this close to a whole number are that number."""


def joined(items: Sequence[str]) -> str:
    """Return the items as an enumeration: `a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def first(items: Sequence[str], limit: int, noun: str) -> str:
    """Return the first items and how many more there are, counted in `noun`."""
    rest = len(items) - limit
    if rest <= 0:
        return joined(items)
    return joined([*items[:limit], f"{rest:,} other {noun}{'' if rest == 1 else 's'}"])


def plural(number: int, noun: str) -> str:
    """Return the number with its noun: `1 run`, `1,200 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def expected(number: float, of: float = math.inf) -> str:
    """Return an expectation: `9`, `about 9`, `about 0.3`, `fewer than 0.1`.

    Only none reads 0, and only all of them reads `of`.
    """
    nearest = round(number)
    if abs(number - nearest) <= EXACT:
        return f"{nearest:,}"
    if 0 < nearest < of:
        return f"about {nearest:,}"
    tenths = round(number, 1) if nearest == 0 else math.floor(10 * number) / 10
    return f"about {tenths:,.1f}" if tenths > 0 else "fewer than 0.1"


def percent(share: float) -> str:
    """Return a share (0 to 1) in percent, without the sign; only exact 0 and 1 read 0 and 100."""
    value = 100 * share
    if value in (0, 100):
        return f"{value:.0f}"
    if value < 1:
        return "<0.1" if value < 0.1 else f"{math.floor(10 * value) / 10:.1f}"
    return f"{min(math.floor(10 * value) / 10, 99.9):.1f}" if value > 99 else f"{value:.0f}"


def percent_range(low: float, high: float) -> str:
    """Return a range of shares: `82–100 %`, or `82 %` if both ends read the same."""
    ends = dict.fromkeys([percent(low), percent(high)])
    return f"{'–'.join(ends)} %"


def money(amount: float, currency: str | None) -> str:
    """Return an amount: to the unit from 100 on, else to the hundredth; never 0 for something."""
    if amount >= 100 or amount == round(amount):
        text = f"{amount:,.0f}"
    else:
        text = f"{amount:.2f}" if amount >= 0.01 else "less than 0.01"
    return f"{text} {currency or ''}".strip()
