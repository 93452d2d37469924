"""Town archive on Chroma, Anthropic and OpenAI under their OpenLLMetry instrumentations.

archivist (Claude) -> researcher (Claude; tool search_letters, which queries Chroma by text)
                   -> cataloguer (adds, gets and deletes in Chroma)
                   -> exhibitor (Claude Haiku; falls back to gpt-4o-mini)
Chroma embeds by its OpenAI function, inside its own calls. Agents and tools have spans by hand.
"""
import os
from collections import Counter
from contextlib import contextmanager

from fakellm import Brain, FakeLLM, call, case_of, fail, text
from opentelemetry import trace
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.chromadb import ChromaInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from otelboot import setup

tp = setup("town-archive")
for instrumentor in (AnthropicInstrumentor(), ChromaInstrumentor(), OpenAIInstrumentor()):
    instrumentor.instrument(tracer_provider=tp)

import chromadb
from anthropic import Anthropic, APIStatusError
from chromadb.config import Settings
from chromadb.errors import ChromaError
from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction
from openai import OpenAI

tracer = trace.get_tracer("archive.agents")
SONNET, HAIKU, MINI = "claude-sonnet-4-20250514", "claude-haiku-4-5-20251001", "gpt-4o-mini"
brain = Brain()
llm = FakeLLM(brain).start()
anthropic = Anthropic(base_url=llm.url, api_key="x", max_retries=0)
openai = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
done = Counter()
outcomes = {"ok": 0, "failed": 0}


class Embedding(OpenAIEmbeddingFunction):
    """Chroma's own function, counted."""

    def __call__(self, texts):
        done[f"embeds for {who[-1]}"] += 1
        return super().__call__(texts)


who = []
embed = Embedding(api_key="x", api_base=llm.url + "/v1", model_name="text-embedding-3-small")
client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
letters = client.create_collection("letters", embedding_function=embed)


# The scripted models.


@brain.on("You run the archive", "archivist")
def _(r):
    return fail(500) if case_of(r.all) == 6 else text("Search, then write.")


@brain.on("You search letters", "researcher")
def _(r):
    case = case_of(r.first_user)
    if not r.results or (case == 4 and len(r.results) == 1):
        return call("search_letters", case=case, again=len(r.results) > 0)
    return text("Three letters of 1871.")


@brain.on("You write labels", "exhibitor")
def _(r):
    busy = case_of(r.all) in (2, 7) and r.model == HAIKU
    return fail(529, "Overloaded") if busy else text("A letter from the mayor.")


# The agents.


@contextmanager
def span(operation, kind, name):
    attributes = {"gen_ai.operation.name": operation, f"gen_ai.{kind}.name": name}
    with tracer.start_as_current_span(f"{operation} {name}", attributes=attributes):
        done[name] += 1
        who.append(name)
        try:
            yield
        except Exception:
            done[f"{name} ERROR"] += 1
            raise
        finally:
            who.pop()


def chroma(operation, **arguments):
    done[f"{who[-1]} chroma {operation}"] += 1
    try:
        return getattr(letters, operation)(**arguments)
    except ChromaError:
        done[f"{who[-1]} chroma {operation} ERROR"] += 1
        raise


def claude(model, system, messages, **more):
    return anthropic.messages.create(
        model=model, max_tokens=200, system=system, messages=messages, **more
    )


def search_letters(case, again):
    with span("execute_tool", "tool", "search_letters"):
        if case == 4 and not again:
            return str(chroma("query", query_embeddings=[[0.1, 0.2]], n_results=2))
        return str(chroma("query", query_texts=[f"case {case}: the mayor"], n_results=2))


TOOLS = [{"name": "search_letters", "description": "Search.", "input_schema": {"type": "object"}}]


def researcher(case):
    with span("invoke_agent", "agent", "researcher"):
        messages = [{"role": "user", "content": f"case {case}: letters of the mayor"}]
        while True:
            said = claude(SONNET, "You search letters.", messages, tools=TOOLS)
            uses = [block for block in said.content if block.type == "tool_use"]
            if not uses:
                return said.content[0].text
            try:
                found = search_letters(**uses[0].input)
            except ChromaError as error:
                found = str(error)
            result = {"type": "tool_result", "tool_use_id": uses[0].id, "content": found}
            messages.append({"role": "assistant", "content": [uses[0].model_dump()]})
            messages.append({"role": "user", "content": [result]})


def cataloguer(case):
    with span("invoke_agent", "agent", "cataloguer"):
        chroma("add", ids=[f"l{case}"], documents=[f"letter {case}, from the mayor"])
        chroma("get", ids=[f"l{case}"])
        if case == 8:
            chroma("delete", ids=["l1"])


def exhibitor(case):
    with span("invoke_agent", "agent", "exhibitor"):
        said = {"role": "user", "content": f"case {case}: a label"}
        try:
            return claude(HAIKU, "You write labels.", [said]).content[0].text
        except APIStatusError:
            messages = [{"role": "system", "content": "You write labels."}, said]
            answer = openai.chat.completions.create(model=MINI, messages=messages)
            return answer.choices[0].message.content


def archivist(case):
    with span("invoke_agent", "agent", "archivist"):
        said = {"role": "user", "content": f"case {case}: the mayor"}
        claude(SONNET, "You run the archive.", [said])
        cataloguer(case)
        researcher(case)
        if case != 3:
            exhibitor(case)


for case in range(1, 9):
    try:
        archivist(case)
        outcomes["ok"] += 1
    except APIStatusError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
