"""Furniture shop on Google ADK over A2A: a shop assistant hands questions to a delivery planner and a warranty clerk that run as A2A
servers in processes of their own. ADK's and the A2A SDK's own telemetry, HTTP spans by the official instrumentations."""
import asyncio
import socket
import subprocess
import sys
import time

from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

ROLE = sys.argv[1] if len(sys.argv) > 1 else "shop-assistant"
tp = setup(ROLE)
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor

HTTPXClientInstrumentor().instrument()
from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm


def model(m, url):
    return LiteLlm(model="openai/" + m, api_base=url + "/v1", api_key="x", num_retries=0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def delivery_slots(case: int) -> dict:
    """Find delivery slots."""
    if case == 3:
        raise ConnectionError("routing is down")
    return {"slot": "Tuesday"}


def warranty_terms(case: int) -> dict:
    """Look up warranty terms."""
    return {"years": 5}


if ROLE != "shop-assistant":
    port, url = int(sys.argv[2]), sys.argv[3]
    import uvicorn
    from google.adk.a2a.utils.agent_to_a2a import to_a2a

    StarletteInstrumentor().instrument()
    agent = (
        LlmAgent(name="delivery_planner", model=model("gpt-4o", url), instruction="You plan deliveries.", description="Plans", tools=[delivery_slots])
        if ROLE == "delivery-planner"
        else LlmAgent(name="warranty_clerk", model=model("gpt-4o-mini", url), instruction="You know warranties.", description="Warranties", tools=[warranty_terms])
    )
    app = to_a2a(agent, host="127.0.0.1", port=port)
    StarletteInstrumentor.instrument_app(app)
    try:
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
    finally:
        tp.shutdown()
    sys.exit()

from google.adk.agents.remote_a2a_agent import RemoteA2aAgent
from google.adk.runners import InMemoryRunner
from google.genai import types

brain = Brain()
llm = FakeLLM(brain).start()


@brain.on("You assist customers", "shop_assistant")
def _(r):
    return call("transfer_to_agent", agent_name="warranty_clerk" if case_of(r.first_user) in (4, 5) else "delivery_planner")


@brain.on("You plan deliveries", "delivery_planner")
def _(r):
    c = case_of(r.first_user)
    if c == 2:
        return fail(500)
    return call("delivery_slots", case=c) if not r.did("delivery_slots") else text("Tuesday.")


@brain.on("You know warranties", "warranty_clerk")
def _(r):
    return call("warranty_terms", case=case_of(r.first_user)) if not r.did("warranty_terms") else text("Five years.")


async def main():
    ports = {name: free_port() for name in ("delivery-planner", "warranty-clerk")}
    processes = [subprocess.Popen([sys.executable, __file__, name, str(port), llm.url]) for name, port in ports.items()]
    out = {"ok": 0, "failed": 0}
    try:
        for port in ports.values():
            for _ in range(1200):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
        remote = [
            RemoteA2aAgent(name=name.replace("-", "_"), description=name, agent_card=f"http://127.0.0.1:{port}/.well-known/agent-card.json")
            for name, port in ports.items()
        ]
        assistant = LlmAgent(name="shop_assistant", model=model("gpt-4o-mini", llm.url), instruction="You assist customers.", sub_agents=remote)
        for case in range(1, 7):
            runner = InMemoryRunner(agent=assistant, app_name="shop")
            session = await runner.session_service.create_session(app_name="shop", user_id="u")
            try:
                async for event in runner.run_async(user_id="u", session_id=session.id, new_message=types.Content(role="user", parts=[types.Part(text=f"My sofa, case {case}")])):
                    if event.error_message:
                        print(case, event.author, event.error_message[:150])
                out["ok"] += 1
            except Exception as e:
                print(case, type(e), str(e)[:150])
                out["failed"] += 1
        print(brain.dump({"outcomes": out}))
        await asyncio.sleep(3)
    finally:
        for p in processes:
            p.terminate()
        for p in processes:
            p.wait(20)
        tp.shutdown()


asyncio.run(main())
