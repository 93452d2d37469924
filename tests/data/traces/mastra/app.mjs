// Vineyard estate on Mastra: @mastra/core agents, @mastra/observability, @mastra/otel-exporter (OTLP/HTTP protobuf).
// Part 1: estate-manager (supervisor, `agents`) -> soil-scientist, irrigation-planner (sub-agents); its own tool weather_report
// Part 2: workflow harvest-plan: step pick-date (agent grape-taster) -> parallel steps label-copy (agent label-writer), reserve-press (tool) -> step close
// Injected: soil_probe throws (case 3); estate-manager's model fails for good (case 5); the irrigation-planner's first model fails
// and Mastra's own model fallbacks go on to the second (case 4); pump_status fails and the model tries pump_status_manual (case 6);
// grape-taster's model fails, the workflow fails (case 23).
import { Mastra } from '@mastra/core/mastra';
import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { Observability, SamplingStrategyType } from '@mastra/observability';
import { OtelExporter } from '@mastra/otel-exporter';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';

const acme = createOpenAICompatible({ name: 'acme', baseURL: process.env.LLM_URL + '/v1', apiKey: 'x' });
const caseOf = s => Number(String(s).match(/case (\d+)/)?.[1] ?? 0);
const counts = {};
const hit = k => { counts[k] = (counts[k] ?? 0) + 1; };
const boom = (k, m) => { hit('error ' + k); throw new Error(m); };
const str = k => z.object({ [k]: z.string() });
const mk = (id, key, fn) => createTool({ id, description: id.replaceAll('_', ' '), inputSchema: str(key), outputSchema: z.object({ result: z.string() }),
  execute: async input => { hit(id); return { result: fn(input[key]) }; } });

const soil_probe = mk('soil_probe', 'plot', p => caseOf(p) === 3 ? boom('soil_probe', 'probe bus: no answer') : 'pH 6.4');
const pump_status = mk('pump_status', 'pump', p => caseOf(p) === 6 ? boom('pump_status', 'SCADA: 503') : 'running');
const pump_status_manual = mk('pump_status_manual', 'pump', () => 'running (read by hand)');
const weather_report = mk('weather_report', 'day', () => 'dry');
const reserve_press = mk('reserve_press', 'date', () => 'press 2');

const soil = new Agent({ id: 'soil-scientist', name: 'soil-scientist', description: 'Knows the soil of each plot', instructions: 'You are the soil scientist.', model: acme('gpt-4.1-mini'), maxRetries: 0, tools: { soil_probe } });
const irrigation = new Agent({ id: 'irrigation-planner', name: 'irrigation-planner', description: 'Plans the watering', instructions: 'You are the irrigation planner.',
  model: [{ model: acme('gpt-4.1'), maxRetries: 0 }, { model: acme('gpt-4.1-mini'), maxRetries: 0 }], tools: { pump_status, pump_status_manual } });
const manager = new Agent({ id: 'estate-manager', name: 'estate-manager', instructions: 'You are the estate manager.', model: acme('gpt-4.1'), maxRetries: 0,
  agents: { soil, irrigation }, tools: { weather_report } });
const taster = new Agent({ id: 'grape-taster', name: 'grape-taster', instructions: 'You are the grape taster.', model: acme('gpt-4.1'), maxRetries: 0 });
const labels = new Agent({ id: 'label-writer', name: 'label-writer', instructions: 'You write wine labels.', model: acme('gpt-4.1-mini'), maxRetries: 0 });

const pickDate = createStep({ id: 'pick-date', inputSchema: z.object({ q: z.string() }), outputSchema: z.object({ date: z.string() }),
  execute: async ({ inputData, mastra, tracingContext }) => ({ date: (await mastra.getAgent('taster').generate(inputData.q, { tracingContext })).text }) });
const labelCopy = createStep({ id: 'label-copy', inputSchema: z.object({ date: z.string() }), outputSchema: z.object({ text: z.string() }),
  execute: async ({ inputData, mastra, tracingContext }) => ({ text: (await mastra.getAgent('labels').generate(inputData.date, { tracingContext })).text }) });
const closeStep = createStep({ id: 'close', inputSchema: z.any(), outputSchema: z.object({ done: z.boolean() }), execute: async () => ({ done: true }) });
const harvest = createWorkflow({ id: 'harvest-plan', inputSchema: z.object({ q: z.string() }), outputSchema: z.object({ done: z.boolean() }) })
  .then(pickDate).parallel([labelCopy, createStep(reserve_press)]).then(closeStep).commit();

const mastra = new Mastra({
  agents: { manager, taster, labels, soil, irrigation }, workflows: { harvest }, logger: false,
  observability: new Observability({ configs: { otel: { serviceName: 'vineyard', sampling: { type: SamplingStrategyType.ALWAYS },
    exporters: [new OtelExporter({ provider: { custom: { endpoint: process.env.OTEL_EXPORTER_OTLP_ENDPOINT + '/v1/traces', protocol: 'http/protobuf' } }, signals: { logs: false } })] } } }),
});
const o = { ok: 0, failed: {} };
const tryRun = async (c, f) => { try { await f(); o.ok++; } catch (e) { o.failed[c] = String(e.message ?? e).slice(0, 120); } };
for (let c = 1; c <= 6; c++) await tryRun(c, () => mastra.getAgent('manager').generate(`Check plot 7, case ${c}`, { maxSteps: 8 }));
for (let c = 21; c <= 24; c++) await tryRun(c, async () => {
  const r = await (await mastra.getWorkflow('harvest').createRun()).start({ inputData: { q: `When do we pick, case ${c}?` } });
  if (r.status !== 'success') throw new Error(r.status + ' ' + r.error?.message);
});
await mastra.observability.shutdown?.();
await mastra.shutdown?.();
console.log(JSON.stringify({ outcomes: o, counted: counts }));
process.exit(0);
