// Airport operations on LangGraph.js: createSupervisor + createAgent; @arizeai/openinference-instrumentation-langchain.
// ops-chief (supervisor) --transfer_to_*--> gate-planner, baggage-tracer; gate-planner asks crew-scheduler through its tool ask_crew (agent as tool)
// Injected: find_gate throws (case 3, told to the model); gate-planner's gpt-4.1 is down (case 4: modelFallbackMiddleware goes on with gpt-4.1-mini);
// ops-chief's model is down (case 5: the run fails); scan_bag throws (case 6: the model tries search_bag_by_hand).
import { NodeTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain';
import * as CallbackManagerModule from '@langchain/core/callbacks/manager';

const provider = new NodeTracerProvider({ resource: resourceFromAttributes({ 'service.name': 'airport-ops' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 500 })] });
provider.register();
new LangChainInstrumentation({ tracerProvider: provider }).manuallyInstrument(CallbackManagerModule);

import { createAgent, createMiddleware, modelFallbackMiddleware, tool, ToolMessage } from 'langchain';
import { createSupervisor } from '@langchain/langgraph-supervisor';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';

const chat = model => new ChatOpenAI({ model, apiKey: 'x', maxRetries: 0, configuration: { baseURL: process.env.LLM_URL + '/v1' } });
const caseOf = s => Number(String(s).match(/case (\d+)/)?.[1] ?? 0);
const counts = {};
const hit = k => { counts[k] = (counts[k] ?? 0) + 1; };
const mk = (name, key, fn) => tool(async (input, cfg) => { hit(name); return fn(input[key], cfg); },
  { name, description: name.replaceAll('_', ' '), schema: z.object({ [key]: z.string() }) });
const boom = (k, m) => { hit('error ' + k); throw new Error(m); };
const tellTheModel = createMiddleware({ name: 'TellTheModel', wrapToolCall: async (request, handler) => {
  try { return await handler(request); } catch (e) { return new ToolMessage({ content: `error: ${e.message}`, tool_call_id: request.toolCall.id, name: request.toolCall.name, status: 'error' }); }
} });

const crewRoster = mk('crew_roster', 'flight', () => 'crew B');
const crew = createAgent({ name: 'crew-scheduler', model: chat('gpt-4.1-mini'), tools: [crewRoster], systemPrompt: 'You are the crew scheduler.' });
const findGate = mk('find_gate', 'flight', f => caseOf(f) === 3 ? boom('find_gate', 'gate system: deadlock') : 'B14');
const askCrew = mk('ask_crew', 'question', async q => (await crew.invoke({ messages: [{ role: 'user', content: q }] })).messages.at(-1).content);
const scanBag = mk('scan_bag', 'tag', t => caseOf(t) === 6 ? boom('scan_bag', 'scanner offline') : 'belt 3');
const byHand = mk('search_bag_by_hand', 'tag', () => 'hall 2');

const gate = createAgent({ name: 'gate-planner', model: chat('gpt-4.1'), tools: [findGate, askCrew], systemPrompt: 'You are the gate planner.',
  middleware: [tellTheModel, modelFallbackMiddleware(chat('gpt-4.1-mini'))] });
const baggage = createAgent({ name: 'baggage-tracer', model: chat('gpt-4.1-mini'), tools: [scanBag, byHand], systemPrompt: 'You are the baggage tracer.', middleware: [tellTheModel] });
const ops = createSupervisor({ agents: [gate.graph ?? gate, baggage.graph ?? baggage], llm: chat('gpt-4.1'), prompt: 'You are the operations chief.', supervisorName: 'ops-chief' }).compile({ name: 'airport_ops' });

const o = { ok: 0, failed: {} };
for (let c = 1; c <= 7; c++) {
  try {
    await ops.invoke({ messages: [{ role: 'user', content: `Flight 12 lands early, case ${c}` }] }, { configurable: { thread_id: `t-${c % 3}` }, metadata: { session_id: `s-${c % 3}` }, recursionLimit: 40 });
    o.ok++;
  } catch (e) { o.failed[c] = String(e.message).slice(0, 120); }
}
await provider.shutdown();
console.log(JSON.stringify({ outcomes: o, counted: counts }));
