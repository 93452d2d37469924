import { useState } from 'react'

/** Copies a text. Browsers refuse that over plain HTTP from another machine, which is said then. */
export function CopyButton({ of, words = 'Copy', primary = false }: { of: string; words?: string; primary?: boolean }) {
  const [done, setDone] = useState<string | null>(null)
  async function copy() {
    try {
      await navigator.clipboard.writeText(of)
      setDone('Copied')
    } catch {
      setDone('Not copied: select it by hand')
    }
  }
  return <button type="button" className={primary ? 'primary' : undefined} onClick={() => void copy()}>{done ?? words}</button>
}
