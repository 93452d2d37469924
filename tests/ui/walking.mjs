// What every walk through the UI of a running server needs; a walk prints what it found as JSON,
// one check per line.
//
//   node WALK.mjs MODULES CHROMIUM URL SCREENSHOTS [TRACES]
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, executablePath, server, folder, file] = process.argv.slice(2)
const require = createRequire(join(modules, 'x.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

export const [url, shots, trace] = [server, folder, file]

export const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-dev-shm-usage'],
})

export function tell(name, found) {
  process.stdout.write(`${JSON.stringify({ name, found })}\n`)
}

export async function opened(path, theme = 'dark', viewport = { width: 1600, height: 900 }, more = {}, at = url) {
  const context = await browser.newContext({ viewport, colorScheme: theme, ...more })
  context.setDefaultTimeout(60_000) // the machine may be busy
  const page = await context.newPage()
  const wrong = []
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && wrong.push(m.text()))
  page.on('pageerror', (e) => wrong.push(e.message))
  page.on('request', (r) => !r.url().startsWith(new URL(at).origin) && !/^(data|blob):/.test(r.url()) && wrong.push(r.url()))
  await page.goto(at + path)
  return { page, wrong, close: () => context.close() }
}

export async function violations(page) {
  // evaluated by the debugger, which no content policy binds
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate(() => globalThis.axe.run())
  return found.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`)
}

export const HOSTILE = 'gpt\u202e<img src=x onerror=alert(1)>'

export async function asked(method, path, body, headers = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`)
  return answer.json()
}

/** Open each page in each theme; tell what is wrong with it. */
export async function look(pages, themes = ['dark', 'light'], then = pictures) {
  for (const [name, [path, ready]] of Object.entries(pages)) {
    for (const theme of themes) {
      const { page, wrong, close } = await opened(path, theme)
      await page.waitForSelector(ready)
      tell(`${name} ${theme}`, { wrong, axe: await violations(page), theme: await page.evaluate(() => document.documentElement.dataset.theme) })
      await then(page, `${name}-${theme}`)
      await close()
    }
  }
}

/** Keep a picture of a page in both sizes. */
export async function pictures(page, name) {
  await page.screenshot({ path: join(folder, `${name}-1600x900.png`) })
  await page.setViewportSize({ width: 1280, height: 720 })
  await page.screenshot({ path: join(folder, `${name}-1280x720.png`) })
}
