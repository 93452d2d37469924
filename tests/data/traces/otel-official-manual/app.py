"""Motor insurance claims on the official OpenTelemetry instrumentations, agents written by hand, in two processes.

claims-desk (this file without arguments): a workflow settle_claim runs claims_coordinator, then letter_writer; every letter is
  evaluated (gen_ai.evaluation.result).  Spans by hand, straight from the GenAI conventions.
  claims_coordinator: tools lookup_policy (embedding + retrieval from the data source policy-wordings), assess_damage (invoke_agent
  CLIENT -> HTTP -> damage_assessor), log_decision
assessment-service (app.py serve): damage_assessor (Gemini; when Gemini is down the same agent goes on with gpt-4.1-mini), tools
  read_photos, price_parts (fallback price_parts_catalogue), check_fraud -> fraud_checker.  Spans by opentelemetry-util-genai's handler.
"""
import collections, json, os, signal, subprocess, sys, time
from contextlib import contextmanager
from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

SERVE = sys.argv[1:] == ["serve"]
tp = setup("assessment-service" if SERVE else "claims-desk", service__namespace="claims", service__version="4.2.0")
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
lp = LoggerProvider(resource=tp.resource)
lp.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
_logs.set_logger_provider(lp)
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
for i in (OpenAIInstrumentor(), GoogleGenAiSdkInstrumentor(), RequestsInstrumentor()):
    i.instrument()
from google import genai
from google.genai import types as gt
from openai import OpenAI
import requests
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util.genai.handler import TelemetryHandler

LLM, PORT = f"http://127.0.0.1:{os.environ['FAKELLM_PORT']}", int(os.environ["ASSESSMENT_PORT"])
oai = OpenAI(base_url=LLM + "/v1", api_key="x", max_retries=0)
tracer = trace.get_tracer("acme.claims", "4.2.0", schema_url="https://opentelemetry.io/schemas/1.42.0")
N = collections.Counter()
F = lambda name, **props: {"type": "function", "function": {"name": name, "description": name.replace("_", " "), "parameters": {
    "type": "object", "properties": {k: {"type": v} for k, v in props.items()}}}}


@contextmanager
def op(operation, name, kind=SpanKind.INTERNAL, **attrs):
    """One GenAI span by hand: `{operation} {name}`."""
    with tracer.start_as_current_span(f"{operation} {name}", kind=kind, attributes={
            "gen_ai.operation.name": operation, **{k.replace("__", "."): v for k, v in attrs.items()}}) as s:
        try:
            yield s
        except Exception as e:
            s.set_attribute("error.type", type(e).__qualname__)
            raise


def run_tools(msgs, answer, tools, tool_span):
    msgs.append(answer.model_dump(exclude_none=True))
    for tc in answer.tool_calls:
        args, name = json.loads(tc.function.arguments), tc.function.name
        N["tool " + name] += 1
        try:
            with tool_span(tc.id, name):
                out = tools[name](**args)
        except Exception as e:  # the model is told
            N["tool error " + name] += 1
            out = f"error: {e}"
        msgs.append({"role": "tool", "tool_call_id": tc.id, "content": out})


def chat(model, msgs, specs=()):
    return oai.chat.completions.create(model=model, messages=msgs, **({"tools": list(specs)} if specs else {})).choices[0].message


