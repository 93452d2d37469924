"""Museum help: a DSPy program composed of ReAct agents and plain predictors; openinference-instrumentation-dspy.

MuseumHelp (Module): ChooseDesk (Predict) -> one or two of the agents (ReAct subclasses)
  TourGuide (find_exhibit, opening_hours; ask_historian -> Historian: an agent as a tool)
  TicketDesk (ticket_price, ticket_price_cached)
  Historian (search_archive)
then PoliteReply (ChainOfThought).  A ReAct module is an agent here; Predict and ChainOfThought only ask the model once and are not.
Failures: see the cases in the scripts below.
"""
import json
from collections import Counter

from fakellm import Brain, FakeLLM, fail, text
from otelboot import setup

tp = setup("museum-help")
from openinference.instrumentation.dspy import DSPyInstrumentor
DSPyInstrumentor().instrument(tracer_provider=tp)

import dspy

brain = Brain()
llm = FakeLLM(brain).start()
done, turn = Counter(), Counter()


def lm(name):
    return dspy.LM("openai/" + name, api_base=llm.url + "/v1", api_key="x", cache=False, num_retries=0)


def ran(name, broken=None):
    done[name] += 1
    if broken:
        done[name + " ERROR"] += 1
        raise broken


def find_exhibit(name: str) -> str:
    """Find where an exhibit is."""
    ran("find_exhibit", LookupError("no such exhibit") if now == 3 and name == "astrolabe" else None)
    return "room 12"


def opening_hours(day: str) -> str:
    """Opening hours of a day."""
    ran("opening_hours")
    return "10 to 18"


def ask_historian(question: str) -> str:
    """Ask the historian."""
    ran("ask_historian")
    return historian(question=question).answer


def search_archive(words: str) -> str:
    """Search the archive."""
    ran("search_archive")
    return "made in 1588"


def ticket_price(kind: str) -> str:
    """Today's price of a ticket."""
    ran("ticket_price", ConnectionError("till is offline") if now in (2, 5) else None)
    return "14"


def ticket_price_cached(kind: str) -> str:
    """Yesterday's price of a ticket."""
    ran("ticket_price_cached")
    return "13"


class AskDesk(dspy.Signature):
    """Choose the desks for a visitor's question."""
    question: str = dspy.InputField()
    desks: str = dspy.OutputField()


class Reply(dspy.Signature):
    """Write a polite reply to the visitor."""
    question: str = dspy.InputField()
    facts: str = dspy.InputField()
    reply: str = dspy.OutputField()


class TourGuide(dspy.ReAct):
    def __init__(self):
        super().__init__(dspy.Signature("question -> answer", "You guide visitors."), tools=[find_exhibit, opening_hours, ask_historian], max_iters=6)


class TicketDesk(dspy.ReAct):
    def __init__(self):
        super().__init__(dspy.Signature("question -> answer", "You sell tickets."), tools=[ticket_price, ticket_price_cached], max_iters=6)


class Historian(dspy.ReAct):
    def __init__(self):
        super().__init__(dspy.Signature("question -> answer", "You know history."), tools=[search_archive], max_iters=6)


class MuseumHelp(dspy.Module):
    def __init__(self):
        super().__init__()
        self.choose, self.polite = dspy.Predict(AskDesk), dspy.ChainOfThought(Reply)
        self.tour_guide, self.ticket_desk = TourGuide(), TicketDesk()

    def forward(self, question):
        desks, facts = self.choose(question=question).desks, []
        if "tour_guide" in desks:
            facts.append(self.tour_guide(question=question).answer)
        if "ticket_desk" in desks:
            facts.append(self.ticket_desk(question=question).answer)
        try:
            return self.polite(question=question, facts="; ".join(facts))
        except Exception:
            ran("polite again")
            with dspy.context(lm=lm("gpt-4o-mini")):
                return self.polite(question=question, facts="; ".join(facts))


def out(**kw):
    return text("\n\n".join(f"[[ ## {k} ## ]]\n{v}" for k, v in kw.items()) + "\n\n[[ ## completed ## ]]")


def react(who, r, acts):  # the next step of this run; when it is over, the extraction of the answer
    if "next_tool_name" not in r.system:
        turn[who] = 0
        return out(reasoning="The trajectory says so.", answer=f"{who}'s answer")
    turn[who] += 1
    name, args = (acts + [("finish", {})])[turn[who] - 1]
    done[who + " asked for " + name] += 1
    return out(next_thought="Next step.", next_tool_name=name, next_tool_args=json.dumps(args))


@brain.on("You guide visitors.", "TourGuide")
def _(r):
    if now == 7:
        return fail(500)
    acts = [("find_exhibit", {"name": "astrolabe"}), ("opening_hours", {"day": "Sunday"})]
    if now == 3:
        acts.append(("find_exhibit", {"name": "astrolabes"}))
    if now in (1, 4, 6):
        acts.append(("ask_historian", {"question": "Who made it?"}))
    return react("TourGuide", r, acts)


@brain.on("You sell tickets.", "TicketDesk")
def _(r):
    return react("TicketDesk", r, [("ticket_price", {"kind": "family"})] + ([("ticket_price_cached", {"kind": "family"})] if now in (2, 5) else []))


@brain.on("You know history.", "Historian")
def _(r):
    return react("Historian", r, [("search_archive", {"words": "astrolabe"})])


@brain.on("Choose the desks", "MuseumHelp/choose")
def _(r):
    return out(desks={1: "tour_guide", 2: "ticket_desk", 3: "tour_guide", 7: "tour_guide"}.get(now, "tour_guide, ticket_desk"))


@brain.on("Write a polite reply", "MuseumHelp/polite")
def _(r):
    return fail(500) if now == 6 and r.model == "gpt-4o" else out(reasoning="Be kind.", reply="Dear visitor, ...")


dspy.configure(lm=lm("gpt-4o"))
historian = Historian()
historian.set_lm(lm("gpt-4o-mini"))
o = Counter()
for now in range(1, 9):
    try:
        print(now, MuseumHelp()(question=f"Where is the astrolabe and what is a ticket, case {now}?").reply)
        o["ok"] += 1
    except Exception as e:
        print(now, type(e), str(e)[:200])
        o["failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": o, "done": done}))
