"""Users, keys and sessions in the web UI, in a real browser on a server that has none at first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ui.walking import Browser, Found
from tests.web.process import Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]


@pytest.fixture(scope="module")
def found(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    server = Server(tmp_path_factory.mktemp("accounts"))
    try:
        yield browser.walk("accounts.mjs", server.url, tmp_path_factory.mktemp("home"))
    finally:
        server.kill()


def test_the_first_user_is_created_and_signs_in(found):
    users = found["users"]

    assert users["before"] == "This machine"
    assert users["after"] == "adaadmin"
    assert (users["wrong"], users["axe"]) == ([], [])


def test_the_last_administrator_stays_one_and_the_page_says_why(found):
    assert found["users"]["lastAdmin"].startswith("This is the last user with the role admin.")


def test_hostile_names_of_users_are_text_and_removing_asks_once_more(found):
    users = found["users"]

    assert users["really"] == ("Remove <img src=x onerror=alert(1)> and all sessions")
    assert users["images"] == 0


def test_a_key_is_shown_once_and_works_until_it_is_replaced_or_revoked(found):
    keys = found["keys"]

    assert keys["first"] == 200
    assert keys["rotated"] == [401, 200]
    assert keys["revoked"] == 401
    assert keys["again"] == 0
    assert (keys["wrong"], keys["axe"]) == ([], [])


def test_what_was_typed_survives_the_end_of_the_session(found):
    session = found["session"]

    assert session["title"] == session["opened"] == "typed before the session ended"
    assert (session["wrong"], session["axe"]) == ([], [])


def test_a_viewer_sees_no_control_that_the_role_does_not_allow(found):
    viewer = found["viewer"]

    assert viewer["who"] == "eveviewer"
    assert (viewer["left"], viewer["actions"], viewer["open"]) == (0, 0, 0)
    assert viewer["parts"] == [
        "Connected services",
        "Notifications",
        "Retention and thresholds",
        "Appearance",
        "Your password",
    ]
    assert viewer["wrong"] == []
