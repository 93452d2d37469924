import { useState } from 'react'
import { chooseTheme, chosenTheme, useTheme, type Theme } from '../app/appearance'

const THEMES: Record<Theme, string> = { system: 'As the system', dark: 'Dark', light: 'Light' }

export function Appearance() {
  useTheme() // the button in the frame changes it, too
  const [, again] = useState(0)
  return (
    <section className="panel">
      <h2>Theme</h2>
      <div className="segments" role="group" aria-label="Theme">
        {(Object.keys(THEMES) as Theme[]).map((each) => <button key={each} type="button" aria-pressed={chosenTheme() === each} onClick={() => { chooseTheme(each); again((n) => n + 1) }}>{THEMES[each]}</button>)}
      </div>
      <p className="note">Kept in this browser. Reduced motion and more contrast follow the system.</p>
    </section>
  )
}
