"""Tenants' repair desk on Amazon Bedrock (boto3) under opentelemetry-instrumentation-bedrock
and opentelemetry-instrumentation-botocore at once, as automatic instrumentation installs both.

repair_desk (converse, Claude) -> fault_diagnoser (converse with a tool; Titan embeddings)
                               -> parts_buyer (converse, Nova; falls back to Llama by invoke_model)
                               -> letter_writer (converse_stream, an inference profile)
Both record models only: agents and tools have spans by hand.
"""
import binascii
import json
import os
import struct
import threading
import urllib.parse
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from fakellm import Brain, Req, call, case_of, fail, text
from opentelemetry import trace
from opentelemetry.instrumentation.bedrock import BedrockInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from otelboot import setup

tp = setup("repair-desk")
BedrockInstrumentor().instrument(tracer_provider=tp)
BotocoreInstrumentor().instrument(tracer_provider=tp)
tracer = trace.get_tracer("repairs.agents")
PORT = 18082
CLAUDE = "anthropic.claude-sonnet-4-20250514-v1:0"
NOVA = "amazon.nova-pro-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
PROFILE = "eu.amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
brain = Brain()
done, tries = Counter(), Counter()
outcomes = {"ok": 0, "failed": 0}


# The scripted model server: Bedrock's runtime API.


def parsed(model, body):
    if "inputText" in body:
        return Req(model, "You embed", [("user", body["inputText"])], [], body, [], 0)
    if "prompt" in body:
        return Req(model, "", [("user", body["prompt"])], [], body, [], 0)
    turns, results, names = [], [], {}
    for message in body["messages"]:
        for block in message["content"]:
            if "toolUse" in block:
                names[block["toolUse"]["toolUseId"]] = block["toolUse"]["name"]
            elif "toolResult" in block:
                result = block["toolResult"]
                results.append((names[result["toolUseId"]], json.dumps(result["content"])))
            else:
                turns.append((message["role"], block["text"]))
    system = "\n".join(part["text"] for part in body.get("system") or [])
    return Req(model, system, turns, [], body, results, 0)


def answer(path, body, a, number):
    tokens = len(json.dumps(body)) // 4, max(3, len(a["text"]) // 4)
    if "inputText" in body:
        return {"embedding": [0.1, -0.2, 0.3], "inputTextTokenCount": tokens[0]}
    if "prompt" in body:
        return {
            "generation": a["text"],
            "prompt_token_count": tokens[0],
            "generation_token_count": tokens[1],
            "stop_reason": "stop",
        }
    content = [{"text": a["text"]}] if a["text"] else []
    content += [
        {"toolUse": {"toolUseId": f"tooluse_{number:06d}", "name": name, "input": arguments}}
        for name, arguments in a["calls"]
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if a["calls"] else "end_turn",
        "usage": {
            "inputTokens": tokens[0],
            "outputTokens": tokens[1],
            "totalTokens": sum(tokens),
        },
        "metrics": {"latencyMs": 5},
    }


