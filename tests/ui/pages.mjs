// The pages of a server with the recorded demo, and the incident that some of them show.
import { asked, HOSTILE } from './walking.mjs'

export const simulated = await asked('POST', '/api/simulate', { agent_ids: ['demo/model:gpt-4o'], dataset: 'demo' })
export const incident = await asked('POST', '/api/incidents', { simulation: simulated.id, title: HOSTILE, owner: HOSTILE, note: `${HOSTILE}\nsecond line` })

const evidence = await asked('GET', '/api/evidence/component:demo/model:gpt-4o?dataset=demo')
const failed = evidence.spans.find((each) => each.failed)

/** Each page of the demo, with what is there once it is ready. */
export const PAGES = {
  fleet: ['/?dataset=demo', '.label'],
  selected: ['/?dataset=demo&sel=demo/model:gpt-4o', '.detail .factors'],
  map: ['/?dataset=demo&view=map', '.hub-label'],
  table: ['/?dataset=demo&view=table', 'table.wide'],
  component: ['/component?dataset=demo&id=demo/model:gpt-4o', '.facts'],
  risk: ['/component?dataset=demo&id=demo/model:gpt-4o&tab=risk', '.factors'],
  traces: ['/component?dataset=demo&id=demo/model:gpt-4o&tab=traces', '.spans .selected'],
  trace: [`/trace?dataset=demo&id=${failed.trace_id}`, '.spans .failing-path'],
  'what-if': ['/what-if?dataset=demo&fail=demo/model:gpt-4o', '.answer'],
  incidents: ['/incidents', 'td.title'],
  incident: [`/incidents?id=${incident.id}`, '.steps li'],
  'incident form': ['/incidents?open=new&dataset=demo', '.sheet'],
  audit: ['/audit', 'td.breaks'],
  'audit entry': ['/audit?entry=1', '.facts'],
  checkpoint: ['/audit?part=checkpoint', '.facts'],
  anchors: ['/audit?part=anchors', '.panel .note'],
  coverage: ['/coverage?dataset=demo', '.tiles'],
  catalog: ['/catalog?dataset=demo', 'table'],
  scan: ['/scan', 'pre'],
  settings: ['/settings', 'td.line'],
  keys: ['/settings?part=keys', '.sheet'],
  users: ['/settings?part=users', '.sheet'],
  notifications: ['/settings?part=notifications', 'td.gap'],
  limits: ['/settings?part=limits', 'td code'],
  appearance: ['/settings?part=appearance', '.panel .segments'],
}
