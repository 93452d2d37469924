import { expect, test } from 'vitest'
import type { TreeSpan } from './api'
import { expanded, hasChildren, matching, parentOf, withParents } from './tree'

/** A tree of spans, given by their depths; their names are their positions. */
const tree = (...depths: number[]) => depths.map((depth, i) => ({ span_id: `s${i}`, name: `span ${i}`, service: null, component: null, owner: null, depth }) as unknown as TreeSpan)

const SPANS = tree(0, 1, 2, 2, 1, 2, 0)

test('what is collapsed hides all below it, and nothing else', () => {
  expect(expanded(SPANS, new Set())).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(expanded(SPANS, new Set(['s1']))).toEqual([0, 1, 4, 5, 6])
  expect(expanded(SPANS, new Set(['s0']))).toEqual([0, 6])
  expect(expanded(SPANS, new Set(['s0', 's1']))).toEqual([0, 6])
  expect(expanded(SPANS, new Set(['s3', 's6']))).toEqual([0, 1, 2, 3, 4, 5, 6])
})

test('parents are the nearest spans above that are less deep', () => {
  expect(SPANS.map((_, i) => parentOf(SPANS, i))).toEqual([null, 0, 1, 1, 0, 4, null])
})

test('only spans that others are below have children', () => {
  expect(SPANS.map((_, i) => hasChildren(SPANS, i))).toEqual([true, true, false, false, true, false, false])
})

test('all words have to occur, wherever they stand', () => {
  const spans = [{ ...tree(0)[0], name: 'POST /checkout', service: 'shop' }, { ...tree(1)[0], name: 'chat', component: { name: 'gpt-4o' } }] as unknown as TreeSpan[]
  expect([...matching(spans, 'shop post')]).toEqual([0])
  expect([...matching(spans, 'GPT')]).toEqual([1])
  expect([...matching(spans, 'shop gpt')]).toEqual([])
})

test('what matches is shown with what is above it', () => {
  expect(withParents(SPANS, new Set([5, 3]))).toEqual([0, 1, 3, 4, 5])
  expect(withParents(SPANS, new Set())).toEqual([])
})
