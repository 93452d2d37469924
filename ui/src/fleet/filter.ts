// The filter language: kind:agent service:checkout risk>=7 err>2% spof cycle shadow !word word
import type { Columns } from '../api/queries'

export interface Filter {
  matches: (position: number) => boolean
  /** Parts of the text that mean nothing. */
  unknown: string[]
  empty: boolean
}

type Test = (position: number) => boolean

const NUMBER = /^(risk|err|calls|callers)(>=|<=|>|<|=)(\d+(?:\.\d+)?)%?$/
const WORD = /^(kind|service|owner|env|name):(.+)$/

export function parseFilter(text: string, columns: Columns, inCycle: ReadonlySet<number>): Filter {
  const unknown: string[] = []
  const tests: Test[] = []
  for (const token of tokensOf(text)) {
    const negated = token.startsWith('!')
    const bare = (negated ? token.slice(1) : token).replaceAll('"', '')
    const test = bare ? testOf(bare, columns, inCycle) : null
    if (test === null) unknown.push(token)
    else tests.push(negated ? (i) => !test(i) : test)
  }
  return { matches: (i) => tests.every((test) => test(i)), unknown, empty: tests.length === 0 }
}

const tokensOf = (text: string): string[] => text.match(/!?(?:[\w-]+:)?"[^"]*"|\S+/g) ?? []

const ENVIRONMENT = /^env:"?([^"]*)"?$/

/** Return the environment that the filter names, as the graph writes it; '' where it names none of them. */
export function environmentOf(text: string, environments: readonly string[]): string {
  const named = tokensOf(text).flatMap((token) => ENVIRONMENT.exec(token)?.[1] ?? [])
  return environments.find((each) => named.some((name) => name.toLowerCase() === each.toLowerCase())) ?? ''
}

/** Return the filter with this environment in place of those that it names; without any for ''. */
export function withEnvironment(text: string, environment: string): string {
  const others = tokensOf(text).filter((token) => !ENVIRONMENT.test(token))
  return [...(environment ? [`env:${/\s/.test(environment) ? `"${environment}"` : environment}`] : []), ...others].join(' ')
}

function testOf(token: string, { components: c }: Columns, inCycle: ReadonlySet<number>): Test | null {
  const number = NUMBER.exec(token)
  if (number) return compared(number[1] ?? '', number[2] ?? '', Number(number[3]), c)
  const word = WORD.exec(token)
  if (word) return about(word[1] ?? '', (word[2] ?? '').toLowerCase(), c)
  if (token === 'spof') return (i) => (c.spof_workflows[i] ?? 0) > 0
  if (token === 'cycle') return (i) => inCycle.has(i)
  if (token === 'shadow') return (i) => c.shadow[i] === true
  if (/^[\w]+(:|>=|<=|>|<|=)/.test(token)) return null
  const wanted = token.toLowerCase()
  const texts = [c.name, c.id, c.service, c.owner]
  return (i) => texts.some((column) => column[i]?.toLowerCase().includes(wanted))
}

function about(field: string, wanted: string, c: Columns['components']): Test {
  const column = { kind: c.kind, service: c.service, owner: c.owner, env: c.environment, name: c.name }[field] ?? []
  if (field === 'name') return (i) => column[i]?.toLowerCase().includes(wanted) ?? false
  return (i) => column[i]?.toLowerCase().replaceAll(' ', '_') === wanted.replaceAll(' ', '_')
}

function compared(field: string, sign: string, limit: number, c: Columns['components']): Test {
  const value = (i: number): number | null => {
    if (field === 'risk') return c.risk[i] ?? null
    if (field === 'calls') return c.invocations[i] ?? null
    if (field === 'callers') return c.callers[i] ?? null
    const seen = c.invocations[i] ?? 0
    return seen ? (100 * (c.errors[i] ?? 0)) / seen : null
  }
  const holds: Record<string, (n: number) => boolean> = {
    '>=': (n) => n >= limit,
    '<=': (n) => n <= limit,
    '>': (n) => n > limit,
    '<': (n) => n < limit,
    '=': (n) => n === limit,
  }
  return (i) => {
    const n = value(i)
    return n !== null && (holds[sign]?.(n) ?? false)
  }
}
