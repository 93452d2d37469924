"""Library desk on LlamaIndex AgentWorkflow (handoffs between function agents), OpenLLMetry's instrumentation of LlamaIndex."""
import asyncio

from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("library-desk")
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor

LlamaIndexInstrumentor().instrument()
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai_like import OpenAILike

brain = Brain()
llm = FakeLLM(brain).start()
tools = {}


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


def model(m):
    return OpenAILike(model=m, api_base=llm.url + "/v1", api_key="x", is_chat_model=True, is_function_calling_model=True, max_retries=0)


def find_book(case: int) -> str:
    """Find a book."""
    counted("find_book", case == 2)
    if case == 2:
        raise ConnectionError("catalogue is down")
    return "Shelf 12"


def lend_book(case: int) -> str:
    """Lend a book."""
    counted("lend_book")
    return "Lent for 4 weeks"


@brain.on("You greet readers", "front_desk")
def _(r):
    c = case_of(r.first_user)
    return call("handoff", to_agent="fine_clerk" if c == 3 else "librarian", reason="yours")


@brain.on("You are the librarian", "librarian")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("find_book"):
        return call("find_book", case=c)
    return call("lend_book", case=c) if not r.did("lend_book") else text("Here you are.")


@brain.on("You collect fines", "fine_clerk")
def _(r):
    return text("Two euros.")


def workflow():
    desk = FunctionAgent(name="front_desk", description="greets", system_prompt="You greet readers.", llm=model("gpt-4o-mini"), can_handoff_to=["librarian", "fine_clerk"], streaming=False)
    librarian = FunctionAgent(name="librarian", description="lends", system_prompt="You are the librarian.", llm=model("gpt-4o"), tools=[find_book, lend_book], can_handoff_to=[], streaming=False)
    clerk = FunctionAgent(name="fine_clerk", description="fines", system_prompt="You collect fines.", llm=model("gpt-4o-mini"), can_handoff_to=[], streaming=False)
    return AgentWorkflow(agents=[desk, librarian, clerk], root_agent="front_desk", timeout=60)


out = {"ok": 0, "failed": 0}


async def main():
    for c in range(1, 7):
        try:
            await workflow().run(user_msg=f"I want a book, case {c}")
            out["ok"] += 1
        except Exception as e:
            print(c, type(e))
            out["failed"] += 1


asyncio.run(main())
tp.shutdown()
print(brain.dump({"outcomes": out, "tools": tools}))