# ---- assessment-service -------------------------------------------------------------------------------------------------------------
if SERVE:
    from flask import Flask, jsonify, request
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    h = TelemetryHandler()
    gem = genai.Client(api_key="x", http_options=gt.HttpOptions(base_url=LLM, retry_options=gt.HttpRetryOptions(attempts=1)))
    app = Flask("assessment-service")
    FlaskInstrumentor().instrument_app(app)

    def read_photos(claim):
        if case_of(claim) == 3:
            raise OSError("photo store: object not found")
        return "front bumper torn"

    def price_parts(part, claim):
        if case_of(claim) == 7:
            raise TimeoutError("parts API: no answer in 5 s")
        return "412 EUR"

    def price_parts_catalogue(part, claim):
        return "455 EUR (list price)"

    def check_fraud(claim):
        with h.invoke_local_agent(request_model="gpt-4.1-mini", agent_name="fraud_checker") as inv:
            inv.agent_id = "agt-fraud"
            return chat("gpt-4.1-mini", [{"role": "system", "content": "You are the fraud checker."}, {"role": "user", "content": claim}]).content

    TOOLS = {f.__name__: f for f in (read_photos, price_parts, price_parts_catalogue, check_fraud)}
    SPECS = [F("read_photos", claim="string"), F("price_parts", part="string", claim="string"),
             F("price_parts_catalogue", part="string", claim="string"), F("check_fraud", claim="string")]
    SYS = "You are the damage assessor."

    def on_gemini(claim):
        msgs = [gt.Content(role="user", parts=[gt.Part(text=claim)])]
        cfg = gt.GenerateContentConfig(system_instruction=SYS, automatic_function_calling=gt.AutomaticFunctionCallingConfig(disable=True), tools=[
            gt.Tool(function_declarations=[gt.FunctionDeclaration(name=s["function"]["name"], description=s["function"]["description"],
                                                                  parameters_json_schema=s["function"]["parameters"]) for s in SPECS])])
        while True:
            r = gem.models.generate_content(model="gemini-2.5-flash", contents=msgs, config=cfg)
            if not r.function_calls:
                return r.text
            msgs.append(r.candidates[0].content)
            parts = []
            for fc in r.function_calls:
                N["tool " + fc.name] += 1
                try:
                    with h.tool(fc.name, tool_type="function"):
                        out = TOOLS[fc.name](**fc.args)
                except Exception as e:
                    N["tool error " + fc.name] += 1
                    out = f"error: {e}"
                parts.append(gt.Part.from_function_response(name=fc.name, response={"result": out}))
            msgs.append(gt.Content(role="user", parts=parts))

    def on_mini(claim):
        msgs = [{"role": "system", "content": SYS}, {"role": "user", "content": claim}]
        while (m := chat("gpt-4.1-mini", msgs, SPECS)).tool_calls:
            run_tools(msgs, m, TOOLS, lambda id, name: h.tool(name, tool_type="function"))
        return m.content

    @app.post("/assess")
    def assess():
        q = request.get_json()
        with h.invoke_local_agent(request_model="gemini-2.5-flash", agent_name="damage_assessor", conversation_id=q["conversation"]) as inv:
            inv.agent_id = "agt-assess"
            N["run damage_assessor"] += 1
            try:
                return jsonify(result=on_gemini(q["claim"]))
            except genai.errors.ServerError:
                N["fallback gpt-4.1-mini"] += 1
                return jsonify(result=on_mini(q["claim"]))

    def stop(*_):
        tp.shutdown(), lp.shutdown()
        json.dump(N, open(os.environ["APP_COUNTS"] + ".serve", "w"))
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    app.run("127.0.0.1", PORT)
    sys.exit()

# ---- claims-desk --------------------------------------------------------------------------------------------------------------------
brain = Brain()


@brain.on("You are the claims coordinator", "claims_coordinator")
def _(r):
    c = case_of(r.first_user)
    if c == 4 and r.n == 0 and not N["brain 500"]:
        N["brain 500"] += 1
        return fail(500)
    if r.n == 0:
        return calls(call("lookup_policy", question=f"cover for bumper, case {c}"), call("assess_damage", claim=f"claim of case {c}"))
    return call("log_decision", decision="pay") if not r.did("log_decision") else text("Pay 412 EUR.")


@brain.on("You are the damage assessor", "damage_assessor")
def _(r):
    c = case_of(r.first_user)
    if c == 5 and r.model.startswith("gemini"):
        return fail(503)
    if not r.did("read_photos"):
        return call("read_photos", claim=f"case {c}")
    if not r.did("price_parts"):
        return calls(call("price_parts", part="bumper", claim=f"case {c}"), call("check_fraud", claim=f"claim of case {c}"))
    if "error" in r.did("price_parts")[-1] and not r.did("price_parts_catalogue"):
        return call("price_parts_catalogue", part="bumper", claim=f"case {c}")
    return text("Bumper, 412 EUR.")


@brain.on("You are the fraud checker", "fraud_checker")
def _(r):
    return text("No sign of fraud.")


@brain.on("You write settlement letters", "letter_writer")
def _(r):
    return fail(500) if case_of(r.first_user) == 6 else text("Dear customer, we pay 412 EUR.")


