"""Every page of the web UI in both themes and sizes; the pictures are kept."""

from __future__ import annotations

import pytest

from tests.ui.walking import PAGES, SCREENSHOTS, Browser, Found
from tests.web.process import Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]


@pytest.fixture(scope="module")
def found(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return browser.walk("looks.mjs", server.url, tmp_path_factory.mktemp("walk"))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("page", PAGES)
def test_pages_open_without_errors_and_violations_of_accessibility(found, page, theme):
    assert found[f"{page} {theme}"] == {"wrong": [], "axe": [], "theme": theme}
    for size in ("1600x900", "1280x720"):
        assert (SCREENSHOTS / f"{page}-{theme}-{size}.png").stat().st_size > 0
