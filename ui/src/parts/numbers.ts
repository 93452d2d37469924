// How the API's numbers are written. Nothing is computed here.

const WHOLE = new Intl.NumberFormat('en')
const THREE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
const NONE = '–'

export const count = (n: number | null | undefined) => (n == null ? NONE : WHOLE.format(n))
export const about = (n: number | null | undefined) => (n == null ? NONE : THREE.format(n))
export const score = (n: number | null | undefined) => (n == null ? NONE : n.toFixed(1))
export const percent = (share: number | null | undefined) =>
  share == null ? NONE : `${THREE.format(share * 100)}\u202f%`

export function milliseconds(n: number | null | undefined): string {
  if (n == null) return NONE
  return n < 1000 ? `${THREE.format(n)}\u202fms` : `${THREE.format(n / 1000)}\u202fs`
}

/** How long something took, in the unit that people would say it in. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${THREE.format(seconds)}\u202fs`
  return seconds < 3600 ? `${THREE.format(seconds / 60)}\u202fmin` : `${THREE.format(seconds / 3600)}\u202fh`
}

/** An API time (RFC 3339, UTC) to the second. */
export function time(text: string | null | undefined): string {
  return text ? `${text.slice(0, 10)} ${text.slice(11, 19)} UTC` : NONE
}

export const plural = (n: number, word: string) => `${count(n)} ${word}${n === 1 ? '' : 's'}`
