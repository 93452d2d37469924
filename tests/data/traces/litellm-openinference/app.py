"""Choir tour on the LiteLLM SDK under openinference-instrumentation-litellm, with OITracer.

tour_manager (a Router's alias of gpt-4o) -> hotel_scout (Claude with the tool room_rates; embeds)
                                          -> programme_editor (a Router with a fallback)
                                          -> press_writer (gpt-4o-mini, retried by LiteLLM)
                                          -> blog_writer (gpt-4o-mini, streamed)
Agents and tools are the decorators of openinference-instrumentation.
"""
import json
import os
from collections import Counter

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from openinference.instrumentation import OITracer, TraceConfig
from openinference.instrumentation.litellm import LiteLLMInstrumentor
from otelboot import setup

tp = setup("choir-tour")
LiteLLMInstrumentor().instrument(tracer_provider=tp)

import litellm

tracer = OITracer(tp.get_tracer("tour.agents"), config=TraceConfig())
brain = Brain()
llm = FakeLLM(brain).start()
OPENAI = {"api_base": llm.url + "/v1", "api_key": "x"}
CLAUDE = {"api_base": llm.url, "api_key": "x"}
SONNET, HAIKU = "anthropic/claude-sonnet-4-20250514", "anthropic/claude-haiku-4-5-20251001"
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}
router = litellm.Router(
    model_list=[
        {"model_name": "planner", "litellm_params": {"model": "openai/gpt-4o", **OPENAI}},
        {"model_name": "editor", "litellm_params": {"model": "openai/gpt-4.1-mini", **OPENAI}},
        {"model_name": "editor-backup", "litellm_params": {"model": HAIKU, **CLAUDE}},
    ],
    fallbacks=[{"editor": ["editor-backup"]}],
    num_retries=0,
    disable_cooldowns=True,
)


# The scripted models.


@brain.on("You manage the tour", "tour_manager")
def _(r):
    return fail(500) if case_of(r.all) == 6 else text("Hotels, programme, press.")


@brain.on("You scout hotels", "hotel_scout")
def _(r):
    case = case_of(r.first_user)
    return text("The Harbour Inn.") if r.did("room_rates") else call("room_rates", case=case)


@brain.on("You edit programmes", "programme_editor")
def _(r):
    broken = case_of(r.all) in (2, 5) and r.model == "gpt-4.1-mini"
    return fail(503, "overloaded") if broken else text("Tallis, then Byrd.")


@brain.on("You write to the press", "press_writer")
def _(r):
    case = case_of(r.all)
    tries[case] += 1
    broken = case == 3 and tries[case] == 1
    return fail(500) if broken else text("The choir is coming.")


@brain.on("You write the blog", "blog_writer")
def _(r):
    return text("Day one on the road.")


# The agents.


def counted(work):
    def counting(case):
        done[work.__name__] += 1
        try:
            return work(case)
        except Exception:
            done[f"{work.__name__} ERROR"] += 1
            raise

    return counting


def messages(system, said):
    return [{"role": "system", "content": system}, {"role": "user", "content": said}]


@tracer.tool(name="room_rates", description="Rates of rooms.")
def room_rates(case: int) -> str:
    done["room_rates"] += 1
    if case == 4:
        done["room_rates ERROR"] += 1
        raise TimeoutError("booking site does not answer")
    return "80 a night"


RATES = {
    "type": "function",
    "function": {
        "name": "room_rates",
        "description": "Rates of rooms.",
        "parameters": {"type": "object", "properties": {"case": {"type": "integer"}}},
    },
}


@tracer.agent(name="hotel_scout")
@counted
def hotel_scout(case):
    done["hotel_scout embeds"] += 1
    litellm.embedding(model="openai/text-embedding-3-small", input=[f"case {case}"], **OPENAI)
    talk = messages("You scout hotels.", f"case {case}: rooms for forty singers")
    while True:
        answer = litellm.completion(model=SONNET, messages=talk, tools=[RATES], **CLAUDE)
        said = answer.choices[0].message
        if not said.tool_calls:
            return said.content
        wanted = said.tool_calls[0]
        try:
            found = room_rates(**json.loads(wanted.function.arguments))
        except TimeoutError as error:
            found = str(error)
        talk.append(said.model_dump())
        talk.append({"role": "tool", "tool_call_id": wanted.id, "content": found})


@tracer.agent(name="programme_editor")
@counted
def programme_editor(case):
    talk = messages("You edit programmes.", f"case {case}: an evening")
    return router.completion(model="editor", messages=talk).choices[0].message.content


@tracer.agent(name="press_writer")
@counted
def press_writer(case):
    talk = messages("You write to the press.", f"case {case}: the tour")
    answer = litellm.completion(
        model="openai/gpt-4o-mini", messages=talk, num_retries=1, max_retries=0, **OPENAI
    )
    return answer.choices[0].message.content


@tracer.agent(name="blog_writer")
@counted
def blog_writer(case):
    talk = messages("You write the blog.", f"case {case}: the tour")
    parts = litellm.completion(model="openai/gpt-4o-mini", messages=talk, stream=True, **OPENAI)
    return "".join(part.choices[0].delta.content or "" for part in parts)


@tracer.agent(name="tour_manager")
@counted
def tour_manager(case):
    talk = messages("You manage the tour.", f"case {case}: a tour")
    router.completion(model="planner", messages=talk)
    hotel_scout(case)
    programme_editor(case)
    if case % 2:
        press_writer(case)
    else:
        blog_writer(case)


for case in range(1, 9):
    try:
        tour_manager(case)
        outcomes["ok"] += 1
    except litellm.exceptions.APIError as error:
        print(case, str(error)[:100])
        outcomes["failed"] += 1
    except Exception as error:
        print(case, type(error), str(error)[:300])
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
