import { expect, test } from 'vitest'
import type { Columns } from '../api/queries'
import { environmentOf, parseFilter, withEnvironment } from './filter'

const ENVIRONMENTS = ['prod', 'Pre Prod']

/** Four components with what the filter reads of them. */
const columns = {
  components: {
    id: ['a', 'b', 'c', 'd'], name: ['Checkout', 'charge', 'gpt', 'mail'], kind: ['agent', 'tool', 'model', 'mcp_server'],
    service: ['shop', 'shop', null, 'post office'], owner: [null, 'pay', 'pay', null], environment: ['prod', 'prod', null, 'Pre Prod'],
    risk: [7, 2.5, null, 0], invocations: [100, 50, 0, 10], errors: [2, 2, 0, 0], callers: [0, 1, 4, 2], spof_workflows: [1, 0, 2, 0], shadow: [null, true, false, null],
  },
} as unknown as Columns

const matched = (text: string) => {
  const { matches } = parseFilter(text, columns, new Set([0, 1]))
  return [0, 1, 2, 3].filter(matches).join('')
}

test.each([
  ['', '0123'], ['ch', '01'], ['kind:agent', '0'], ['kind:"mcp server"', '3'], ['service:shop', '01'], ['service:"post office"', '3'], ['owner:pay', '12'],
  ['env:prod', '01'], ['env:"pre prod"', '3'], ['name:GPT', '2'], ['risk>=7', '0'], ['risk<3', '13'], ['risk=0', '3'], ['err>2%', '1'], ['err>=2', '01'],
  ['calls>10', '01'], ['callers>3', '2'], ['spof', '02'], ['cycle', '01'], ['shadow', '1'], ['!shadow', '023'], ['!kind:tool spof', '02'], ['owner:pay !"gpt"', '1'],
])('%s', (text, expected) => expect(matched(text)).toBe(expected))

test.each(['nonsense:1', 'risk>high', 'size>3', '!'])('what means nothing is named: %s', (text) => {
  const { unknown, matches } = parseFilter(`kind:tool ${text}`, columns, new Set())
  expect(unknown).toEqual([text])
  expect([0, 1, 2, 3].filter(matches)).toEqual([1])
})

test('an environment takes the place of another, and leaves the rest of the filter', () => {
  expect(withEnvironment('kind:tool env:prod spof', 'Pre Prod')).toBe('env:"Pre Prod" kind:tool spof')
  expect(withEnvironment('kind:tool env:prod', '')).toBe('kind:tool')
})

test('the environment that a filter names is found in it', () => {
  for (const each of ['', ...ENVIRONMENTS]) expect(environmentOf(withEnvironment('spof', each), ENVIRONMENTS)).toBe(each)
  expect(environmentOf('!env:prod', ENVIRONMENTS)).toBe('')
})
