"""What adapters of language models share."""

from __future__ import annotations

import pytest

from agentguard.playbooks.language_models import delay_seconds


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), (" 0.5 ", 0.5), ("0", 0)])
def test_a_delay_is_read(header, seconds):
    assert delay_seconds(header) == seconds


@pytest.mark.parametrize(
    "header",
    [None, "", "-1", "nan", "inf", "1e999", "²", "١", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400],
)
def test_what_is_no_number_of_seconds_is_no_delay(header):
    assert delay_seconds(header) is None
