// Text from telemetry is hostile: it is only ever a text node, and what would not show is shown.
import { Fragment } from 'react'

const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffc\u{e0000}-\u{e0fff}]/gu

/** Return the text with control, bidirectional and zero-width characters as escapes. */
export function shown(text: string): string {
  return text.replace(UNSEEN, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)
}

/** Text of others, on one line where `clip` is set; the whole of it is the title. */
export function Text({ of, clip = false }: { of: string; clip?: boolean }) {
  const text = shown(of)
  return (
    <bdi className={clip ? 'clip' : undefined} title={clip ? text : undefined}>
      {text}
    </bdi>
  )
}

/** Text of others that may have several lines. */
export function Lines({ of }: { of: string }) {
  return of.split('\n').map((line, i) => <Fragment key={i}>{i > 0 && '\n'}<Text of={line} /></Fragment>)
}
