// Walks through what happens around the UI: proxies, narrow windows, failures, long sessions.
import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { PAGES } from './pages.mjs'
import { asked, browser, opened, tell, trace, url } from './walking.mjs'

const PREFIX = '/tools/agentguard'
const FLEET = '/?dataset=demo'

/** A proxy that removes a path prefix and refuses everything outside it. */
function prefixed() {
  const to = new URL(url)
  const proxy = createServer((from, answer) => {
    if (!from.url.startsWith(`${PREFIX}/`)) return answer.writeHead(404).end()
    const options = { host: to.hostname, port: to.port, method: from.method, path: from.url.slice(PREFIX.length), headers: from.headers }
    const onward = request(options, (got) => { answer.writeHead(got.statusCode, got.headers); got.pipe(answer) })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    return from.pipe(onward)
  })
  return new Promise((done) => { proxy.listen(0, '127.0.0.1', () => done(proxy)) })
}

{
  const proxy = await prefixed()
  const at = `http://127.0.0.1:${proxy.address().port}${PREFIX}`
  const found = {}
  for (const name of ['fleet', 'component', 'what-if', 'incident', 'audit entry', 'settings']) {
    const [path, ready] = PAGES[name]
    const { page, wrong, close } = await opened(path, 'dark', undefined, {}, at)
    await page.waitForSelector(ready)
    await page.getByRole('link', { name: 'Coverage' }).click()
    await page.waitForSelector('h1')
    found[name] = { wrong, path: new URL(page.url()).pathname }
    await close()
  }
  tell('prefix', found)
  proxy.closeAllConnections()
  proxy.close()
}

{
  // the same address in another browser
  const address = `${FLEET}&q=kind:model&view=table&sel=demo/model:gpt-4o&sort=name`
  const seen = []
  for (const theme of ['dark', 'light']) {
    const { page, close } = await opened(address, theme)
    await page.waitForSelector('.detail h2')
    seen.push({
      said: await page.textContent('p[role=status]'), selected: await page.textContent('.detail h2'),
      rows: await page.locator('.row-button').allTextContents(), filter: await page.inputValue('input[type=search]'),
    })
    await close()
  }
  tell('round trip', seen)
}

{
  const id = 'demo/model:gpt-4o'
  const { page, close } = await opened(`/component?dataset=demo&id=${id}&tab=risk`)
  await page.waitForSelector('.factors')
  const factors = await page.locator('.factors meter').evaluateAll((all) => all.map((each) => each.value))
  await page.goto(`${url}/component?dataset=demo&id=${id}&tab=neighbours`)
  await page.getByRole('heading', { name: 'Called by' }).waitFor()
  const names = async (heading) => page.locator('section', { has: page.getByRole('heading', { name: heading }) }).locator('tbody a').allTextContents()
  tell('component', { factors, callers: await names(/^Called by/), callees: await names(/^Calls/) })
  await close()
}

{
  const narrow = {}
  const sizes = { 'narrow window': [{ width: 320, height: 640 }, {}], 'zoom of 200 %': [{ width: 640, height: 400 }, { deviceScaleFactor: 2 }] }
  for (const [size, [viewport, more]] of Object.entries(sizes)) {
    for (const [name, [path, ready]] of Object.entries(PAGES)) {
      const { page, wrong, close } = await opened(path, 'dark', viewport, { reducedMotion: 'reduce', ...more })
      await page.waitForSelector(ready, { state: 'attached' })
      const beyond = await page.evaluate(() => Math.max(...[document.documentElement, document.querySelector('main')].map((each) => each.scrollWidth - each.clientWidth)))
      const moving = await page.evaluate(() => document.getAnimations().filter((each) => each.effect.getTiming().duration > 1).length)
      narrow[`${name}, ${size}`] = { wrong, beyond, moving }
      await close()
    }
  }
  tell('narrow', narrow)
}

{
  // answers that fail: the words, and Retry once the server is well again
  const found = {}
  for (const [name, fail] of Object.entries({
    'status 500': (route) => route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify({ status: 500, code: 'internal', detail: 'The database is locked.' }) }),
    'a page of a proxy': (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
    'timed out': (route) => route.abort('timedout'),
    offline: (route) => route.abort('internetdisconnected'),
  })) {
    const { page, close } = await opened('/scan')
    await page.route('**/api/graph/columns*', fail)
    await page.getByRole('link', { name: 'Fleet' }).click()
    await page.goto(url + FLEET)
    await page.waitForSelector('.failure')
    const words = await page.textContent('.failure p')
    await page.unroute('**/api/graph/columns*')
    await page.getByRole('button', { name: 'Retry' }).press('Enter')
    await page.waitForSelector('.label')
    found[name] = words
    await close()
  }
  tell('failures', found)
}

