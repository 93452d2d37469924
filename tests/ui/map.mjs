// Walks through the fleet: what is around a component.
import { browser, look, opened, tell, url } from './walking.mjs'

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
  const inside = params(page)
  await page.keyboard.press('Escape')
  await page.waitForSelector('.mosaic')
  const back = params(page)
  await page.keyboard.press('Escape')
  await page.waitForSelector('.detail', { state: 'detached' })
  tell('keys', { wrong, inside, back, out: params(page) })
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
      await page.waitForFunction(() => document.querySelectorAll('.label').length - 1 === Number(/: ([\d]+) drawn/.exec(document.querySelector('.stage > p[role=status]').textContent)[1]))
      around[`${direction} ${depth}`] = await page.locator('.label bdi').allTextContents()
    }
  }
  await page.getByLabel('Labels of the lines').selectOption('calls')
  await page.getByRole('group', { name: 'Depth' }).getByRole('button', { name: '1' }).press('Enter')
  await page.waitForSelector('.edge-label')
  const address = page.url()
  await page.goto(address)
  await page.waitForSelector('.edge-label')
  tell('around', {
    wrong, around, address: params(page), words: await words(page),
    labels: await page.locator('.edge-label').allTextContents(),
    lines: await page.getByRole('list', { name: 'Dependencies drawn' }).locator('li').allTextContents(),
  })
  await close()
}

/** How many pixels of the drawing have the colour that cycles have. */
const violet = (page) => page.evaluate(() => {
  const colour = getComputedStyle(document.documentElement).getPropertyValue('--cycle').trim()
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
  const canvas = document.querySelector('.drawing canvas')
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  let found = 0
  for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 100 && wanted.every((value, k) => Math.abs(pixels[at + k] - value) < 12)) found++
  return found
})

{
  const { page, close } = await opened(`/?dataset=demo&view=focus&sel=${WRITER}`)
  await page.waitForSelector('.label')
  const inside = { violet: await violet(page), words: await page.locator('.cycle-words').allTextContents() }
  await page.goto(`${url}/?dataset=demo&view=focus&sel=demo/agent:shippingagent&dir=dependencies`)
  await page.waitForSelector('.label')
  tell('cycle', { inside, outside: { violet: await violet(page), words: await page.locator('.cycle-words').allTextContents() } })
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

await browser.close()
