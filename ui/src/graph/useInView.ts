import { useEffect, type RefObject } from 'react'

interface Place {
  x: number
  y: number
}

/** Scroll a box so that what is newly selected is in its view; what is in view already does not move. */
export function useInView(box: RefObject<HTMLElement | null>, selected: string | null, place: Place | undefined) {
  useEffect(() => {
    const element = box.current
    if (!element || !place) return
    const left = scrolled(place.x, element.scrollLeft, element.clientWidth)
    const top = scrolled(place.y, element.scrollTop, element.clientHeight)
    if (left !== element.scrollLeft || top !== element.scrollTop) element.scrollTo({ left, top })
    // only on a selection, not as the place changes: the reader may have moved on
  }, [selected, place === undefined])
}

const MARGIN = 40

function scrolled(at: number, from: number, size: number): number {
  return at < from + MARGIN || at > from + size - MARGIN ? Math.max(0, at - size / 2) : from
}
