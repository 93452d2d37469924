"""Which language model the settings choose, and what wrong ones say."""

from __future__ import annotations

import pytest

from agentguard.bootstrap.language_models import refiner_of
from agentguard.kernel.clock import system_clock
from agentguard.playbooks.refining import Price
from agentguard.settings import SettingsError, load_settings

KEY = "zq9-secret"
GATEWAY = {
    "AGENTGUARD_OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "AGENTGUARD_OPENAI_MODEL": "qwen3",
}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"GEMINI_API_KEY": KEY}, "gemini:gemini-3.8-flash"),
        ({"GEMINI_API_KEY": KEY, "GEMINI_MODEL": "gemini-x"}, "gemini:gemini-x"),
        ({"AGENTGUARD_GEMINI_API_KEY": KEY}, "gemini:gemini-3.8-flash"),
        (GATEWAY, "openai:qwen3"),
        (GATEWAY | {"AGENTGUARD_OPENAI_API_KEY": KEY}, "openai:qwen3"),
    ],
)
def test_the_settings_choose_the_model(monkeypatch, variables: dict[str, str], name: str | None):
    for each, value in variables.items():
        monkeypatch.setenv(each, value)
    settings = load_settings()
    refiner = refiner_of(settings, system_clock)

    assert (None if refiner is None else refiner.model.name) == name
    assert KEY not in f"{settings!r} {settings}"


def test_costs_need_both_prices(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("AGENTGUARD_LANGUAGE_MODEL_INPUT_PRICE", "0.3")
    with pytest.raises(SettingsError, match="_OUTPUT_PRICE must be set together"):
        load_settings()

    monkeypatch.setenv("AGENTGUARD_LANGUAGE_MODEL_OUTPUT_PRICE", "2.5")
    refiner = refiner_of(load_settings(), system_clock)
    assert refiner is not None
    assert refiner.price == Price(0.3, 2.5)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AGENTGUARD_OPENAI_MODEL": "qwen3"}, "must be set together"),
        (GATEWAY | {"GEMINI_API_KEY": KEY}, "are both set; set only one of them"),
        ({"AGENTGUARD_GEMINI_BASE_URL": "ftp://gateway"}, "begins with http:// or https://"),
        ({"AGENTGUARD_GEMINI_BASE_URL": f"https://{KEY}@gateway"}, "has no credentials"),
        ({"AGENTGUARD_GEMINI_API_VERSION": "v2"}, "AGENTGUARD_GEMINI_API_VERSION"),
        ({"AGENTGUARD_LANGUAGE_MODEL_TIMEOUT_SECONDS": "0"}, "_TIMEOUT_SECONDS"),
        ({"AGENTGUARD_LANGUAGE_MODEL_TOKENS_PER_DAY": "-1"}, "_TOKENS_PER_DAY"),
    ],
)
def test_wrong_settings_are_named_without_secrets(
    monkeypatch, variables: dict[str, str], words: str
):
    for each, value in variables.items():
        monkeypatch.setenv(each, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert words in str(caught.value)
    assert KEY not in str(caught.value)
