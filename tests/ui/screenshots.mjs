// Takes the screenshots of docs/ on a server with the recorded demo; see screenshots.py.
//   node screenshots.mjs MODULES CHROMIUM URL FOLDER INCIDENT
import { join } from 'node:path'
import { browser, opened, shots as folder, trace as incident, tell } from './walking.mjs'

const GPT = 'demo/model:gpt-4o-mini'
const PAGES = {
  fleet: ['/?dataset=demo', '.label'],
  component: [`/?dataset=demo&view=map&sel=${GPT}`, '.detail .factors'],
  'what-if': [`/what-if?dataset=demo&fail=${GPT}`, '.answer'],
  incident: [`/incidents?id=${incident}`, '.step, ol, .facts'],
  audit: ['/audit', 'table'],
  coverage: ['/coverage?dataset=demo', '.tiles'],
}

for (const [name, [path, ready]] of Object.entries(PAGES)) {
  const { page, wrong, close } = await opened(path)
  await page.waitForSelector(ready)
  await page.waitForTimeout(1500) // everything that is asked for after the first text
  await page.screenshot({ path: join(folder, `${name}.png`) })
  tell(name, wrong)
  await close()
}
await browser.close()
