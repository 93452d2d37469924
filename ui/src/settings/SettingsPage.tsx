// Settings: what everybody may see, and what administrators manage.
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { Account } from './Account'
import { Appearance } from './Appearance'
import { Keys } from './Keys'
import { Limits } from './Limits'
import { Notifications } from './Notifications'
import { Services } from './Services'
import { Users } from './Users'

const PARTS = {
  services: { words: 'Connected services', page: Services, admin: false },
  keys: { words: 'API keys', page: Keys, admin: true },
  users: { words: 'Users', page: Users, admin: true },
  notifications: { words: 'Notifications', page: Notifications, admin: false },
  limits: { words: 'Retention and thresholds', page: Limits, admin: false },
  appearance: { words: 'Appearance', page: Appearance, admin: false },
  account: { words: 'Your password', page: Account, admin: false },
}

type Part = keyof typeof PARTS

export function SettingsPage() {
  const { params, change } = useView()
  const me = useMe()
  const shown = (Object.keys(PARTS) as Part[]).filter(
    (part) => (!PARTS[part].admin || may(me.data, 'admin')) && (part !== 'account' || me.data?.user?.has_password),
  )
  const wanted = params.get('part') as Part | null
  const part = wanted !== null && shown.includes(wanted) ? wanted : 'services'
  const Page = PARTS[part].page
  return (
    <div className="page">
      <h1>Settings</h1>
      <div className="segments" role="group" aria-label="Parts of the settings">
        {shown.map((each) => <button key={each} type="button" aria-pressed={part === each} onClick={() => change({ part: each === 'services' ? null : each, before: null, after: null })}>{PARTS[each].words}</button>)}
      </div>
      <Page />
    </div>
  )
}
