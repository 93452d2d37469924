import './styles/tokens.css'
import './styles/base.css'
import './styles/frame.css'
import './styles/pages.css'
import './styles/work.css'
import './styles/contrast.css'
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Router } from 'wouter'
import { BASE, Problem } from './api/client'
import { App } from './app/App'
import { applyTheme } from './app/appearance'
import { isSignedOut } from './app/session'

applyTheme()

/** A session that has ended is found out by whatever is asked next; the dialog then stands over the page. */
function noticeSignOut(error: unknown) {
  const known = queries.getQueryState(['me'])
  if (isSignedOut(error) && known?.data && !known.error) void queries.invalidateQueries({ queryKey: ['me'] })
}

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => query.queryKey[0] !== 'me' && noticeSignOut(error) }),
  mutationCache: new MutationCache({ onError: noticeSignOut }),
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      retry: (times, error) => times < 2 && error instanceof Problem && (error.status === 0 || error.status >= 500),
    },
  },
})

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Router base={BASE}>
          <App />
        </Router>
      </QueryClientProvider>
    </StrictMode>,
  )
}
