// Shortcuts that work on every page, and buttons for the dialogs that they open.
import { lazy, Suspense, useEffect, useMemo, useState } from 'react'
import { useLocation } from 'wouter'
import { useShortcuts } from './shortcuts'
import { useView } from './view'

const Jump = lazy(() => import('./Jump').then((m) => ({ default: m.Jump })))
const ShortcutList = lazy(() => import('./ShortcutList').then((m) => ({ default: m.ShortcutList })))

type Dialog = 'jump' | 'shortcuts' | null

export function Keyboard() {
  const { to } = useView()
  const [, navigate] = useLocation()
  const [dialog, setDialog] = useState<Dialog>(null)
  const close = () => setDialog(null)
  useShortcuts(useMemo(() => ({
    '?': () => setDialog('shortcuts'),
    'g f': () => navigate(to('/')),
    'g w': () => navigate(to('/what-if')),
    'g i': () => navigate(to('/incidents')),
  }), [navigate, to]))
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      setDialog('jump')
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
  return (
    <>
      <button type="button" onClick={() => setDialog('jump')}>Find <kbd>Ctrl K</kbd></button>
      <button type="button" onClick={() => setDialog('shortcuts')} aria-label="Keyboard shortcuts">?</button>
      <Suspense>
        {dialog === 'jump' && <Jump onClose={close} />}
        {dialog === 'shortcuts' && <ShortcutList onClose={close} />}
      </Suspense>
    </>
  )
}
