"""Sewing workshop on Milvus (Lite), LanceDB and OpenAI under their OpenLLMetry instrumentations.

workshop_lead (gpt-4o) -> pattern_finder (embeds; Milvus: patterns, else patterns_archive)
                       -> pattern_keeper (writes, reads and deletes in Milvus: patterns)
                       -> fabric_clerk (LanceDB: the table fabrics; gpt-4o-mini, tried twice)
The instrumentations record models and stores: agents have spans by hand.
"""
import os
import tempfile
from collections import Counter
from contextlib import contextmanager

from fakellm import Brain, FakeLLM, case_of, fail, text
from opentelemetry import trace
from opentelemetry.instrumentation.lancedb import LanceInstrumentor
from opentelemetry.instrumentation.milvus import MilvusInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from otelboot import setup

tp = setup("sewing-workshop")

import lancedb
from openai import APIStatusError, OpenAI
from pymilvus import MilvusClient, MilvusException

tracer = trace.get_tracer("workshop.agents")
brain = Brain()
llm = FakeLLM(brain).start()
openai = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}
folder = tempfile.mkdtemp()
milvus = MilvusClient(f"{folder}/patterns.db")
for collection in ("patterns", "patterns_archive"):
    milvus.create_collection(collection_name=collection, dimension=16)
    row = {"id": 1, "vector": [0.1] * 16, "name": "coat"}
    milvus.insert(collection_name=collection, data=[row])
fabrics = lancedb.connect(f"{folder}/fabrics").create_table(
    "fabrics", data=[{"vector": [0.1] * 16, "name": "wool"}]
)
for instrumentor in (OpenAIInstrumentor(), MilvusInstrumentor(), LanceInstrumentor()):
    instrumentor.instrument(tracer_provider=tp)


# The scripted models.


@brain.on("You lead the workshop", "workshop_lead")
def _(r):
    return fail(500) if case_of(r.all) == 7 else text("Find a pattern, choose a fabric.")


@brain.on("You choose fabrics", "fabric_clerk")
def _(r):
    case = case_of(r.all)
    tries[case] += 1
    return fail(503) if case == 3 and tries[case] == 1 else text("Wool.")


# The agents.


@contextmanager
def agent(name):
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    with tracer.start_as_current_span(f"invoke_agent {name}", attributes=attributes):
        done[name] += 1
        try:
            yield
        except Exception:
            done[f"{name} ERROR"] += 1
            raise


def stored(who, what, collection, **arguments):
    done[f"{who} {collection} {what}"] += 1
    try:
        return getattr(milvus, what)(collection_name=collection, **arguments)
    except MilvusException:
        done[f"{who} {collection} {what} ERROR"] += 1
        raise


def chat(model, system, said):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
    return openai.chat.completions.create(model=model, messages=messages)


def pattern_finder(case):
    with agent("pattern_finder"):
        done["pattern_finder embeds"] += 1
        said = openai.embeddings.create(model="text-embedding-3-small", input=f"case {case}: coat")
        vector = said.data[0].embedding
        try:
            stale = vector[:8] if case in (2, 5) else vector
            return stored("pattern_finder", "search", "patterns", data=[stale], limit=2)
        except MilvusException:
            return stored("pattern_finder", "search", "patterns_archive", data=[vector], limit=2)


def pattern_keeper(case):
    with agent("pattern_keeper"):
        row = {"id": case, "vector": [0.2] * 16, "name": f"pattern {case}"}
        stored("pattern_keeper", "insert" if case % 2 else "upsert", "patterns", data=[row])
        stored("pattern_keeper", "get", "patterns", ids=[case])
        stored("pattern_keeper", "query", "patterns", filter="id > 0", limit=3)
        if case == 8:
            stored("pattern_keeper", "delete", "patterns", ids=[1])


def fabric_clerk(case):
    with agent("fabric_clerk"):
        done["fabric_clerk fabrics search"] += 1
        fabrics.search([0.1] * 16).limit(1).to_list()
        if case == 6:
            done["fabric_clerk fabrics add"] += 1
            fabrics.add([{"vector": [0.2] * 16, "name": "linen"}])
        try:
            chat("gpt-4o-mini", "You choose fabrics.", f"case {case}")
        except APIStatusError:
            chat("gpt-4o-mini", "You choose fabrics.", f"case {case}")


def workshop_lead(case):
    with agent("workshop_lead"):
        chat("gpt-4o", "You lead the workshop.", f"case {case}")
        pattern_finder(case)
        if case in (3, 6, 8):
            pattern_keeper(case)
        if case != 4:
            fabric_clerk(case)


for case in range(1, 10):
    try:
        workshop_lead(case)
        outcomes["ok"] += 1
    except APIStatusError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
