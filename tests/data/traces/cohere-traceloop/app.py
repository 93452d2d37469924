"""Conference programme on Cohere (API v2) under opentelemetry-instrumentation-cohere.

programme_chair (command-a) -> abstract_ranker (embed, then rerank; falls back to another reranker)
                            -> speaker_liaison (command-a with the tool speaker_calendar)
                            -> session_writer (command-r, streamed)
The instrumentation records models only: agents and tools have spans by hand.
"""
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakellm import Brain, Req, call, case_of, fail, parse_chat, text
from opentelemetry import trace
from opentelemetry.instrumentation.cohere import CohereInstrumentor
from otelboot import setup

tp = setup("conference-programme")
CohereInstrumentor().instrument(tracer_provider=tp)

import cohere
from cohere.core import ApiError

tracer = trace.get_tracer("programme.agents")
PORT = 18084
COMMAND_A, COMMAND_R = "command-a-03-2025", "command-r-08-2024"
EMBED, RERANK, OLD_RERANK = "embed-v4.0", "rerank-v3.5", "rerank-multilingual-v3.0"
ONCE = {"max_retries": 0}
brain = Brain()
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}


# The scripted model server: Cohere's API, version 2.


def parsed(path, body):
    if path == "/v2/embed":
        return Req(body["model"], "You embed", [("user", body["texts"][0])], [], body, [], 0)
    if path == "/v2/rerank":
        return Req(body["model"], "You rerank", [("user", body["query"])], [], body, [], 0)
    return parse_chat(body)