FakeLLM(brain, port=int(os.environ["FAKELLM_PORT"])).start()
env = {k: v for k, v in os.environ.items()}
server = subprocess.Popen([sys.executable, sys.argv[0], "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(6)
with op("create_agent", "damage_assessor", SpanKind.CLIENT, gen_ai__provider__name="acme.agents", gen_ai__agent__name="damage_assessor", gen_ai__agent__id="agt-assess",
        gen_ai__agent__version="7", gen_ai__request__model="gemini-2.5-flash", server__address="127.0.0.1"):
    pass  # registers the remote agent


def desk(conv):
    def lookup_policy(question):
        N["embedding"] += 1
        v = oai.embeddings.create(model="text-embedding-3-small", input=question).data[0].embedding
        N["retrieval"] += 1
        with op("retrieval", "policy-wordings", SpanKind.CLIENT, gen_ai__data_source__id="policy-wordings", gen_ai__retrieval__top_k=3, gen_ai__conversation__id=conv) as s:
            s.set_attribute("gen_ai.retrieval.documents", json.dumps([{"id": "w-12", "score": round(abs(v[0]), 3)}]))
        return "Bumpers are covered."

    def assess_damage(claim):
        N["remote damage_assessor"] += 1
        with op("invoke_agent", "damage_assessor", SpanKind.CLIENT, gen_ai__provider__name="acme.agents", gen_ai__agent__name="damage_assessor", gen_ai__agent__id="agt-assess",
                gen_ai__agent__version="7", gen_ai__conversation__id=conv, server__address="127.0.0.1", server__port=PORT):
            return requests.post(f"http://127.0.0.1:{PORT}/assess", json={"claim": claim, "conversation": conv}, timeout=30).json()["result"]

    return {"lookup_policy": lookup_policy, "assess_damage": assess_damage, "log_decision": lambda decision: "logged"}


SPECS = [F("lookup_policy", question="string"), F("assess_damage", claim="string"), F("log_decision", decision="string")]


def coordinate(claim, conv):
    with op("invoke_agent", "claims_coordinator", gen_ai__provider__name="openai", gen_ai__agent__name="claims_coordinator", gen_ai__agent__id="agt-coord",
            gen_ai__request__model="gpt-4.1", gen_ai__conversation__id=conv):
        tools = desk(conv)
        msgs = [{"role": "system", "content": "You are the claims coordinator."}, {"role": "user", "content": claim}]
        tool_span = lambda id, name: op("execute_tool", name, gen_ai__tool__name=name, gen_ai__tool__call__id=id, gen_ai__tool__type="function")
        while True:
            for attempt in (1, 2):  # one retry of a failed model call
                try:
                    m = chat("gpt-4.1", msgs, SPECS)
                    break
                except Exception:
                    N["retry claims_coordinator"] += 1
                    if attempt == 2:
                        raise
            if not m.tool_calls:
                return m.content
            run_tools(msgs, m, tools, tool_span)


def write_letter(decision, conv):
    with op("invoke_agent", "letter_writer", gen_ai__provider__name="openai", gen_ai__agent__name="letter_writer", gen_ai__agent__id="agt-letter",
            gen_ai__request__model="gpt-4.1-mini", gen_ai__conversation__id=conv) as s:
        m = oai.chat.completions.create(model="gpt-4.1-mini", messages=[{"role": "system", "content": "You write settlement letters."}, {"role": "user", "content": decision}])
        s.add_event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.value": 0.93, "gen_ai.evaluation.score.label": "friendly",
                                                 "gen_ai.evaluation.explanation": "polite and short", "gen_ai.response.id": m.id})
        return m.choices[0].message.content


outcomes = {"ok": 0, "failed": 0}
for c in range(1, 9):
    try:
        with op("invoke_workflow", "settle_claim", gen_ai__workflow__name="settle_claim"):
            d = coordinate(f"A claim came in, case {c}", f"conv-{c % 4}")
            write_letter(f"case {c}: {d}", f"conv-{c % 4}")
        outcomes["ok"] += 1
    except Exception as e:
        outcomes["failed"] += 1
server.terminate()
server.wait()
tp.shutdown(), lp.shutdown()
N.update(json.load(open(os.environ["APP_COUNTS"] + ".serve")))
os.remove(os.environ["APP_COUNTS"] + ".serve")
print(brain.dump({"outcomes": outcomes, "counted": N}))