def event(kind, payload):
    """Return one message of AWS's event stream encoding."""
    data = json.dumps(payload).encode()
    headers = b""
    for key, value in (
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += bytes([len(key)]) + key.encode()
        headers += b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", len(headers) + len(data) + 16, len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    message = prelude + headers + data
    return message + struct.pack(">I", binascii.crc32(message))


def streamed(whole):
    said = whole["output"]["message"]["content"][0]["text"]
    half = len(said) // 2
    yield event("messageStart", {"role": "assistant"})
    for part in (said[:half], said[half:]):
        yield event("contentBlockDelta", {"delta": {"text": part}, "contentBlockIndex": 0})
    yield event("contentBlockStop", {"contentBlockIndex": 0})
    yield event("messageStop", {"stopReason": "end_turn"})
    yield event("metadata", {"usage": whole["usage"], "metrics": {"latencyMs": 5}})


ERRORS = {
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class Bedrock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = 0

    def log_message(self, *args):
        pass

    def reply(self, status, data, kind="application/json", **headers):
        self.send_response(status)
        Bedrock.served += 1
        self.send_header("x-amzn-RequestId", f"5b7c0000-0000-4000-8000-{Bedrock.served:012d}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model, operation = urllib.parse.unquote(self.path).split("/")[2:4]
        a = brain(parsed(model, body))
        if "fail" in a:
            error = json.dumps({"message": a["message"]}).encode()
            return self.reply(a["fail"], error, x_amzn_errortype=ERRORS[a["fail"]])
        whole = answer(self.path, body, a, Bedrock.served)
        if operation == "converse-stream":
            kind = "application/vnd.amazon.eventstream"
            return self.reply(200, b"".join(streamed(whole)), kind)
        usage = {}
        if operation == "invoke":
            usage = {"x_amzn_bedrock_input_token_count": str(len(json.dumps(body)) // 4)}
        self.reply(200, json.dumps(whole).encode(), **usage)


server = ThreadingHTTPServer(("127.0.0.1", PORT), Bedrock)
threading.Thread(target=server.serve_forever, daemon=True).start()
bedrock = boto3.client(
    service_name="bedrock-runtime",
    region_name="eu-central-1",
    endpoint_url=f"http://127.0.0.1:{PORT}",
    aws_access_key_id="x",
    aws_secret_access_key="x",
    config=Config(retries={"total_max_attempts": 1}),
)


# The scripted models.


@brain.on("You run the repair desk", "repair_desk")
def _(r):
    return fail(500) if case_of(r.all) == 7 else text("Diagnose, buy, write.")


@brain.on("You diagnose faults", "fault_diagnoser")
def _(r):
    case = case_of(r.first_user)
    tries["fault_diagnoser", case] += 1
    if case in (2, 5) and tries["fault_diagnoser", case] == 1:
        return fail(429, "Too many requests, please wait before trying again.")
    return text("A worn valve.") if r.did("repair_manual") else call("repair_manual", case=case)


@brain.on("You embed", "fault_diagnoser")
def _(r):
    return text("")


@brain.on("You buy parts", "parts_buyer")
def _(r):
    if case_of(r.all) in (3, 6) and "nova" in r.model:
        return fail(503, "Bedrock is unable to process your request.")
    return text("Valve ordered.")


@brain.on("You write letters", "letter_writer")
def _(r):
    return text("Dear tenant, the plumber comes on Monday.")


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


def converse(model, system, messages, **more):
    return bedrock.converse(modelId=model, system=[{"text": system}], messages=messages, **more)


def user(said):
    return {"role": "user", "content": [{"text": said}]}


def repair_manual(case):
    with span("execute_tool", "tool", "repair_manual"):
        if case == 4:
            raise FileNotFoundError("manual of boiler 4 is missing")
        return "Check the valve."


TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "repair_manual",
                "description": "Reads the manual.",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            }
        }
    ]
}


def fault_diagnoser(case):
    with span("invoke_agent", "agent", "fault_diagnoser"):
        embed = json.dumps({"inputText": f"case {case}: the boiler drips"})
        bedrock.invoke_model(modelId=TITAN, body=embed)
        messages = [user(f"case {case}: the boiler drips")]
        while True:
            try:
                said = converse(CLAUDE, "You diagnose faults.", messages, toolConfig=TOOLS)
            except bedrock.exceptions.ThrottlingException:
                continue
            message = said["output"]["message"]
            messages.append(message)
            uses = [block["toolUse"] for block in message["content"] if "toolUse" in block]
            if not uses:
                return message["content"][0]["text"]
            try:
                found = repair_manual(**uses[0]["input"])
            except FileNotFoundError as error:
                found = str(error)
            result = {"toolUseId": uses[0]["toolUseId"], "content": [{"text": found}]}
            messages.append({"role": "user", "content": [{"toolResult": result}]})


def parts_buyer(case):
    with span("invoke_agent", "agent", "parts_buyer"):
        try:
            said = converse(NOVA, "You buy parts.", [user(f"case {case}: a valve")])
            return said["output"]["message"]["content"][0]["text"]
        except ClientError:
            prompt = json.dumps({"prompt": f"You buy parts. case {case}: a valve"})
            said = bedrock.invoke_model(modelId=LLAMA, body=prompt)
            return json.loads(said["body"].read())["generation"]


def letter_writer(case):
    with span("invoke_agent", "agent", "letter_writer"):
        said = bedrock.converse_stream(
            modelId=PROFILE,
            system=[{"text": "You write letters."}],
            messages=[user(f"case {case}: tell the tenant")],
        )
        parts = [e["contentBlockDelta"] for e in said["stream"] if "contentBlockDelta" in e]
        return "".join(part["delta"]["text"] for part in parts)


def repair_desk(case):
    with span("invoke_agent", "agent", "repair_desk"):
        converse(CLAUDE, "You run the repair desk.", [user(f"case {case}: the boiler drips")])
        fault_diagnoser(case)
        parts_buyer(case)
        if case % 2:
            letter_writer(case)


for case in range(1, 10):
    try:
        repair_desk(case)
        outcomes["ok"] += 1
    except ClientError as error:
        print(case, error)
        outcomes["failed"] += 1
tp.shutdown()
brain.dump({"outcomes": outcomes, "spans": dict(sorted(done.items()))})
os._exit(0)
