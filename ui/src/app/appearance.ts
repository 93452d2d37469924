import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'dark' | 'light'

const NAME = 'agentguard.theme'
const light = matchMedia('(prefers-color-scheme: light)')
const listeners = new Set<() => void>()

export const chosenTheme = (): Theme => {
  const kept = localStorage.getItem(NAME)
  return kept === 'dark' || kept === 'light' ? kept : 'system'
}

const effective = () => {
  const chosen = chosenTheme()
  return chosen === 'system' ? (light.matches ? 'light' : 'dark') : chosen
}

export function applyTheme() {
  document.documentElement.dataset.theme = effective()
  listeners.forEach((tell) => tell())
}

export function chooseTheme(theme: Theme) {
  if (theme === 'system') localStorage.removeItem(NAME)
  else localStorage.setItem(NAME, theme)
  applyTheme()
}

light.addEventListener('change', applyTheme)

const strong = matchMedia('(prefers-contrast: more), (forced-colors: active)')
strong.addEventListener('change', () => listeners.forEach((tell) => tell()))

/** Whether what is dimmed must stay easy to see. */
export const wantsContrast = () => strong.matches

function subscribe(tell: () => void) {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

/** Return the theme in use, dark or light. */
export const useTheme = () => useSyncExternalStore(subscribe, effective)

/** Return what changes whenever pictures have to be drawn in other colours. */
export const useColours = () => useSyncExternalStore(subscribe, () => `${effective()} ${strong.matches}`)
