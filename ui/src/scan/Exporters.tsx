// How to send traces over OTLP; the variables are those of every OpenTelemetry SDK.
import { useState } from 'react'
import { BASE } from '../api/client'
import { CopyButton } from '../parts/CopyButton'

const address = location.origin + BASE

const SNIPPETS = {
  'Python, JavaScript, Java': `export OTEL_EXPORTER_OTLP_ENDPOINT=${address}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_TRACES_EXPORTER=otlp
# where the server asks for a key:
export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20YOUR_KEY"`,
  Collector: `exporters:
  otlphttp/agentguard:
    endpoint: ${address}
    headers: { Authorization: "Bearer YOUR_KEY" }  # where the server asks for a key
service:
  pipelines:
    traces: { exporters: [otlphttp/agentguard] }`,
}

type Name = keyof typeof SNIPPETS

export function Exporters() {
  const [name, setName] = useState<Name>('Python, JavaScript, Java')
  return (
    <>
      <div className="segments" role="group" aria-label="Exporter">
        {(Object.keys(SNIPPETS) as Name[]).map((each) => <button key={each} type="button" aria-pressed={name === each} onClick={() => setName(each)}>{each}</button>)}
      </div>
      <pre tabIndex={0}><code>{SNIPPETS[name]}</code></pre>
      <CopyButton key={name} of={SNIPPETS[name]} />
      <p className="note">Traces go to <code>{address}/v1/traces</code> and appear as the dataset <b>live</b>.</p>
    </>
  )
}
