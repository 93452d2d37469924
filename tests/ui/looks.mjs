// Opens every page in both themes and sizes, and keeps pictures.
import { PAGES } from './pages.mjs'
import { browser, look } from './walking.mjs'

await look(PAGES)
await browser.close()
