// Walks through the UI of a server with the recorded demo: what every change must keep.
import { join } from 'node:path'
import { incident, PAGES, simulated } from './pages.mjs'
import { asked, browser, HOSTILE, look, opened, shots, tell, trace, url } from './walking.mjs'

await look(PAGES, ['dark'], async () => {})

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
  // opened from a simulation, by keyboard alone; somebody else is faster once
  const { page, wrong, close } = await opened('/what-if?dataset=demo&fail=demo/model:gpt-4o')
  await page.waitForSelector('.answer')
  await page.getByRole('button', { name: 'Open an incident' }).press('Enter')
  await page.getByLabel('Title').fill('gpt-4o is down')
  await page.getByRole('button', { name: 'Open the incident' }).press('Enter')
  await page.waitForSelector('.steps li')
  const id = new URL(page.url()).searchParams.get('id')
  const tag = { 'If-Match': '"1"' }
  const offered = await page.locator('.actions .buttons button').allTextContents()
  await page.getByLabel('Note for the timeline').fill('looking at it')
  await asked('POST', `/api/incidents/${id}/assign`, { owner: 'team-other' }, tag)
  await page.getByRole('button', { name: 'Acknowledge' }).press('Enter')
  const conflict = await page.textContent('.actions .failure p')
  const kept = await page.inputValue('.actions textarea')
  const ownerBefore = await page.inputValue('.actions input')
  await page.getByRole('button', { name: 'Show the newest version', exact: true }).press('Enter')
  await page.waitForFunction(() => document.querySelector('.actions input').value === 'team-other')
  await page.getByRole('button', { name: 'Acknowledge' }).press('Enter')
  await page.waitForSelector('.progress-line li[aria-current]:nth-child(2)')
  await page.waitForFunction(() => document.querySelector('.actions textarea').value === '')
  await page.getByRole('button', { name: 'Write and link it' }).press('Enter')
  await page.getByText('Linked to this incident').waitFor()
  const judged = page.locator('.steps > li').nth(1).getByRole('button', { name: 'Yes', exact: true })
  await judged.press('Enter')
  await page.waitForFunction((each) => each.getAttribute('aria-pressed') === 'true', await judged.elementHandle())
  const measured = await page.getByText('neither mitigated nor resolved').textContent()
  await page.getByRole('button', { name: 'Note that it is done' }).first().press('Enter')
  await page.getByText('Noted in the timeline').waitFor()
  await page.getByRole('button', { name: 'Show the draft' }).press('Enter')
  const draft = await page.textContent('pre.draft')
  await page.getByText('Step 1 done: ').first().waitFor()
  const timeline = await page.locator('.timeline li b').allTextContents()
  tell('incident', {
    wrong: wrong.filter((each) => !each.includes('412')), id, offered, conflict, kept, ownerBefore, draft, timeline, measured,
    impact: await page.textContent('.impact'), answer: simulated.answer,
  })
  await close()
}

{
  // reported by a person, then simulated: what is lost is known from then on
  const reported = await asked('POST', '/api/incidents', { title: 'Refunds fail', severity: 'MEDIUM', components: ['PaymentAgent'], dataset: 'demo' })
  const { page, wrong, close } = await opened(`/incidents?id=${reported.id}`)
  await page.waitForSelector('.steps li')
  const unknown = await page.textContent('.impact')
  await page.getByRole('link', { name: 'Simulate the failure of' }).press('Enter')
  await page.getByRole('button', { name: 'Link it to the incident' }).press('Enter')
  await page.waitForSelector('.progress-line')
  const linked = { impact: await page.textContent('.impact'), address: page.url().split('id=')[1] === reported.id }
  await page.getByText('It is a duplicate').press('Enter')
  await page.locator(`option[value="${incident.id}"]`).waitFor({ state: 'attached' })
  await page.getByLabel('Merge it into').selectOption(incident.id)
  await page.getByRole('button', { name: 'Merge', exact: true }).press('Enter')
  await page.getByText('This is a duplicate').waitFor()
  tell('linked', { wrong, unknown, ...linked, merged: reported.id, into: incident.id, buttons: await page.locator('.actions button').count() })
  await close()
}