{
  // what was typed outlives an answer that never came
  const { page, close } = await opened('/incidents?open=new&dataset=demo')
  await page.getByLabel('Title').fill('typed while the server was unreachable')
  await page.getByLabel('Severity').selectOption('HIGH')
  await page.getByLabel('Components that').fill('PaymentAgent')
  await page.keyboard.press('Enter')
  await page.route('**/api/incidents', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()))
  await page.getByRole('button', { name: 'Open the incident' }).press('Enter')
  await page.waitForSelector('.failure')
  const words = await page.textContent('.failure p')
  const title = await page.inputValue('input[name=title]')
  await page.unroute('**/api/incidents')
  await page.getByRole('button', { name: 'Open the incident' }).press('Enter')
  await page.waitForSelector('.progress-line')
  tell('form', { words, title, opened: await page.textContent('h1') })
  await close()
}

{
  // a page with a selection, while a newer graph is stored behind it
  const send = async () => {
    const form = new FormData()
    form.append('file', new Blob([readFileSync(trace)]), 'traces.json')
    const answer = await fetch(`${url}/api/scan?dataset=growing`, { method: 'POST', body: form })
    if (!answer.ok) throw new Error(await answer.text())
  }
  await send()
  const { components } = await asked('GET', '/api/graph/columns?dataset=growing&level=agent')
  const { page, wrong, close } = await opened(`/?dataset=growing&sel=${encodeURIComponent(components.id[0])}`)
  await page.waitForSelector('.detail .factors')
  const seen = async () => ({
    address: page.url(), selected: await page.textContent('.detail h2'),
    places: await page.locator('.label').evaluateAll((all) => all.map((each) => [each.textContent, each.getBoundingClientRect().x, each.getBoundingClientRect().y])),
  })
  const before = await seen()
  await page.waitForTimeout(2000) // the stream of events is open
  await send()
  await page.getByText('has a newer graph').waitFor()
  tell('steady', { wrong, before, after: await seen() })
  await close()
}

{
  const { page, close } = await opened(FLEET)
  const session = await page.context().newCDPSession(page)
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage')
    return (await session.send('Runtime.getHeapUsage')).usedSize
  }
  const listeners = async () => (await session.send('Performance.getMetrics')).metrics.find((each) => each.name === 'JSEventListeners').value
  await session.send('Performance.enable')
  const there = async () => {
    await page.getByRole('link', { name: 'What-if', exact: true }).click()
    await page.waitForURL(/what-if/)
    await page.getByRole('link', { name: 'Fleet', exact: true }).click()
    await page.locator('.label').first().waitFor() // waitForSelector would keep the element, and with it the page's tree
  }
  for (let warm = 0; warm < 3; warm += 1) await there()
  const before = [await heap(), await listeners()]
  for (let times = 0; times < 50; times += 1) await there()
  const after = [await heap(), await listeners()]
  tell('leak', { heap: after[0] - before[0], listeners: after[1] - before[1] })
  await close()
}

/** How many pixels down the middle of a part of the page are unlike the one in its corner. */
async function filled(page, clip) {
  const picture = (await page.screenshot({ clip })).toString('base64')
  return page.evaluate(async (data) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]))
    const to = new OffscreenCanvas(image.width, image.height).getContext('2d')
    to.drawImage(image, 0, 0)
    const at = (x, y) => to.getImageData(x, y, 1, 1).data
    const ground = at(0, 0)
    const unlike = (pixel) => [0, 1, 2].some((k) => Math.abs(pixel[k] - ground[k]) > 20)
    return Array.from({ length: image.height }, (_, y) => y).filter((y) => unlike(at(Math.floor(image.width / 2), y))).length
  }, picture)
}

{
  // without colour, how far a mark is filled tells its level
  const sights = {}
  for (const theme of ['dark', 'light']) {
    const { page, close } = await opened(FLEET, theme, undefined, { deviceScaleFactor: 4 })
    await page.waitForSelector('.label')
    const session = await page.context().newCDPSession(page)
    for (const type of ['none', 'deuteranopia', 'protanopia', 'tritanopia', 'achromatopsia']) {
      await session.send('Emulation.setEmulatedVisionDeficiency', { type })
      const levels = []
      for (const mark of await page.locator('.legend .scale .shape').all()) levels.push(await filled(page, await mark.boundingBox()))
      sights[`${theme}, ${type}`] = levels
    }
    await close()
  }
  tell('sights', sights)
}

await browser.close()
