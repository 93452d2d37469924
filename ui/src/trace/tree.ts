// Which spans of a trace are shown. Spans come in tree order: those below one follow it, deeper.
import type { TreeSpan } from './api'

/** Whether spans follow that are below this one. */
export const hasChildren = (spans: readonly TreeSpan[], i: number) => (spans[i + 1]?.depth ?? 0) > (spans[i]?.depth ?? 0)

/** Return the position of the span above; null for one that has none here. */
export function parentOf(spans: readonly TreeSpan[], i: number): number | null {
  const depth = spans[i]?.depth ?? 0
  for (let at = i - 1; at >= 0; at--) if ((spans[at]?.depth ?? 0) < depth) return at
  return null
}

/** Return the positions of the spans that no collapsed one hides. */
export function expanded(spans: readonly TreeSpan[], collapsed: ReadonlySet<string>): number[] {
  const found: number[] = []
  let under = Infinity
  spans.forEach((span, i) => {
    if (span.depth > under) return
    under = collapsed.has(span.span_id) ? span.depth : Infinity
    found.push(i)
  })
  return found
}

/** Return the positions of the spans in which all words occur: in names, services, components or callers. */
export function matching(spans: readonly TreeSpan[], text: string): Set<number> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const written = (span: TreeSpan) => [span.name, span.service, span.component?.name, span.owner?.component.name].join(' ').toLowerCase()
  return new Set(spans.flatMap((span, i) => (words.every((word) => written(span).includes(word)) ? [i] : [])))
}

/** Return these positions and all above them, in tree order. */
export function withParents(spans: readonly TreeSpan[], positions: ReadonlySet<number>): number[] {
  const found = new Set<number>()
  for (const position of positions) {
    for (let at: number | null = position; at !== null && !found.has(at); at = parentOf(spans, at)) found.add(at)
  }
  return [...found].sort((a, b) => a - b)
}
