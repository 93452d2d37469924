// Walks through the fleet: what is around a component, and how to find one.
import { join } from 'node:path'
import { browser, look, opened, shots, tell, url, violations } from './walking.mjs'

const WRITER = 'demo/agent:writeragent'

await look({
  focus: [`/?dataset=demo&view=focus&sel=${WRITER}&depth=2&labels=calls`, '.label'],
})

const params = (page) => Object.fromEntries(new URL(page.url()).searchParams)
const words = (page) => page.textContent('.stage > p[role=status]')
const drawn = (page) => page.locator('.label').count()

/** Answers for the graph are changed on their way. */
async function changed(page, change) {
  await page.route('**/api/graph/columns*', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: change(await answer.json()) })
  })
}

/** A graph of agents of one service, in the columns of a real answer. */
function agents(document, n, pairs) {
  const filled = (value) => Array.from({ length: n }, (_, i) => value(i))
  document.components = {
    ...Object.fromEntries(Object.keys(document.components).map((name) => [name, filled(() => null)])),
    id: filled((i) => (i ? `agent:${i}` : WRITER)), name: filled((i) => `agent ${i}`), kind: filled(() => 'agent'), service: filled(() => 'growth'),
    risk: filled((i) => i % 10), invocations: filled(() => 10), errors: filled(() => 0), callers: filled(() => 1), spof_workflows: filled(() => 0),
  }
  const all = (value) => pairs.map(() => value)
  document.dependencies = { source: pairs.map(([s]) => s), target: pairs.map(([, t]) => t), type: all('delegates_to'), calls: all(5), errors: all(0) }
  return { ...document, cycles: [], workflows: [], by_risk: filled((i) => i) }
}

{
  // from the map by keyboard, and back
  const { page, wrong, close } = await opened('/?dataset=demo&view=map')
  await page.waitForSelector('.mosaic canvas')
  await page.locator('.mosaic').focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Shift+Enter')
  await page.waitForSelector('.detail')
  await page.waitForSelector('.label')
  const focus = { inside: await page.evaluate(() => document.activeElement.className) }
  const inside = params(page)
  await page.keyboard.press('Escape')
  await page.waitForSelector('.mosaic')
  focus.back = await page.evaluate(() => document.activeElement.className)
  const back = params(page)
  await page.keyboard.press('Escape')
  await page.waitForSelector('.detail', { state: 'detached' })
  tell('keys', { wrong, focus, inside, back, out: params(page) })
  await close()
}

