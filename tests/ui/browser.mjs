// Walks through the UI of a running server and prints what it found as JSON, one check per line.
// node browser.mjs MODULES CHROMIUM URL SCREENSHOTS TRACES
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, executablePath, url, shots, trace] = process.argv.slice(2)
const require = createRequire(join(modules, 'x.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-dev-shm-usage'],
})

function tell(name, found) {
  process.stdout.write(`${JSON.stringify({ name, found })}\n`)
}

async function opened(path, theme = 'dark', viewport = { width: 1600, height: 900 }) {
  const context = await browser.newContext({ viewport, colorScheme: theme })
  const page = await context.newPage()
  const wrong = []
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && wrong.push(m.text()))
  page.on('pageerror', (e) => wrong.push(e.message))
  page.on('request', (r) => !r.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(r.url()) && wrong.push(r.url()))
  await page.goto(url + path)
  return { page, wrong, close: () => context.close() }
}

async function violations(page) {
  // evaluated by the debugger, which no content policy binds
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate(() => globalThis.axe.run())
  return found.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`)
}

const HOSTILE = 'gpt\u202e<img src=x onerror=alert(1)>'

const PAGES = {
  fleet: ['/?dataset=demo', '.label'],
  selected: ['/?dataset=demo&sel=demo/model:gpt-4o', '.detail .factors'],
  map: ['/?dataset=demo&view=map', '.hub-label'],
  table: ['/?dataset=demo&view=table', 'table.wide'],
  component: ['/component?dataset=demo&id=demo/model:gpt-4o', '.facts'],
  risk: ['/component?dataset=demo&id=demo/model:gpt-4o&tab=risk', '.factors'],
  'what-if': ['/what-if?dataset=demo&fail=demo/model:gpt-4o', '.answer'],
  coverage: ['/coverage?dataset=demo', '.tiles'],
  catalog: ['/catalog?dataset=demo', 'table'],
  scan: ['/scan', 'pre'],
}

for (const [name, [path, ready]] of Object.entries(PAGES)) {
  for (const theme of ['dark', 'light']) {
    const { page, wrong, close } = await opened(path, theme)
    await page.waitForSelector(ready)
    tell(`${name} ${theme}`, { wrong, axe: await violations(page), theme: await page.evaluate(() => document.documentElement.dataset.theme) })
    await page.screenshot({ path: join(shots, `${name}-${theme}-1600x900.png`) })
    await page.setViewportSize({ width: 1280, height: 720 })
    await page.screenshot({ path: join(shots, `${name}-${theme}-1280x720.png`) })
    await close()
  }
}

{
  const { page, wrong, close } = await opened('/?dataset=demo')
  await page.waitForSelector('.label')
  await page.keyboard.press('/')
  await page.keyboard.type('PaymentAgent')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.detail')
  const selected = new URL(page.url()).searchParams.get('sel')
  await page.reload()
  await page.waitForSelector('.detail .factors')
  const after = await page.textContent('.detail h2')
  await page.getByRole('link', { name: 'Simulate its failure' }).press('Enter')
  await page.waitForSelector('.answer')
  tell('keyboard', { wrong, selected, after, answer: await page.textContent('.answer'), address: page.url() })
  await close()
}

{
  const { page, close } = await opened('/?dataset=demo')
  await page.waitForSelector('.label')
  const drawn = await page.locator('.label').count()
  const canvas = await page.evaluate(() => {
    const found = document.querySelector('canvas')
    const pixels = found.getContext('2d').getImageData(0, 0, found.width, found.height).data
    return pixels.filter((value, i) => i % 4 === 3 && value > 0).length
  })
  await page.fill('input[type=search]', 'kind:model spof')
  const status = await page.textContent('p[role=status]')
  await page.fill('input[type=search]', 'nonsense:1')
  const alert = await page.textContent('p[role=alert]')
  tell('drawing', { drawn, canvas, status, alert })
  await close()
}

{
  const { page, wrong, close } = await opened('/what-if')
  await page.route('**/api/graph/columns*', async (route) => {
    const answer = await route.fetch()
    const document = await answer.json()
    document.components.name[0] = HOSTILE
    await route.fulfill({ response: answer, json: document })
  })
  let asked = false
  page.on('dialog', () => { asked = true })
  await page.goto(`${url}/?dataset=demo`)
  await page.waitForSelector('.label')
  const text = await page.locator('.label').first().textContent()
  tell('hostile', { wrong, asked, text, images: await page.locator('img').count() })
  await close()
}

{
  const { page, close } = await opened('/?dataset=demo')
  await page.waitForSelector('.label')
  await page.route('**/api/**', (route) => route.abort())
  await page.getByRole('link', { name: 'What-if' }).click()
  await page.goto(`${url}/component?dataset=demo&id=gpt-4o`)
  await page.waitForSelector('.failure')
  tell('unreachable', { text: await page.textContent('.failure p') })
  await close()
}

{
  const { page, wrong, close } = await opened('/scan')
  await page.setInputFiles('input[type=file]', trace)
  await page.fill('input[name=dataset]', 'uploaded')
  await page.getByRole('button', { name: 'Upload and scan' }).click()
  const link = page.getByRole('link', { name: 'in the fleet' })
  await link.waitFor()
  const said = await page.textContent('[role=status]')
  await link.click()
  await page.waitForSelector('.label')
  tell('upload', { wrong, said, address: page.url(), drawn: await page.locator('.label').count() })
  await close()
}

await browser.close()