{
  const { page, wrong, close } = await opened(`/incidents?id=${incident.id}`)
  await page.waitForSelector('.noted')
  await page.getByRole('button', { name: 'Show the draft' }).click()
  await page.waitForSelector('pre.draft')
  tell('hostile incident', { wrong, title: await page.textContent('h1'), note: await page.textContent('.noted'), images: await page.locator('img').count() })
  await close()
}

{
  const { page, wrong, close } = await opened('/settings?part=notifications')
  await page.getByText('is a loopback address').first().waitFor()
  const rows = page.locator('.panel:last-of-type tbody tr')
  tell('notifications', { wrong, receiver: await page.locator('tbody tr').first().textContent(), incidents: await rows.count(), row: await rows.last().textContent() })
  await close()
}

{
  // from a step of a playbook to the trace that proves it
  const { page, wrong, close } = await opened(`/incidents?id=${incident.id}`)
  await page.locator('.steps summary').first().press('Enter')
  await page.locator('.steps details a').first().press('Enter')
  await page.waitForSelector('.spans .selected')
  const address = new URL(page.url()).searchParams
  const shown = await page.locator('.spans tbody tr').count()
  const outcome = await page.textContent('.impact')
  const top = (await page.locator('header.top').boundingBox()).y
  await page.getByRole('button', { name: 'Only the failing path' }).press('Enter')
  const path = await page.locator('.spans tbody a').allTextContents()
  await page.route('**/api/traces/**', async (route) => {
    const answer = await route.fetch()
    const document = await answer.json()
    document.spans[0].name = HOSTILE
    await route.fulfill({ response: answer, json: document })
  })
  await page.reload()
  await page.waitForSelector('.spans')
  const hostile = await page.locator('.spans tbody a').first().textContent()
  tell('evidence', { wrong, id: address.get('id'), shown, outcome, path, top, hostile, images: await page.locator('img').count() })
  await close()
}

{
  // an entry verified without a key, with the log's key, with another one, and after it was changed
  const { page, wrong, close } = await opened('/audit')
  await page.waitForSelector('td.breaks')
  await page.getByLabel('Action').fill('scan.stored')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1)
  const address = page.url()
  await page.getByRole('link', { name: 'Entry 1', exact: true }).press('Enter')
  const verify = page.getByRole('button', { name: 'Verify', exact: true })
  const said = async () => {
    await verify.press('Enter')
    await page.waitForSelector('.outcome')
    return { words: await page.textContent('.outcome'), checks: await page.locator('[role=status] tbody tr').allTextContents() }
  }
  await page.getByLabel('The log’s key').waitFor()
  const alone = await said()
  const key = await (await fetch(`${url}/log/key`)).text()
  await page.getByLabel('The log’s key').fill(key)
  const trusted = await said()
  await page.screenshot({ path: join(shots, 'verified-dark-1600x900.png') })
  await page.route('**/api/audit/proof/**', async (route) => {
    const answer = await route.fetch()
    const [header, extra, ...rest] = (await answer.text()).split('\n')
    const bundle = JSON.parse(Buffer.from(extra.slice(6), 'base64').toString())
    bundle.entry = bundle.entry.replace('scan.stored', 'scan.stolen')
    const changed = Buffer.from(JSON.stringify(bundle)).toString('base64')
    await route.fulfill({ response: answer, body: [header, `extra ${changed}`, ...rest].join('\n') })
  })
  await page.reload()
  await page.getByLabel('The log’s key').waitFor()
  const kept = await page.getByLabel('The log’s key').inputValue()
  const changed = await said()
  await page.screenshot({ path: join(shots, 'refuted-dark-1600x900.png') })
  await page.getByLabel('The log’s key').fill('nonsense')
  await verify.press('Enter')
  await page.waitForSelector('.failure')
  tell('verification', { wrong, address, alone, trusted, changed, kept: kept.trim() === key.trim(), malformed: await page.textContent('.failure p') })
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
