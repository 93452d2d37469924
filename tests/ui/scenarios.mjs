// Walks through what-if comparisons, the history of a risk, and the entries of shadow agents.
import { look, opened, tell } from './walking.mjs'

const kept = JSON.stringify({ fail: ['demo/agent:paymentagent'], mode: 'outage', method: '' })

await look({
  comparison: [`/what-if?dataset=demo&fail=demo/model:gpt-4o&vs=${encodeURIComponent(kept)}`, '.compare .whisker'],
  history: ['/component?dataset=demo&id=demo/model:gpt-4o&tab=history', '.history, .panel table tbody tr'],
  entries: ['/catalog?dataset=demo&declare=shadow', '.draft'],
})

const params = (page) => new URL(page.url()).searchParams
const cells = (page) => page.locator('.compare tbody tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)))

{
  const { page, wrong, close } = await opened('/what-if?dataset=demo&fail=demo/model:gpt-4o')
  await page.waitForSelector('.answer')
  await page.getByRole('button', { name: 'Keep this one to compare' }).press('Enter')
  await page.waitForSelector('.compare button:disabled')
  await page.getByRole('button', { name: 'Remove gpt-4o' }).press('Enter')
  await page.getByRole('combobox', { name: 'Add a component or group' }).fill('PaymentAgent')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.compare tbody tr:nth-child(2) .whisker')
  await page.waitForFunction(() => !document.querySelector('.answer.old') && document.querySelectorAll('.compare .whisker').length === 2)
  const both = await cells(page)
  const selected = await page.locator('.compare tr.selected').innerText()
  const address = page.url()
  await page.getByRole('button', { name: 'gpt-4o', exact: true }).press('Enter')
  await page.waitForFunction(() => document.querySelector('.compare tr.selected')?.textContent?.startsWith('gpt-4o'))
  const switched = { fail: params(page).getAll('fail'), vs: params(page).getAll('vs').map((text) => JSON.parse(text).fail) }
  await page.goto(address)
  await page.waitForFunction(() => document.querySelectorAll('.compare .whisker').length === 2)
  const again = await cells(page)
  await page.locator('.compare tbody').getByRole('button', { name: /^Remove/ }).press('Enter')
  await page.waitForSelector('.compare table', { state: 'detached' })
  await page.emulateMedia({ media: 'print' })
  const printed = { nav: await page.locator('nav').isVisible(), answer: await page.locator('.answer').isVisible() }
  tell('compared', { wrong, both, selected, switched, again, printed })
  await close()
}

{
  const { page, wrong, close } = await opened(`/what-if?dataset=demo&fail=demo/model:gpt-4o&vs=${encodeURIComponent('{"fail":"<img>"}')}&vs=x`)
  await page.waitForSelector('.compare')
  tell('cut', { wrong, rows: await page.locator('.compare tbody tr').count() })
  await close()
}

{
  const { page, wrong, close } = await opened('/catalog?dataset=demo')
  await page.getByRole('button', { name: 'Declare them' }).press('Enter')
  await page.waitForSelector('.draft')
  tell('declared', { wrong, text: await page.textContent('.draft') })
  await close()
}

{
  const { page, wrong, close } = await opened('/component?dataset=twice&id=model:gpt-4o&tab=history')
  await page.waitForSelector('svg.history')
  tell('changed', {
    wrong,
    words: await page.getAttribute('svg.history', 'aria-label'),
    rows: await page.locator('.panel tbody tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))),
  })
  await close()
}
process.exit(0)
