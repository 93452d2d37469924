// Exports one span with the official exporter: node export.mjs URL KEY gzip|none
import { credentials, Metadata } from "@grpc/grpc-js";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [url, key, compression] = process.argv.slice(2);
const metadata = new Metadata();
metadata.set("authorization", `Bearer ${key}`);
const exporter = new OTLPTraceExporter({
  url,
  compression,
  metadata,
  credentials: credentials.createInsecure(),
});
const results = [];
const recording = {
  export: (spans, done) => exporter.export(spans, (result) => { results.push(result); done({ code: 0 }); }),
  forceFlush: () => exporter.forceFlush(),
  shutdown: () => exporter.shutdown(),
};
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node" }),
  spanProcessors: [new SimpleSpanProcessor(recording)],
});
provider.getTracer("test").startSpan("invoke_agent NodeAgent", {
  attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "NodeAgent" },
}).end();
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify(results.map(({ code, error }) => ({ code, error: error?.message }))));