def answer(path, body, a, number):
    tokens = len(json.dumps(body)) // 4, max(3, len(a["text"]) // 4)
    version = {"api_version": {"version": "2"}}
    if path == "/v2/embed":
        return {
            "id": f"e-{number}",
            "response_type": "embeddings_by_type",
            "embeddings": {"float": [[0.1, -0.2, 0.3] for _ in body["texts"]]},
            "texts": body["texts"],
            "meta": {**version, "billed_units": {"input_tokens": tokens[0]}},
        }
    if path == "/v2/rerank":
        scores = [
            {"index": index, "relevance_score": 0.9 - index / 10}
            for index, _ in enumerate(body["documents"])
        ]
        units = {"search_units": 1}
        return {"id": f"r-{number}", "results": scores, "meta": {**version, "billed_units": units}}
    message = {"role": "assistant", "content": [{"type": "text", "text": a["text"]}]}
    if a["calls"]:
        message = {
            "role": "assistant",
            "tool_plan": "I will look at the calendar.",
            "tool_calls": [
                {
                    "id": f"{name}_{number}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for name, arguments in a["calls"]
            ],
        }
    counted = {"input_tokens": tokens[0], "output_tokens": tokens[1]}
    return {
        "id": f"c-{number}",
        "finish_reason": "TOOL_CALL" if a["calls"] else "COMPLETE",
        "message": message,
        "usage": {"billed_units": counted, "tokens": counted},
    }


def streamed(whole):
    said = whole["message"]["content"][0]["text"]
    half = len(said) // 2
    yield {"type": "message-start", "id": whole["id"], "delta": {"message": {"role": "assistant"}}}
    start = {"message": {"content": {"type": "text", "text": ""}}}
    yield {"type": "content-start", "index": 0, "delta": start}
    for part in (said[:half], said[half:]):
        delta = {"message": {"content": {"text": part}}}
        yield {"type": "content-delta", "index": 0, "delta": delta}
    yield {"type": "content-end", "index": 0}
    end = {"finish_reason": "COMPLETE", "usage": whole["usage"]}
    yield {"type": "message-end", "id": whole["id"], "delta": end}


class Cohere(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = 0

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
        Cohere.served += 1
        a = brain(parsed(self.path, body))
        if "fail" in a:
            error = {"id": f"x-{Cohere.served}", "message": a["message"]}
            return self.reply(a["fail"], json.dumps(error).encode())
        whole = answer(self.path, body, a, Cohere.served)
        if body.get("stream"):
            events = "".join(
                f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                for event in streamed(whole)
            )
            return self.reply(200, events.encode(), "text/event-stream")
        self.reply(200, json.dumps(whole).encode())


server = ThreadingHTTPServer(("127.0.0.1", PORT), Cohere)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = cohere.ClientV2(api_key="x", base_url=f"http://127.0.0.1:{PORT}")


# The scripted models.


@brain.on("You chair the programme", "programme_chair")
def _(r):
    return fail(500) if case_of(r.all) == 5 else text("Rank, ask, write.")


@brain.on("You embed", "abstract_ranker")
def _(r):
    return text("")


@brain.on("You rerank", "abstract_ranker")
def _(r):
    busy = case_of(r.all) in (2, 6) and r.model == RERANK
    return fail(503, "service unavailable") if busy else text("")


@brain.on("You ask speakers", "speaker_liaison")
def _(r):
    case = case_of(r.first_user)
    tries[case] += 1
    if case in (3, 7) and tries[case] == 1:
        return fail(429, "too many requests")
    if r.did("speaker_calendar"):
        return text("Tuesday, ten o'clock.")
    return call("speaker_calendar", case=case)


@brain.on("You write sessions", "session_writer")
def _(r):
    return text("A session about tidal power.")


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


def abstract_ranker(case):
    with span("invoke_agent", "agent", "abstract_ranker"):
        abstracts = ["Tidal power.", "Wind power."]
        client.embed(
            texts=[f"case {case}: {abstract}" for abstract in abstracts],
            model=EMBED,
            input_type="clustering",
            embedding_types=["float"],
            request_options=ONCE,
        )
        query = f"case {case}: the sea"
        try:
            client.rerank(model=RERANK, query=query, documents=abstracts, request_options=ONCE)
        except ApiError:
            client.rerank(model=OLD_RERANK, query=query, documents=abstracts, request_options=ONCE)


def speaker_calendar(case):
    with span("execute_tool", "tool", "speaker_calendar"):
        if case == 4:
            raise TimeoutError("calendar does not answer")
        return "free on Tuesday"


CALENDAR = {
    "type": "function",
    "function": {
        "name": "speaker_calendar",
        "description": "Looks into the calendar.",
        "parameters": {"type": "object", "properties": {"case": {"type": "integer"}}},
    },
}


def speaker_liaison(case):
    with span("invoke_agent", "agent", "speaker_liaison"):
        talk = messages("You ask speakers.", f"case {case}: when?")
        while True:
            try:
                said = client.chat(
                    model=COMMAND_A, messages=talk, tools=[CALENDAR], request_options=ONCE
                )
            except ApiError:
                continue
            if not said.message.tool_calls:
                return said.message.content[0].text
            wanted = said.message.tool_calls[0]
            try:
                found = speaker_calendar(**json.loads(wanted.function.arguments))
            except TimeoutError as error:
                found = str(error)
            talk.append(
                {"role": "assistant", "tool_calls": [wanted], "tool_plan": said.message.tool_plan}
            )
            talk.append({"role": "tool", "tool_call_id": wanted.id, "content": found})


def session_writer(case):
    with span("invoke_agent", "agent", "session_writer"):
        talk = messages("You write sessions.", f"case {case}: tidal power")
        events = client.chat_stream(model=COMMAND_R, messages=talk, request_options=ONCE)
        return "".join(
            event.delta.message.content.text for event in events if event.type == "content-delta"
        )


def programme_chair(case):
    with span("invoke_agent", "agent", "programme_chair"):
        talk = messages("You chair the programme.", f"case {case}: the sea")
        client.chat(model=COMMAND_A, messages=talk, request_options=ONCE)
        abstract_ranker(case)
        speaker_liaison(case)
        if case % 2:
            session_writer(case)


for case in range(1, 9):
    try:
        programme_chair(case)
        outcomes["ok"] += 1
    except ApiError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
