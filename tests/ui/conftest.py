"""The browser of all walks through the UI."""

from __future__ import annotations

import pytest

from tests.ui.walking import Browser, browser_here


@pytest.fixture(scope="session")
def browser() -> Browser:
    return browser_here()
