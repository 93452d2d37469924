"""A translation bureau on pydantic-ai, traced by the logfire SDK (nothing sent to Logfire; OTLP only).

intake_editor (entry): tools count_words, ask_terminologist (delegation); ends with an output function: translate_legal -> legal_translator,
  or translate_literary -> literary_translator: the run's output is the other agent's, i.e. a handoff.
terminologist: tools lookup_term, add_term of the MCP server term-base (stdio).
legal_translator: gpt-4.1, falls back to gpt-4.1-mini (FallbackModel).
literary_translator: tool back_translate, which calls OpenAI's client itself.
logfire.instrument_pydantic_ai, instrument_openai and instrument_httpx at once: every model call is traced twice (instrument_openai suppresses httpx's spans by default).
"""
import asyncio, collections, os, sys
import logfire
from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text

logfire.configure(send_to_logfire=False, console=False, service_name="translation-bureau", service_version="1.8.0", environment="staging")
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from fastmcp.client.transports import StdioTransport

Agent.instrument_all(InstrumentationSettings(version=6))
logfire.instrument_openai()
logfire.instrument_httpx()

brain = Brain()
llm = FakeLLM(brain).start()
N = collections.Counter()
oai = AsyncOpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
prov = OpenAIProvider(openai_client=oai)
big, mini = OpenAIChatModel("gpt-4.1", provider=prov), OpenAIChatModel("gpt-4.1-mini", provider=prov)

term_base = MCPToolset(StdioTransport(sys.executable, [os.path.join(os.path.dirname(os.path.abspath(__file__)), "term_base.py")]), id="term-base")
terminologist = Agent(mini, name="terminologist", instructions="You are the terminologist.", toolsets=[term_base], retries=2)
legal_translator = Agent(FallbackModel(big, mini), name="legal_translator", instructions="You are the legal translator.")
literary_translator = Agent(big, name="literary_translator", instructions="You are the literary translator.")


@literary_translator.tool_plain
async def back_translate(sentence: str) -> str:
    """Translate a sentence back, as a check."""
    N["back_translate"] += 1
    try:
        r = await oai.chat.completions.create(model="gpt-4.1-mini", messages=[{"role": "system", "content": "Translate back to English."}, {"role": "user", "content": sentence}])
        return r.choices[0].message.content
    except Exception:
        N["back_translate model error"] += 1
        return "no back translation today"


async def translate_legal(ctx: RunContext[None], passage: str) -> str:
    """Pass the job on to the legal translator."""
    N["translate_legal"] += 1
    return (await legal_translator.run(passage, usage=ctx.usage)).output


async def translate_literary(ctx: RunContext[None], passage: str) -> str:
    """Pass the job on to the literary translator."""
    N["translate_literary"] += 1
    return (await literary_translator.run(passage, usage=ctx.usage)).output


intake_editor = Agent(big, name="intake_editor", instructions="You are the intake editor.", output_type=[translate_legal, translate_literary])


@intake_editor.tool_plain(retries=2)
def count_words(document: str) -> int:
    """Count the words of a document."""
    N["count_words"] += 1
    if not document.startswith("doc-"):
        N["count_words error"] += 1
        raise ModelRetry("documents are named like doc-7")
    return 812


@intake_editor.tool
async def ask_terminologist(ctx: RunContext[None], question: str) -> str:
    """Ask the terminologist."""
    N["ask_terminologist"] += 1
    return (await terminologist.run(question, usage=ctx.usage)).output


@brain.on("You are the intake editor", "intake_editor")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("count_words"):
        return call("count_words", document="case file" if c == 6 else f"doc-{c}")
    if c == 6 and len(r.did("count_words")) == 1:
        return call("count_words", document="doc-6")
    if not r.did("ask_terminologist"):
        return call("ask_terminologist", question=f"Term for contract, case {c}?")
    kind = "literary" if c % 2 else "legal"
    return call(next(t for t in r.tools if t.endswith("translate_" + kind)), passage=f"A passage of case {c}")


@brain.on("You are the terminologist", "terminologist")
def _(r):
    c, done = case_of(r.first_user), r.did("lookup_term")
    if not done:
        return call("lookup_term", term="broken index" if c == 3 else "contract")
    if c == 3 and len(done) == 1:
        return call("lookup_term", term="contract")
    return call("add_term", term="contract", translation="Vertrag") if c == 1 and not r.did("add_term") else text("Vertrag")


@brain.on("You are the legal translator", "legal_translator")
def _(r):
    return fail(500) if case_of(r.first_user) == 4 and r.model == "gpt-4.1" else text("Der Vertrag gilt.")


@brain.on("You are the literary translator", "literary_translator")
def _(r):
    return text("Es war einmal.") if r.did("back_translate") else call("back_translate", sentence=f"Es war einmal, case {case_of(r.first_user)}")


@brain.on("Translate back to English", "back_translate")
def _(r):
    return fail(500) if case_of(r.user) == 7 else text("Once upon a time.")


async def main():
    o = {"ok": 0, "failed": {}}
    for c in range(1, 9):
        try:
            with logfire.span("translation job {case}", case=c, customer=f"cust-{c % 3}"):
                await intake_editor.run(f"Translate the attached document, case {c}")
            o["ok"] += 1
        except Exception as e:
            o["failed"][c] = f"{type(e).__name__}: {e}"[:140]
    return o


out = asyncio.run(main())
logfire.shutdown()
print(brain.dump({"outcomes": out, "counted": N}))
