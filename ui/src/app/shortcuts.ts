// Shortcuts of one key, which can be switched off, and what they are.
import { useEffect, useSyncExternalStore } from 'react'

const NAME = 'agentguard.shortcuts'
const listeners = new Set<() => void>()

export const singleKeysAreOn = () => localStorage.getItem(NAME) !== 'off'

export function switchSingleKeys(on: boolean) {
  if (on) localStorage.removeItem(NAME)
  else localStorage.setItem(NAME, 'off')
  listeners.forEach((tell) => tell())
}

export function useSingleKeys(): boolean {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell)
      return () => listeners.delete(tell)
    },
    singleKeysAreOn,
  )
}

const FIELDS = 'input, select, textarea, [contenteditable]'

/** Return the key that was pressed as a shortcut; null in fields, under dialogs and where they are switched off. */
export function shortcutOf(event: KeyboardEvent): string | null {
  const inField = event.target instanceof Element && event.target.closest(FIELDS) !== null
  if (inField || event.ctrlKey || event.metaKey || event.altKey || dialogIsOpen()) return null
  return event.key === 'Escape' || singleKeysAreOn() ? event.key : null
}

const dialogIsOpen = () => document.querySelector('dialog[open], [role=dialog]') !== null

/** Milliseconds for the second key of a shortcut of two. */
const PAUSE = 1500

/** Call what stands for a key, such as `?`, or for two in a row, such as `g f`. */
export function useShortcuts(actions: Record<string, () => void>) {
  useEffect(() => {
    let first: { key: string; at: number } | null = null
    const press = (event: KeyboardEvent) => {
      const key = shortcutOf(event)
      if (key === null) return
      const before = first && event.timeStamp - first.at < PAUSE ? `${first.key} ` : ''
      first = { key, at: event.timeStamp }
      const action = actions[before + key] ?? actions[key]
      if (!action) return
      event.preventDefault()
      action()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [actions])
}

export const SHORTCUTS: readonly { keys: string; does: string; single?: boolean }[] = [
  { keys: 'Ctrl K', does: 'Find a component or a page' },
  { keys: '/', does: 'Go to the filter of the fleet', single: true },
  { keys: 'g f', does: 'Fleet', single: true },
  { keys: 'g w', does: 'What-if', single: true },
  { keys: 'g i', does: 'Incidents', single: true },
  { keys: 's', does: 'Simulate the failure of the selected component', single: true },
  { keys: 't', does: 'Table of the fleet, and back', single: true },
  { keys: '?', does: 'This list', single: true },
  { keys: '← ↑ → ↓', does: 'Move between components, or spans of a trace' },
  { keys: 'Enter', does: 'Select the component' },
  { keys: 'Shift Enter', does: 'Show what is around the component' },
  { keys: 'Esc', does: 'Go back: from Focus to the fleet, then to no selection' },
]
