// A scenario: what fails, how, and by which method. Kept as JSON in the page's address.
import type { Schemas } from '../api/client'

export interface Scenario {
  fail: string[]
  mode: string
  method: string
}

export type Wanted = Schemas['SimulationRequest']

export function requestOf(failing: string[], mode: string, method: string, selection: object): Wanted | null {
  if (failing.length === 0) return null
  const isGroup = (name: string) => /^(provider|server|service|environment):/.test(name)
  return {
    agent_ids: failing.filter((name) => !isGroup(name)),
    groups: failing.filter(isGroup),
    modes: [mode],
    ...(method && mode === 'outage' ? { method: method as NonNullable<Wanted['method']> } : {}),
    ...selection,
  } as Wanted
}

export const sameScenario = (a: Scenario, b: Scenario) => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b))

const ordered = ({ fail, mode, method }: Scenario) => [[...fail].sort(), mode, method]

/** The scenarios of an address; what is not one, such as a link that was cut, is left out. */
export function scenariosOf(texts: string[]): Scenario[] {
  return texts.flatMap((text) => {
    try {
      const found: unknown = JSON.parse(text)
      return isScenario(found) ? [found] : []
    } catch {
      return []
    }
  })
}

function isScenario(found: unknown): found is Scenario {
  if (typeof found !== 'object' || found === null) return false
  const { fail, mode, method } = found as Record<string, unknown>
  return Array.isArray(fail) && fail.length > 0 && fail.every((each) => typeof each === 'string') && typeof mode === 'string' && typeof method === 'string'
}
