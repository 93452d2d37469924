// Finding components and pages by what somebody remembers of their names.
import type { Columns } from '../api/queries'
import { PAGES } from './pages'

/** Most results that are listed. */
export const MOST_FOUND = 30

export type Found = { page: (typeof PAGES)[number] } | { component: number }

/** Return what matches all words: names that begin with the text first, then the highest risk. */
export function find(text: string, columns: Columns | undefined): Found[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const pages = PAGES.filter((page) => words.every((word) => page.title.toLowerCase().includes(word))).map((page) => ({ page }))
  if (!columns || words.length === 0) return pages
  const { id, name, risk } = columns.components
  const place = (i: number) => ((name[i] ?? '').toLowerCase().startsWith(words.join(' ')) ? 0 : 1)
  const components = id
    .flatMap((each, i) => (words.every((word) => `${name[i]} ${each}`.toLowerCase().includes(word)) ? [i] : []))
    .sort((a, b) => place(a) - place(b) || (risk[b] ?? -1) - (risk[a] ?? -1) || a - b)
  return [...components.map((component) => ({ component })), ...pages].slice(0, MOST_FOUND)
}
