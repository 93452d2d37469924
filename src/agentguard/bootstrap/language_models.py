"""Joins playbooks with the language model of the settings."""

from __future__ import annotations

import time

from agentguard.adapters.files.exchanges import ExchangeFiles
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import PackageMissingError
from agentguard.playbooks.language_models import LanguageModel
from agentguard.playbooks.model_wrappers import (
    BudgetedModel,
    CachedModel,
    RecordingModel,
    RetryingModel,
)
from agentguard.playbooks.refining import Price, Refiner
from agentguard.settings import Settings


def refiner_of(settings: Settings, clock: Clock) -> Refiner | None:
    """Return what phrases playbooks; None where no model is set. Raises PackageMissingError."""
    model = _gemini(settings) or _openai(settings)
    if model is None:
        return None
    if settings.language_model_records is not None:
        model = RecordingModel(model, ExchangeFiles(settings.language_model_records, clock).add)
    budgeted = BudgetedModel(RetryingModel(model), settings.language_model_tokens_per_day, clock)
    return Refiner(CachedModel(budgeted), time.monotonic, _price(settings))


def _gemini(settings: Settings) -> LanguageModel | None:
    if settings.gemini_api_key is None:
        return None
    try:
        from agentguard.adapters.gemini.model import gemini_model
    except ModuleNotFoundError as error:
        raise PackageMissingError("GEMINI_API_KEY", "google-genai", "gemini") from error
    return gemini_model(
        settings.gemini_api_key.get_secret_value(),
        settings.gemini_model,
        settings.gemini_base_url,
        settings.language_model_timeout_seconds,
        api_version=settings.gemini_api_version,
    )


def _openai(settings: Settings) -> LanguageModel | None:
    if settings.openai_base_url is None or settings.openai_model is None:
        return None
    try:
        from agentguard.adapters.openai.model import openai_model
    except ModuleNotFoundError as error:
        raise PackageMissingError("AGENTGUARD_OPENAI_BASE_URL", "openai", "openai") from error
    key = settings.openai_api_key
    return openai_model(
        # The client wants a key; an endpoint without keys ignores it.
        "none" if key is None else key.get_secret_value(),
        settings.openai_model,
        settings.openai_base_url,
        settings.language_model_timeout_seconds,
    )


def _price(settings: Settings) -> Price | None:
    prices = settings.language_model_input_price, settings.language_model_output_price
    return None if prices[0] is None or prices[1] is None else Price(prices[0], prices[1])
