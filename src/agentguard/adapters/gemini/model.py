"""Gemini through google-genai."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from google import genai
from google.genai import errors, types

from agentguard.playbooks.language_models import (
    Answer,
    Completion,
    ModelUnavailableError,
    Prompt,
    Refusal,
    Schema,
    Usage,
    delay_seconds,
    unfinished,
)

_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
_MAX_OUTPUT_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class GeminiModel:
    """A LanguageModel."""

    client: genai.Client
    model: str
    max_output_tokens: int = _MAX_OUTPUT_TOKENS

    @property
    def name(self) -> str:
        return f"gemini:{self.model}"

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        try:
            found = await self.client.aio.models.generate_content(
                model=self.model, contents=prompt.content, config=self._config(prompt, schema)
            )
        except errors.APIError as error:
            return _failed(error)
        except (httpx.TimeoutException, TimeoutError):
            raise ModelUnavailableError("it did not answer in time") from None
        except httpx.TransportError as error:
            raise ModelUnavailableError(f"it is unreachable ({type(error).__name__})") from None
        # A body that is no JSON, or not of the API's types: the client lets its own slips through.
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return Refusal("its answer is not one of the Gemini API")
        return self._completion(found)

    def _config(self, prompt: Prompt, schema: Schema) -> types.GenerateContentConfig:
        return types.GenerateContentConfig(
            system_instruction=prompt.instructions,
            temperature=0,
            max_output_tokens=self.max_output_tokens,
            response_mime_type="application/json",
            response_json_schema=dict(schema),
        )

    def _completion(self, found: types.GenerateContentResponse) -> Completion:
        """Return what the response says; `.parsed` is not used: it is None for most failures."""
        usage = _usage(found.usage_metadata)
        feedback = found.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            return Refusal(f"the question was blocked ({feedback.block_reason.value})", usage)
        candidates = found.candidates or []
        if not candidates:
            return Refusal("it returned no answer", usage)
        ended = candidates[0].finish_reason
        if ended is not None and ended is not types.FinishReason.STOP:
            return unfinished(ended.value, usage, cut_off=ended is types.FinishReason.MAX_TOKENS)
        content = candidates[0].content
        parts = (content.parts if content else None) or []
        text = "".join(part.text for part in parts if part.text and not part.thought)
        if not text.strip():
            return Refusal("it returned an empty answer", usage)
        return Answer(text, usage, f"gemini:{found.model_version or self.model}")


def gemini_model(
    key: str,
    model: str,
    base_url: str | None,
    timeout_seconds: float,
    *,
    api_version: str = "v1beta",
) -> GeminiModel:
    """Return the model. The client retries nothing: wrappers do."""
    options = types.HttpOptions(
        base_url=base_url,
        api_version=api_version,
        timeout=round(1000 * timeout_seconds),
        retry_options=types.HttpRetryOptions(attempts=1),
        # Stated, as the client would otherwise take another library where that is installed.
        httpx_async_client=httpx.AsyncClient(timeout=timeout_seconds),
    )
    return GeminiModel(genai.Client(api_key=key, http_options=options), model)


def _failed(error: errors.APIError) -> Refusal:
    """Return why the request was refused; raise ModelUnavailableError if it may succeed later."""
    if error.code in _RETRYABLE:
        headers = getattr(error.response, "headers", None) or {}
        wait = delay_seconds(headers.get("retry-after"))
        raise ModelUnavailableError(f"it answered with status {error.code}", wait)
    return Refusal(f"the request was refused with status {error.code} ({error.status})")


def _usage(found: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if found is None or found.prompt_token_count is None:
        return Usage()
    thoughts = found.thoughts_token_count or 0
    return Usage(found.prompt_token_count, (found.candidates_token_count or 0) + thoughts)
