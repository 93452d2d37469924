import { expect, test } from 'vitest'
import type { Columns } from '../api/queries'
import { find, MOST_FOUND } from './find'

const fleet = (name: string[], risk: (number | null)[] = name.map(() => 1)) =>
  ({ components: { id: name.map((each, i) => `tool:shop/${each}-${i}`), name, risk } }) as unknown as Columns
const titles = (found: ReturnType<typeof find>) => found.map((each) => ('page' in each ? each.page.title : each.component))

test('without a text, the pages are offered', () => {
  expect(titles(find(' ', fleet(['a'])))).toContain('Incidents')
})

test('names that begin with the text come first, then the highest risk', () => {
  expect(titles(find('pay', fleet(['repay', 'payee', 'PayPal', 'other'], [9, 1, 5, 9])))).toEqual([2, 1, 0])
})

test('all words have to match, in names or ids', () => {
  expect(titles(find('shop pay', fleet(['pay', 'ship'])))).toEqual([0])
  expect(find('pay ship', fleet(['pay', 'ship']))).toEqual([])
})

test('components without a known risk are found, last', () => {
  expect(titles(find('a', fleet(['a', 'a'], [null, 0])).slice(0, 2))).toEqual([1, 0])
})

test('the list is bounded', () => {
  expect(find('a', fleet(Array.from({ length: 500 }, () => 'a'))).length).toBe(MOST_FOUND)
})
