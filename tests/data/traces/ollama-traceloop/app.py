"""Lost property office on Ollama under opentelemetry-instrumentation-ollama.

front_counter (llama3.1:8b) -> item_matcher (embeddings; qwen2.5:7b with the tool shelf_search)
                            -> notice_writer (mistral:7b, streamed; falls back to llama3.2:3b)
                            -> translator (generate, tried twice)
The instrumentation records models only: agents and tools have spans by hand.
"""
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakellm import Brain, Req, call, case_of, fail, text
from opentelemetry import trace
from opentelemetry.instrumentation.ollama import OllamaInstrumentor
from otelboot import setup

tp = setup("lost-property")
OllamaInstrumentor().instrument(tracer_provider=tp)

import ollama

tracer = trace.get_tracer("property.agents")
PORT = 18085
LLAMA, SMALL, QWEN = "llama3.1:8b", "llama3.2:3b", "qwen2.5:7b"
MISTRAL, EMBED = "mistral:7b", "nomic-embed-text"
brain = Brain()
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}


# The scripted model server: Ollama's API.


def parsed(path, body):
    if path == "/api/chat":
        said = [(m["role"], m.get("content") or "") for m in body["messages"]]
        system = "\n".join(content for role, content in said if role == "system")
        results = [(m["tool_name"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
        turns = [turn for turn in said if turn[0] != "system"]
        return Req(body["model"], system, turns, [], body, results, 0)
    system = "You embed" if path == "/api/embeddings" else body.get("system")
    return Req(body["model"], system, [("user", body["prompt"])], [], body, [], 0)


def answer(path, body, a):
    if path == "/api/embeddings":
        return {"embedding": [0.1, -0.2, 0.3]}
    counts = {
        "done": True,
        "done_reason": "stop",
        "total_duration": 5_000_000,
        "prompt_eval_count": len(json.dumps(body)) // 4,
        "eval_count": max(3, len(a["text"]) // 4),
    }
    head = {"model": body["model"], "created_at": "2026-11-30T12:00:00Z"}
    if path == "/api/generate":
        return {**head, "response": a["text"], **counts}
    message = {"role": "assistant", "content": a["text"]}
    if a["calls"]:
        message["tool_calls"] = [
            {"function": {"name": name, "arguments": arguments}} for name, arguments in a["calls"]
        ]
    return {**head, "message": message, **counts}


def streamed(whole):
    said = whole["message"]["content"]
    half = len(said) // 2
    for part in (said[:half], said[half:]):
        message = {"role": "assistant", "content": part}
        yield {"model": whole["model"], "message": message, "done": False}
    yield {**whole, "message": {"role": "assistant", "content": ""}}


class Ollama(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        a = brain(parsed(self.path, body))
        if "fail" in a:
            return self.reply(a["fail"], json.dumps({"error": a["message"]}).encode())
        whole = answer(self.path, body, a)
        if body.get("stream"):
            lines = "".join(json.dumps(part) + "\n" for part in streamed(whole))
            return self.reply(200, lines.encode(), "application/x-ndjson")
        self.reply(200, json.dumps(whole).encode())


server = ThreadingHTTPServer(("127.0.0.1", PORT), Ollama)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = ollama.Client(host=f"http://127.0.0.1:{PORT}")


# The scripted models.


@brain.on("You serve the counter", "front_counter")
def _(r):
    return fail(500, "llama runner has terminated") if case_of(r.all) == 6 else text("Match it.")


@brain.on("You embed", "item_matcher")
def _(r):
    return text("")


@brain.on("You match items", "item_matcher")
def _(r):
    case = case_of(r.first_user)
    return text("Umbrella 12.") if r.did("shelf_search") else call("shelf_search", case=case)


@brain.on("You write notices", "notice_writer")
def _(r):
    missing = case_of(r.all) in (3, 5) and r.model == MISTRAL
    return fail(404, "model 'mistral:7b' not found") if missing else text("We have your umbrella.")


@brain.on("You translate", "translator")
def _(r):
    case = case_of(r.all)
    tries[case] += 1
    busy = case == 4 and tries[case] == 1
    return fail(503, "server busy, please try again") if busy else text("Wir haben Ihren Schirm.")


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


def messages(system, said):
    return [{"role": "system", "content": system}, {"role": "user", "content": said}]


def shelf_search(case):
    with span("execute_tool", "tool", "shelf_search"):
        if case == 2:
            raise ConnectionError("shelf scanner is off")
        return "umbrella 12"


SEARCH = {
    "type": "function",
    "function": {
        "name": "shelf_search",
        "description": "Searches the shelves.",
        "parameters": {"type": "object", "properties": {"case": {"type": "integer"}}},
    },
}


def item_matcher(case):
    with span("invoke_agent", "agent", "item_matcher"):
        client.embeddings(model=EMBED, prompt=f"case {case}: a black umbrella")
        talk = messages("You match items.", f"case {case}: a black umbrella")
        while True:
            said = client.chat(model=QWEN, messages=talk, tools=[SEARCH])
            if not said.message.tool_calls:
                return said.message.content
            wanted = said.message.tool_calls[0].function
            try:
                found = shelf_search(**wanted.arguments)
            except ConnectionError as error:
                found = str(error)
            talk.append(said.message.model_dump(exclude_none=True))
            talk.append({"role": "tool", "tool_name": wanted.name, "content": found})


def notice_writer(case):
    with span("invoke_agent", "agent", "notice_writer"):
        talk = messages("You write notices.", f"case {case}: an umbrella")
        try:
            parts = client.chat(model=MISTRAL, messages=talk, stream=True)
            return "".join(part.message.content for part in parts)
        except ollama.ResponseError:
            return client.chat(model=SMALL, messages=talk).message.content


def translator(case):
    with span("invoke_agent", "agent", "translator"):
        asked = {"model": SMALL, "system": "You translate.", "prompt": f"case {case}: umbrella"}
        try:
            return client.generate(**asked).response
        except ollama.ResponseError:
            return client.generate(**asked).response


def front_counter(case):
    with span("invoke_agent", "agent", "front_counter"):
        client.chat(model=LLAMA, messages=messages("You serve the counter.", f"case {case}"))
        item_matcher(case)
        notice_writer(case)
        if case % 2 == 0:
            translator(case)


for case in range(1, 9):
    try:
        front_counter(case)
        outcomes["ok"] += 1
    except ollama.ResponseError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
