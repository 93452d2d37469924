"""Parcel tracking desk on Vertex AI under opentelemetry-instrumentation-vertexai.

tracking_desk (gemini-2.5-pro) -> route_planner (a chat of two turns; tool depot_lookup)
                               -> delay_analyst (the preview class; falls back to another model)
                               -> customer_writer (gemini-2.5-flash, tried twice)
The instrumentation records models only: agents and tools have spans by hand.
"""
import os
import warnings
from collections import Counter
from contextlib import contextmanager

from fakellm import Brain, FakeLLM, case_of, fail, text
from opentelemetry import trace
from opentelemetry.instrumentation.vertexai import VertexAIInstrumentor
from otelboot import setup

warnings.simplefilter("ignore")
tp = setup("parcel-tracking")
VertexAIInstrumentor().instrument(tracer_provider=tp)

import vertexai
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from vertexai.generative_models import GenerativeModel
from vertexai.preview.generative_models import GenerativeModel as PreviewModel

tracer = trace.get_tracer("parcels.agents")
PRO, FLASH, LITE = "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"
brain = Brain()
llm = FakeLLM(brain).start()
vertexai.init(
    project="parcels",
    location="europe-west4",
    api_endpoint=llm.url,
    api_transport="rest",
    credentials=AnonymousCredentials(),
)
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}


# The scripted models.


@brain.on("You track parcels", "tracking_desk")
def _(r):
    return fail(500) if case_of(r.all) == 6 else text("Plan, explain, write.")


@brain.on("You plan routes", "route_planner")
def _(r):
    return text("By the western depot.")


@brain.on("You explain delays", "delay_analyst")
def _(r):
    busy = case_of(r.all) in (3, 7) and r.model == PRO
    return fail(503, "The model is overloaded.") if busy else text("A strike.")


@brain.on("You write to customers", "customer_writer")
def _(r):
    case = case_of(r.all)
    tries[case] += 1
    return fail(429, "Quota exceeded.") if case == 4 and tries[case] == 1 else text("Tomorrow.")


# The agents.


@contextmanager
def span(operation, kind, name):
    attributes = {"gen_ai.operation.name": operation, f"gen_ai.{kind}.name": name}
    with tracer.start_as_current_span(f"{operation} {name}", attributes=attributes):
        done[name] += 1
        try:
            yield
        except Exception:
            done[f"{name} ERROR"] += 1
            raise


def depot_lookup(case):
    with span("execute_tool", "tool", "depot_lookup"):
        if case == 5:
            raise KeyError("depot 5")
        return "western depot"


def route_planner(case):
    with span("invoke_agent", "agent", "route_planner"):
        chat = GenerativeModel(FLASH, system_instruction="You plan routes.").start_chat()
        chat.send_message(f"case {case}: which way?")
        try:
            depot = depot_lookup(case)
        except KeyError:
            depot = "unknown depot"
        return chat.send_message(f"case {case}: it is at the {depot}").text


def delay_analyst(case):
    with span("invoke_agent", "agent", "delay_analyst"):
        system = "You explain delays."
        try:
            model = PreviewModel(PRO, system_instruction=system)
            return model.generate_content(f"case {case}: why?").text
        except GoogleAPICallError:
            model = PreviewModel(LITE, system_instruction=system)
            return model.generate_content(f"case {case}: why?").text


def customer_writer(case):
    with span("invoke_agent", "agent", "customer_writer"):
        model = GenerativeModel(FLASH, system_instruction="You write to customers.")
        try:
            return model.generate_content(f"case {case}: when?").text
        except GoogleAPICallError:
            return model.generate_content(f"case {case}: when?").text


def tracking_desk(case):
    with span("invoke_agent", "agent", "tracking_desk"):
        model = GenerativeModel(PRO, system_instruction="You track parcels.")
        model.generate_content(f"case {case}: where is it?")
        route_planner(case)
        if case % 2:
            delay_analyst(case)
        customer_writer(case)


for case in range(1, 9):
    try:
        tracking_desk(case)
        outcomes["ok"] += 1
    except GoogleAPICallError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
