// A cinema's night desk on the Vercel AI SDK 6: ToolLoopAgents, experimental_telemetry, OTLP/HTTP JSON.
// night-desk -> seat-finder, snack-bar (ToolLoopAgents behind the tools find_seats, order_snacks); its own tool film_times
// Injected: seat_map throws (case 3); snack_stock throws (case 4: the model tries snack_stock_paper); the desk's model is down:
// retried by the SDK once (case 6, one 500), for good in case 7: the app asks the same agent on gpt-4.1-mini.
import { ToolLoopAgent, tool, stepCountIs } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';
import { NodeTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';

const provider = new NodeTracerProvider({ resource: resourceFromAttributes({ 'service.name': 'cinema' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 400 })] });
provider.register();

const acme = createOpenAICompatible({ name: 'acme', baseURL: process.env.LLM_URL + '/v1', apiKey: 'x' });
const caseOf = s => Number(String(s).match(/case (\d+)/)?.[1] ?? 0);
const counts = {};
const hit = k => { counts[k] = (counts[k] ?? 0) + 1; };
const boom = (k, m) => { hit('error ' + k); throw new Error(m); };
const mk = (name, key, fn) => tool({ description: name, inputSchema: z.object({ [key]: z.string() }), execute: async i => { hit(name); return fn(i[key]); } });
const tele = (functionId, extra = {}) => ({ isEnabled: true, functionId, metadata: { desk: 'north', ...extra } });
const model = m => acme(m);

const seatFinder = new ToolLoopAgent({ id: 'seat-finder', model: model('gpt-4.1-mini'), instructions: 'You find seats.', maxRetries: 0, experimental_telemetry: tele('seat-finder'),
  tools: { seat_map: mk('seat_map', 'hall', h => caseOf(h) === 3 ? boom('seat_map', 'hall server: timeout') : 'row 4') } });
const snackBar = new ToolLoopAgent({ id: 'snack-bar', model: model('gpt-4.1-mini'), instructions: 'You run the snack bar.', maxRetries: 0, experimental_telemetry: tele('snack-bar'),
  tools: { snack_stock: mk('snack_stock', 'item', i => caseOf(i) === 4 ? boom('snack_stock', 'till offline') : '12 left'), snack_stock_paper: mk('snack_stock_paper', 'item', () => 'about 10') } });
const desk = (m, c) => new ToolLoopAgent({ id: 'night-desk', model: model(m), instructions: 'You run the night desk.', maxRetries: 1, stopWhen: stepCountIs(8),
  experimental_telemetry: tele('night-desk', { sessionId: `s-${c % 3}` }),
  tools: { film_times: mk('film_times', 'film', () => '20:15'),
    find_seats: mk('find_seats', 'wish', async w => (await seatFinder.generate({ prompt: w })).text),
    order_snacks: mk('order_snacks', 'order', async q => (await snackBar.generate({ prompt: q })).text) } });

const o = { ok: 0, fallback: 0 };
for (let c = 1; c <= 7; c++) {
  const prompt = `Two for the late film, case ${c}`;
  try { await desk('gpt-4.1', c).generate({ prompt }); o.ok++; }
  catch (e) { o.fallback++; await desk('gpt-4.1-mini', c).generate({ prompt }); }
}
await provider.shutdown();
console.log(JSON.stringify({ outcomes: o, counted: counts }));