{
  const { page, wrong, close } = await opened(`/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.waitForSelector('.label')
  const around = {}
  for (const direction of ['Both', 'Callers', 'Dependencies']) {
    for (const depth of ['1', '2', '3']) {
      await page.getByRole('group', { name: 'Direction' }).getByRole('button', { name: direction }).press('Enter')
      await page.getByRole('group', { name: 'Depth' }).getByRole('button', { name: depth }).press('Enter')
      await page.waitForSelector('.drawing[aria-busy=false]')
      around[`${direction} ${depth}`] = await page.locator('.label bdi').allTextContents()
    }
  }
  await page.getByLabel('Labels of the lines').selectOption('calls')
  await page.getByRole('group', { name: 'Depth' }).getByRole('button', { name: '1' }).press('Enter')
  await page.waitForSelector('.drawing[aria-busy=false] .edge-label')
  const address = page.url()
  await page.goto(address)
  await page.waitForSelector('.edge-label')
  const kept = params(page)
  await page.getByLabel('Labels of the lines').selectOption('p95')
  await page.waitForFunction(() => /ms|s$/.test(document.querySelector('.edge-label')?.textContent ?? ''))
  const p95 = await page.locator('.edge-label').allTextContents()
  await page.goto(address)
  await page.waitForSelector('.edge-label')
  tell('around', {
    wrong, around, p95, address: kept, words: await words(page),
    labels: await page.locator('.edge-label').allTextContents(),
    lines: await page.getByRole('list', { name: 'Dependencies drawn' }).locator('li').allTextContents(),
  })
  await close()
}

/** How many pixels of the drawing that are in view have the colour of a token. */
const pixels = (page, token) => page.evaluate((name) => {
  const colour = getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
  const box = document.querySelector('.drawing')
  const canvas = box.querySelector('canvas')
  const shown = canvas.getContext('2d').getImageData(box.scrollLeft, box.scrollTop, box.clientWidth, box.clientHeight).data
  let found = 0
  for (let at = 0; at < shown.length; at += 4) if (shown[at + 3] > 100 && wanted.every((value, k) => Math.abs(shown[at + k] - value) < 12)) found++
  return found
}, token)

{
  const { page, close } = await opened(`/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.waitForSelector('.label')
  const inside = { violet: await pixels(page, '--cycle'), words: await page.locator('.cycle-words').allTextContents() }
  await page.goto(`${url}/?dataset=demo&view=focus&sel=demo/agent:shippingagent&dir=dependencies`)
  await page.waitForSelector('.label')
  tell('cycle', { inside, outside: { violet: await pixels(page, '--cycle'), words: await page.locator('.cycle-words').allTextContents() } })
  await close()
}

{
  // 45 siblings: six are drawn, the others fold; of 300, only the table has room for all
  const { page, wrong, close } = await opened('/scan')
  let callers = 45
  await changed(page, (document) => agents(document, callers + 1, Array.from({ length: callers }, (_, i) => [i + 1, 0])))
  await page.goto(`${url}/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.waitForSelector('.label')
  const folded = { words: await words(page), drawn: await drawn(page), names: await page.locator('.label bdi').allTextContents() }
  await page.getByRole('button', { name: '+39 agents of growth' }).press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('.label').length === 46)
  const unfolded = await words(page)
  callers = 300
  await page.goto(`${url}/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.getByRole('button', { name: '+294 agents of growth' }).press('Enter')
  await page.waitForSelector('table.wide')
  tell('folding', { wrong, folded, unfolded, rows: Number(await page.getAttribute('table.wide', 'aria-rowcount')) - 1, address: params(page) })
  await close()
}

{
  // a layout that never ends
  const { page, wrong, close } = await opened('/scan')
  await page.route('**/layout.worker*', (route) => route.fulfill({ contentType: 'text/javascript', body: "postMessage('ready'); onmessage = () => { for (;;); }" }))
  await page.goto(`${url}/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.waitForSelector('table.wide')
  const focus = { said: await page.getByText('took longer').textContent(), rows: await page.locator('.row-button').allTextContents() }
  await page.goto(`${url}/?dataset=demo`)
  await page.waitForSelector('table.wide')
  tell('late', { wrong, focus, rows: Number(await page.getAttribute('table.wide', 'aria-rowcount')) - 1 })
  await close()
}

/** A fleet that is higher than the screen, with a row per service. */
function high(document) {
  const found = agents(document, 1500, [[0, 1]])
  found.components.service = found.components.service.map((_, i) => `service ${i % 60}`)
  return found
}

async function jump(page, text) {
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Name of a component or a page' }).waitFor()
  await page.keyboard.type(text)
  await page.waitForSelector('[role=option]')
}

{
  // a component that the filter hides
  const { page, wrong, close } = await opened('/?dataset=demo&q=kind:tool')
  await page.waitForSelector('.label')
  await jump(page, 'writer')
  const axe = await violations(page)
  const options = await page.locator('[role=option]').allTextContents()
  await page.keyboard.press('Enter')
  await page.waitForSelector('.detail')
  const hidden = { address: params(page), said: await page.textContent('.hidden'), dialogs: await page.locator('dialog').count() }
  await page.getByRole('button', { name: 'Lift the filter' }).press('Enter')
  await page.waitForSelector('.hidden', { state: 'detached' })
  const announced = await page.locator('.stage > p.unseen[role=status]').textContent()
  tell('jump', { wrong, axe, options, hidden, announced, lifted: params(page) })
  await close()
}

{
  // a component of the other level, from another page; then a page
  const { page, wrong, close } = await opened('/incidents?dataset=demo')
  await page.waitForSelector('h1')
  const { components: of } = await (await fetch(`${url}/api/graph/columns?dataset=demo&level=service`)).json()
  const { components: shown } = await (await fetch(`${url}/api/graph/columns?dataset=demo&level=agent`)).json()
  const id = of.id.find((each) => !shown.id.includes(each))
  await jump(page, id)
  await page.keyboard.press('Enter')
  await page.waitForSelector('.hidden')
  const hidden = params(page)
  await page.locator('.hidden button').press('Enter')
  await page.waitForSelector('.detail')
  const name = await page.textContent('.detail h2')
  await jump(page, 'incid')
  await page.keyboard.press('Enter')
  await page.waitForURL(/incidents/)
  tell('levels', { wrong, id, hidden, name, expected: of.name[of.id.indexOf(id)] })
  await close()
}

{
  // the view moves to what was found, on the map and in the table
  const { page, wrong, close } = await opened('/scan', 'dark', { width: 1400, height: 330 })
  await changed(page, high)
  await page.goto(`${url}/?dataset=demo`)
  await page.waitForSelector('.row-title')
  const places = () => page.evaluate(() => ({ top: document.querySelector('.drawing, .table-box').scrollTop }))
  const seen = []
  for (const text of ['agent 0', 'agent 48', 'agent 9']) {
    await jump(page, text)
    await page.getByRole('option').filter({ has: page.locator('bdi', { hasText: new RegExp(`^${text}$`) }) }).first().click()
    await page.waitForFunction((name) => document.querySelector('.detail h2')?.textContent === name, text)
    seen.push({ ...await places(), ring: await pixels(page, '--accent') })
  }
  const before = await places()
  await page.locator('.mosaic').focus()
  await page.keyboard.press('t')
  await page.waitForSelector('tr.selected')
  const row = await page.locator('tr.selected').boundingBox()
  const table = await page.locator('.table-box').boundingBox()
  tell('moves', { wrong: wrong.filter((each) => !/404|getImageData/.test(each)), seen, before, inView: row.y > table.y && row.y + row.height < table.y + table.height })
  await close()
}

{
  const { page, wrong, close } = await opened('/?dataset=demo')
  await page.waitForSelector('.label')
  await page.keyboard.press('?')
  await page.waitForSelector('dialog[open]')
  const list = { axe: await violations(page), keys: await page.locator('dialog tbody tr').count() }
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
  const went = []
  for (const key of ['w', 'i', 'f']) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await page.waitForFunction((before) => location.pathname !== before, went.at(-1) ?? '/')
    went.push(new URL(page.url()).pathname)
  }
  await page.waitForSelector('.label')
  await page.goto(`${url}/?dataset=demo&sel=${WRITER}`)
  await page.waitForSelector('.detail')
  await page.keyboard.press('s')
  await page.waitForSelector('.answer')
  const simulated = await page.textContent('.answer')
  await page.goto(`${url}/?dataset=demo`)
  await page.waitForSelector('.label')
  await page.fill('input[type=search]', 'gw?')
  const typed = await page.inputValue('input[type=search]')
  await page.locator('input[type=search]').blur()
  await page.getByRole('button', { name: 'Keyboard shortcuts' }).click()
  await page.getByLabel('Shortcuts of single keys').uncheck()
  await page.keyboard.press('Escape')
  await page.reload()
  await page.waitForSelector('.label')
  for (const key of ['?', 'g', 'w', 't', '/']) await page.keyboard.press(key)
  const off = { dialogs: await page.locator('dialog').count(), path: new URL(page.url()).pathname, view: params(page).view ?? null, focused: await page.evaluate(() => document.activeElement.tagName) }
  await page.keyboard.press('Control+k')
  await page.waitForSelector('dialog[open]')
  tell('shortcuts', { wrong, list, went, simulated, typed, off })
  await close()
}

{
  // two environments: the picker writes the filter
  const { page, wrong, close } = await opened('/scan')
  await changed(page, (document) => {
    document.environments = ['prod', 'pre prod']
    document.components.environment = document.components.environment.map((_, i) => document.environments[i % 2])
    return document
  })
  await page.goto(`${url}/?dataset=demo&q=kind:agent`)
  await page.waitForSelector('.label')
  const picker = page.getByLabel('Environment')
  await picker.selectOption('pre prod')
  await page.waitForFunction(() => location.search.includes('env'))
  const picked = { q: params(page).q, said: await page.textContent('p[role=status]') }
  await page.reload()
  await page.waitForSelector('.label')
  const kept = await picker.inputValue()
  await picker.selectOption('')
  await page.waitForFunction(() => !location.search.includes('env'))
  tell('environment', { wrong, picked, kept, all: params(page).q })
  await close()
}

{
  // the live graph says how old it is
  const { page, wrong, close } = await opened('/scan')
  let seconds = 10
  await page.route('**/api/graph/columns*', async (route) => {
    const answer = await route.fetch({ url: route.request().url().replace('dataset=live', 'dataset=demo') })
    const document = await answer.json()
    document.window.to = new Date(Date.now() - 1000 * seconds).toISOString()
    await route.fulfill({ response: answer, json: document })
  })
  const ages = {}
  for (const [name, age, dataset] of [['recorded', 10, 'demo'], ['fresh', 10, 'live'], ['old', 7200, 'live']]) {
    seconds = age
    await page.goto(`${url}/?dataset=${dataset}`)
    await page.waitForSelector('.label')
    ages[name] = await page.locator('.age').evaluateAll((found) => found.map((each) => [each.textContent, each.classList.contains('old')]))
  }
  const axe = await violations(page)
  const narrow = []
  for (const width of [1280, 1000, 820, 700, 320]) {
    await page.setViewportSize({ width, height: 700 })
    narrow.push({ width, ...await page.evaluate(() => {
      const boxes = [...document.querySelector('.top').children].map((each) => each.getBoundingClientRect()).filter((box) => box.width > 0)
      const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
      return {
        page: document.documentElement.scrollWidth, drawing: document.querySelector('.drawing').clientHeight,
        overlaps: boxes.some((a, i) => boxes.slice(i + 1).some((b) => over(a, b))), inside: boxes.every((box) => box.right <= innerWidth + 1),
      }
    }) })
  }
  tell('age', { wrong, ages, axe, narrow })
  await close()
}

{
  // a trace as a tree: folded and searched by keyboard
  const evidence = await (await fetch(`${url}/api/evidence/component:demo/model:gpt-4o?dataset=demo`)).json()
  const id = evidence.spans.find((each) => each.failed).trace_id
  const { page, wrong, close } = await opened(`/trace?dataset=demo&id=${id}`)
  await page.waitForSelector('.spans')
  const rows = () => page.locator('.spans tbody tr').evaluateAll((all) => all.map((row) => [Number(row.getAttribute('aria-level')), row.getAttribute('aria-expanded')]))
  const focused = () => page.evaluate(() => Number(document.activeElement.dataset?.span ?? -1))
  const all = await rows()
  await page.locator('.spans tbody tr').first().focus()
  const steps = []
  for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowLeft', 'End', 'Home']) {
    await page.keyboard.press(key)
    steps.push([key, await focused(), (await rows()).length])
  }
  await page.getByRole('button', { name: 'Collapse all' }).press('Enter')
  const collapsed = await rows()
  await page.locator('.spans .fold[aria-label=Expand]').first().click()
  const opened1 = await rows()
  await page.getByRole('button', { name: 'Expand all' }).press('Enter')
  const axe = await violations(page)
  await page.getByLabel('Find in this trace').fill('gpt-4o')
  const searched = {
    said: await page.textContent('.filters [role=status]'), found: await page.locator('.spans .found').count(), rows: (await rows()).length,
    names: await page.locator('.spans .found a').allTextContents(),
  }
  await page.keyboard.press('Enter')
  const first = await page.evaluate(() => document.activeElement.classList.contains('found'))
  await page.getByLabel('Find in this trace').fill('no such span')
  tell('tree', { wrong, axe, id, all, steps, collapsed, opened: opened1, searched, first, nothing: await page.textContent('.filters [role=status]'), left: (await rows()).length })
  await close()
}

/** How many pixels of the drawing have the opacity of dimmed lines and marks, 0.13 and 0.3; smooth edges have any. */
const faint = (page) => page.evaluate(() => {
  const canvas = document.querySelector('.drawing canvas')
  const values = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  return values.filter((value, at) => at % 4 === 3 && [33, 76, 77].includes(value)).length
})

{
  // more contrast, and colours that the system forces, while the page is open
  const { page, wrong, close } = await opened(`/?dataset=demo&sel=${WRITER}`)
  await page.waitForSelector('.detail .factors')
  const seen = async () => {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    return {
      faint: await faint(page), axe: await violations(page),
      dim: Math.min(...await page.locator('.label.dim').evaluateAll((all) => all.map((each) => Number(getComputedStyle(each).opacity)))),
      line: await page.evaluate(() => getComputedStyle(document.querySelector('.top')).borderBottomColor),
      item: await page.locator('.attention .item[aria-pressed=true]').evaluate((each) => getComputedStyle(each).borderLeftWidth),
      page: await page.locator('nav a[aria-current]').evaluate((each) => getComputedStyle(each).outlineStyle),
    }
  }
  const usual = await seen()
  await page.emulateMedia({ contrast: 'more' })
  const more = await seen()
  await page.emulateMedia({ contrast: null, forcedColors: 'active' })
  const forced = { ...await seen() }
  await page.screenshot({ path: join(shots, 'forced-colours-1600x900.png') })
  tell('contrast', { wrong: wrong.filter((each) => !each.includes('getImageData')), usual, more, forced })
  await close()
}

await browser.close()
