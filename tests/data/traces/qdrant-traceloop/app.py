"""Help desk of a hardware store on Qdrant and OpenAI under their OpenLLMetry instrumentations.

shop_assistant (gpt-4o) -> product_finder (embeds; collection product_catalog, else product_archive)
                        -> guide_reader (embeds; collection repair_guides, tried twice; gpt-4o-mini)
                        -> stock_keeper (writes, scrolls and deletes in product_catalog)
The instrumentations record models and the store: agents have spans by hand.
"""
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakellm import Brain, FakeLLM, case_of, fail, text
from openai import InternalServerError, OpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.qdrant import QdrantInstrumentor
from otelboot import setup
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_client.models import PointIdsList, PointStruct

tp = setup("hardware-store")
OpenAIInstrumentor().instrument(tracer_provider=tp)
QdrantInstrumentor().instrument(tracer_provider=tp)
tracer = trace.get_tracer("store.agents")
PORT = 18083
brain = Brain()
llm = FakeLLM(brain).start()
openai = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
done, asked, tries = Counter(), Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}
now = 0


# The scripted store: Qdrant's REST API.


class Qdrant(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.reply(200, {"title": "qdrant - vector search engine", "version": "1.20.0"})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        parts = self.path.split("?")[0].split("/")[2:]
        collection, operation = parts[0], parts[-1]
        key = f"{collection} {operation}"
        tries[collection, now] += 1
        broken = (collection == "product_catalog" and operation == "query" and now in (2, 6)) or (
            collection == "repair_guides" and now == 3 and tries[collection, now] == 1
        )
        asked[key + " ERROR" if broken else key] += 1
        if broken:
            error = {"error": "Service internal error: shard is not available"}
            return self.reply(500, {"status": error, "time": 0.001})
        point = {"id": 7, "version": 0, "score": 0.91, "payload": {"name": "angle grinder"}}
        result = {
            "query": {"points": [point]},
            "scroll": {"points": [point], "next_page_offset": None},
        }.get(operation, {"operation_id": 1, "status": "completed"})
        self.reply(200, {"result": result, "status": "ok", "time": 0.001})

    do_PUT = do_POST


server = ThreadingHTTPServer(("127.0.0.1", PORT), Qdrant)
threading.Thread(target=server.serve_forever, daemon=True).start()
qdrant = QdrantClient(url=f"http://127.0.0.1:{PORT}")


# The scripted models.


@brain.on("You run the help desk", "shop_assistant")
def _(r):
    return fail(500) if case_of(r.all) == 7 else text("Find the product, read the guide.")


@brain.on("You explain repairs", "guide_reader")
def _(r):
    return text("Replace the brushes.")


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


def embedded(who, said):
    done[f"{who} embeds"] += 1
    answer = openai.embeddings.create(model="text-embedding-3-small", input=said)
    return answer.data[0].embedding


def chat(model, system, said):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
    return openai.chat.completions.create(model=model, messages=messages)


def product_finder(case):
    with agent("product_finder"):
        vector = embedded("product_finder", f"case {case}: grinder")
        try:
            return qdrant.query_points(collection_name="product_catalog", query=vector, limit=3)
        except UnexpectedResponse:
            return qdrant.query_points("product_archive", query=vector, limit=3)


def guide_reader(case):
    with agent("guide_reader"):
        vector = embedded("guide_reader", f"case {case}: grinder brushes")
        try:
            qdrant.query_points(collection_name="repair_guides", query=vector)
        except UnexpectedResponse:
            qdrant.query_points(collection_name="repair_guides", query=vector)
        chat("gpt-4o-mini", "You explain repairs.", f"case {case}")


def stock_keeper(case):
    with agent("stock_keeper"):
        point = PointStruct(id=case, vector=[0.1, 0.2], payload={"name": "grinder"})
        qdrant.upsert(collection_name="product_catalog", points=[point])
        if case % 2:
            qdrant.scroll(collection_name="product_catalog", limit=5)
        if case == 8:
            old = PointIdsList(points=[1])
            qdrant.delete(collection_name="product_catalog", points_selector=old)


def shop_assistant(case):
    with agent("shop_assistant"):
        chat("gpt-4o", "You run the help desk.", f"case {case}")
        product_finder(case)
        if case != 4:
            guide_reader(case)
        if case in (1, 5, 8):
            stock_keeper(case)


for case in range(1, 10):
    now = case
    try:
        shop_assistant(case)
        outcomes["ok"] += 1
    except InternalServerError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
counts = {"outcomes": outcomes, "spans": done, "qdrant": asked}
brain.dump({key: dict(sorted(value.items())) for key, value in counts.items()})
os._exit(0)
