// The frame around all pages.
import { lazy, Suspense, type ComponentType } from 'react'
import { Link, Route, Switch, useLocation } from 'wouter'
import { FleetPage } from '../fleet/FleetPage'
import { Failure, Waiting } from '../parts/states'
import { chooseTheme, useTheme } from './appearance'
import { Keyboard } from './Keyboard'
import { PAGES } from './pages'
import { Pickers } from './Pickers'
import { Account, isSignedOut, SignIn, useMe, type Me } from './session'
import { useView } from './view'

const LAZY: Record<string, ComponentType> = {
  '/audit': lazy(() => import('../audit/AuditPage').then((m) => ({ default: m.AuditPage }))),
  '/component': lazy(() => import('../component/ComponentPage').then((m) => ({ default: m.ComponentPage }))),
  '/coverage': lazy(() => import('../coverage/CoveragePage').then((m) => ({ default: m.CoveragePage }))),
  '/catalog': lazy(() => import('../catalog/CatalogPage').then((m) => ({ default: m.CatalogPage }))),
  '/incidents': lazy(() => import('../incidents/IncidentsPage').then((m) => ({ default: m.IncidentsPage }))),
  '/scan': lazy(() => import('../scan/ScanPage').then((m) => ({ default: m.ScanPage }))),
  '/settings': lazy(() => import('../settings/SettingsPage').then((m) => ({ default: m.SettingsPage }))),
  '/trace': lazy(() => import('../trace/TracePage').then((m) => ({ default: m.TracePage }))),
  '/what-if': lazy(() => import('../what_if/WhatIfPage').then((m) => ({ default: m.WhatIfPage }))),
}

export function App() {
  const me = useMe()
  const signedOut = isSignedOut(me.error)
  if (me.isPending) return <Waiting what="AgentGuard" />
  return (
    <>
      <a className="skip" href="#main">Skip to the page</a>
      <TopBar me={signedOut ? undefined : me.data} />
      <Navigation inert={signedOut} />
      <main id="main" tabIndex={-1} inert={signedOut}>
        {me.error && !signedOut ? <Failure error={me.error} retry={() => void me.refetch()} /> : me.data && <Pages />}
      </main>
      {signedOut && <SignIn />}
    </>
  )
}

function Pages() {
  return (
    <Suspense fallback={<Waiting what="the page" />}>
      <Switch>
        <Route path="/" component={FleetPage} />
        {Object.entries(LAZY).map(([path, page]) => <Route key={path} path={path} component={page} />)}
        <Route><div className="empty"><h1>There is no such page</h1><Link href="/">Fleet</Link></div></Route>
      </Switch>
    </Suspense>
  )
}

function Navigation({ inert }: { inert: boolean }) {
  const [location] = useLocation()
  const { to } = useView()
  return (
    <nav aria-label="Pages" inert={inert}>
      {PAGES.map((page) => (
        <Link key={page.path} href={to(page.path)} aria-current={location === page.path ? 'page' : undefined}>
          <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d={page.icon} /></svg>
          {page.title}
        </Link>
      ))}
    </nav>
  )
}

function TopBar({ me }: { me: Me | undefined }) {
  const theme = useTheme()
  return (
    <header className="top">
      <Link href="/" className="brand"><svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true"><path d="M8 1l6 2v5c0 4-3 6-6 7-3-1-6-3-6-7V3z" /></svg>AgentGuard</Link>
      {me && <Pickers />}
      <span className="grow" />
      {me && <Keyboard />}
      <a href="docs">API</a>
      {me && <Account me={me} />}
      <button type="button" onClick={() => chooseTheme(theme === 'dark' ? 'light' : 'dark')}>{theme === 'dark' ? 'Light' : 'Dark'}</button>
    </header>
  )
}
