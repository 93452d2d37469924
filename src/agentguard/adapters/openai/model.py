"""Models behind an endpoint that is compatible with OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import dataclass

import openai
from openai.types.chat import ChatCompletion

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

_RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504})
_MAX_OUTPUT_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class OpenAIModel:
    """A LanguageModel."""

    client: openai.AsyncOpenAI
    model: str
    max_output_tokens: int = _MAX_OUTPUT_TOKENS

    @property
    def name(self) -> str:
        return f"openai:{self.model}"

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        try:
            found = await self.client.chat.completions.create(
                model=self.model,
                messages=[
                    {"role": "system", "content": prompt.instructions},
                    {"role": "user", "content": prompt.content},
                ],
                temperature=0,
                max_tokens=self.max_output_tokens,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "playbook", "schema": dict(schema), "strict": True},
                },
            )
        except openai.APITimeoutError:
            raise ModelUnavailableError("it did not answer in time") from None
        except openai.APIConnectionError:
            raise ModelUnavailableError("it is unreachable") from None
        except openai.APIStatusError as error:
            return _failed(error)
        # A body that is no JSON, or not of the API's types.
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError):
            return Refusal("its answer is not one of the chat completions API")
        return self._checked(found)

    def _checked(self, found: object) -> Completion:
        """Return what the response says: the client does not validate what a gateway answers."""
        try:
            raw = found.to_dict(warnings=False) if isinstance(found, ChatCompletion) else found
            return self._completion(ChatCompletion.model_validate(raw))
        except (ValueError, TypeError, AttributeError):
            return Refusal("its answer is not one of the chat completions API")

    def _completion(self, found: ChatCompletion) -> Completion:
        usage = _usage(found)
        if not found.choices:
            return Refusal("it returned no answer", usage)
        choice = found.choices[0]
        if choice.finish_reason != "stop":
            cut_off = choice.finish_reason == "length"
            return unfinished(choice.finish_reason, usage, cut_off=cut_off)
        if choice.message.refusal:
            return Refusal("it refused to answer", usage)
        text = choice.message.content
        if text is None or not text.strip():
            return Refusal("it returned an empty answer", usage)
        return Answer(text, usage, f"openai:{found.model or self.model}")


def openai_model(key: str, model: str, base_url: str, timeout_seconds: float) -> OpenAIModel:
    """Return the model. The client retries nothing: wrappers do."""
    client = openai.AsyncOpenAI(
        api_key=key, base_url=base_url, timeout=timeout_seconds, max_retries=0
    )
    return OpenAIModel(client, model)


def _failed(error: openai.APIStatusError) -> Refusal:
    """Return why the request was refused; raise ModelUnavailableError if it may succeed later."""
    if error.status_code in _RETRYABLE:
        wait = delay_seconds(error.response.headers.get("retry-after"))
        raise ModelUnavailableError(f"it answered with status {error.status_code}", wait)
    return Refusal(f"the request was refused with status {error.status_code}")


def _usage(found: ChatCompletion) -> Usage:
    if found.usage is None:
        return Usage()
    return Usage(found.usage.prompt_tokens, found.usage.completion_tokens)
