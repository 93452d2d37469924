"""Museum guide on the Langfuse SDK: observe decorators of every type, and Langfuse's OpenAI wrapper."""
import os

os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-x", LANGFUSE_SECRET_KEY="sk-lf-x", LANGFUSE_BASE_URL=f"http://127.0.0.1:{os.environ['REC_PORT']}", LANGFUSE_HOST=f"http://127.0.0.1:{os.environ['REC_PORT']}", OTEL_SERVICE_NAME="museum-guide")
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from langfuse import get_client, observe
from langfuse.openai import OpenAI

brain = Brain()
llm = FakeLLM(brain).start()
client = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
tools = {}


def ask(model, system, question):
    return client.chat.completions.create(model=model, messages=[{"role": "system", "content": system}, {"role": "user", "content": question}]).choices[0].message.content


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


@brain.on("You guide visitors", "tour_guide")
def _(r):
    if case_of(r.first_user) == 6:
        return fail(500)
    return text("See the mummies.")


@brain.on("You know paintings", "art_expert")
def _(r):
    if r.model == "gpt-4o" and case_of(r.first_user) in (3, 4):
        return fail(500)
    return text("A Vermeer.")


@brain.on("You sell tickets", "ticket_clerk")
def _(r):
    return text("12 euros.")


@observe(as_type="tool")
def opening_hours(case):
    counted("opening_hours", case == 2)
    if case == 2:
        raise TimeoutError("calendar is down")
    return "9 to 17"


@observe(as_type="retriever")
def search_collection(case):
    return ["The Milkmaid"]


@observe(as_type="agent")
def art_expert(case):
    search_collection(case)
    try:
        return ask("gpt-4o", "You know paintings.", f"Which painter? case {case}")
    except Exception:
        return ask("gpt-4o-mini", "You know paintings.", f"Which painter? case {case}")


@observe(as_type="agent", name="ticket_clerk")
def sell(case):
    return ask("gpt-4o-mini", "You sell tickets.", f"How much? case {case}")


@observe(as_type="agent")
def tour_guide(case):
    try:
        opening_hours(case)
    except TimeoutError:
        pass
    expert = art_expert(case)
    clerk = sell(case)
    return ask("gpt-4o", "You guide visitors.", f"{expert} {clerk} case {case}")


@observe(name="visit")
def visit(case):
    return tour_guide(case)


out = {"ok": 0, "failed": 0}
for c in range(1, 8):
    try:
        visit(c)
        out["ok"] += 1
    except Exception as e:
        print(c, type(e))
        out["failed"] += 1
get_client().flush()
get_client().shutdown()
print(brain.dump({"outcomes": out, "tools": tools}))
