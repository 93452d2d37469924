// Fleets of many components, and what a browser takes for them.
import { join } from 'node:path'
import { browser, opened, shots, tell, url } from './walking.mjs'

const KINDS = ['agent', 'tool', 'tool', 'datastore', 'model']

/** n components of up to 700 services, in the columns of a real answer. */
function fleet(document, n) {
  const number = Array.from({ length: n }, (_, i) => i)
  const filled = (value) => number.map(value)
  document.components = {
    ...Object.fromEntries(Object.keys(document.components).map((name) => [name, filled(() => null)])),
    id: filled((i) => `large/tool:${i}`), name: filled((i) => `component ${i}`), kind: filled((i) => KINDS[i % 5]),
    service: filled((i) => (i % 50 ? `service-${i % 700}` : null)), risk: filled((i) => ((i * 37) % 1000) / 100),
    invocations: filled(() => 10), errors: filled(() => 0), callers: filled(() => 3), spof_workflows: filled(() => 0),
  }
  const edges = (value) => Array.from({ length: 3 * n }, (_, e) => value(e))
  document.dependencies = {
    source: edges((e) => e % n), target: edges((e) => (e * 7919 + Math.floor(e / n) * 13) % n),
    type: edges(() => 'uses_tool'), calls: edges(() => 5), errors: edges(() => 0),
  }
  return { ...document, cycles: [], workflows: [], by_risk: number }
}

/** A page that is not yet the fleet; the fleet's answer is ready before it is asked for. */
async function prepared(n, more = {}) {
  const found = await opened('/scan', 'dark', undefined, more)
  const real = await (await fetch(`${url}/api/graph/columns?dataset=demo`)).json()
  const body = JSON.stringify(fleet(real, n))
  await found.page.route('**/api/graph/columns*', (route) => route.fulfill({ contentType: 'application/json', body }))
  return found
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
const percentile95 = (values) => values.sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1]

async function load(page, ready) {
  await page.goto(`${url}/?dataset=demo`)
  await page.waitForSelector(ready)
  return page.evaluate(() => performance.now())
}

{
  // three loads of each size, in milliseconds since the navigation began
  const times = {}
  for (const [n, ready] of [[60, '.label'], [1200, '.row-title'], [5000, '.row-title']]) {
    const { page, close } = await prepared(n)
    const taken = []
    for (let again = 0; again < 3; again += 1) taken.push(await load(page, ready))
    times[n] = median(taken)
    await close()
  }
  tell('loads', times)
}

{
  const { page, close } = await opened('/scan')
  const taken = []
  for (let again = 0; again < 3; again += 1) {
    await page.goto(`${url}/?dataset=demo`)
    await page.waitForSelector('header.top')
    taken.push(await page.evaluate(() => performance.now()))
  }
  tell('shell', median(taken))
  await close()
}

{
  const { page, close } = await prepared(5000)
  await load(page, '.row-title')
  const height = await page.evaluate(() => document.querySelector('canvas').height)
  const members = await page.locator('.row-title small').allTextContents()
  const hubs = await page.locator('.hub-label').count()
  await page.locator('.hub-label').first().click()
  await page.waitForSelector('.detail h2')
  const selected = await page.textContent('.detail h2')
  await page.screenshot({ path: join(shots, 'large-dark-1600x900.png') })
  await page.getByRole('button', { name: 'Table' }).click()
  await page.waitForSelector('table.wide')
  tell('large', { height, members, hubs, selected, rows: await page.locator('table.wide tbody tr').count() })
  await close()
}

{
  // a keystroke in the filter, and a pointer that moves, until the next frame is painted
  const { page, close } = await prepared(5000)
  const session = await page.context().newCDPSession(page)
  await load(page, '.row-title')
  const painted = (selector, act) => page.locator(selector).evaluate(async (box, change) => {
    const taken = []
    for (let i = 0; i < 20; i += 1) {
      const started = performance.now()
      if (change === 'key') {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(box, `component ${i}`)
        box.dispatchEvent(new Event('input', { bubbles: true }))
      } else {
        const at = box.getBoundingClientRect()
        box.dispatchEvent(new MouseEvent('mousemove', { bubbles: true, clientX: at.left + 300 + 20 * i, clientY: at.top + 100 + 10 * i }))
      }
      await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)) })
      taken.push(performance.now() - started)
    }
    return taken
  }, act)
  const rounds = { key: [], hover: [] }
  for (let round = 0; round < 3; round += 1) {
    rounds.hover.push(percentile95(await painted('canvas', 'hover')))
    rounds.key.push(percentile95(await painted('input[type=search]', 'key')))
    await page.fill('input[type=search]', '')
  }
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  tell('interaction', { key: median(rounds.key), hover: median(rounds.hover), heap: usedSize })
  await close()
}

/** Whether the ring of a selection is drawn around a point of the page. */
const ringed = (page, x, y) => page.evaluate(([px, py]) => {
  const colour = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
  const canvas = document.querySelector('canvas')
  const box = canvas.getBoundingClientRect()
  const ratio = canvas.width / box.width
  const around = 40 * ratio
  const { data } = canvas.getContext('2d').getImageData((px - box.left) * ratio - around / 2, (py - box.top) * ratio - around / 2, around, around)
  let hits = 0
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 100 && wanted.every((value, k) => Math.abs(data[at + k] - value) < 12)) hits += 1
  return hits
}, [x, y])

/** Click 20 places of the map at which something is; tell what was named, selected and ringed. */
async function clicks(page) {
  const found = []
  const box = await page.locator('.drawing').boundingBox()
  for (let seed = 7; found.length < 20 && seed < 4000; seed += 1) {
    const x = box.x + 180 + ((seed * 7919) % (box.width - 420))
    const y = box.y + 40 + ((seed * 104729) % (box.height - 80))
    await page.mouse.move(x, y)
    const name = (await page.textContent('.tip')).split(',')[0]
    if (!name) continue
    await page.mouse.click(x, y)
    await page.waitForFunction((wanted) => document.querySelector('.detail h2')?.textContent === wanted, name)
    const after = await page.locator('.drawing').boundingBox()
    if (after.width !== box.width) { // the panel with details took some of the width: look again
      Object.assign(box, after)
      continue
    }
    found.push({ name, ring: await ringed(page, x, y) })
  }
  return found
}

for (const [name, scale, size] of [['plain', 1, null], ['resized', 1, { width: 1400, height: 700 }], ['scale 2', 2, null]]) {
  const { page, close } = await prepared(1200, { deviceScaleFactor: scale })
  await load(page, '.row-title')
  if (size) await page.setViewportSize(size)
  tell(`hits ${name}`, await clicks(page))
  await close()
}

await browser.close()
