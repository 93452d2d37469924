// Walks through the UI of a server without users and data: the first user, keys, roles, sessions.
import { join } from 'node:path'
import { browser, opened, shots, tell, url, violations } from './walking.mjs'

const PASSWORD = 'correct horse battery staple'
const IMAGE = '<img src=x onerror=alert(1)>'
const NEW_KEY = 'td:last-child button'

async function signIn(page, name) {
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill(name)
  await dialog.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  return page.textContent('.account > span')
}

async function create(page, name, role) {
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Role of the new user').selectOption(role)
  await page.getByLabel('Password; without one').fill(PASSWORD)
  await page.keyboard.press('Enter')
}

async function pictures(page, name) {
  for (const theme of ['dark', 'light']) {
    await page.evaluate((wanted) => { document.documentElement.dataset.theme = wanted }, theme)
    await page.screenshot({ path: join(shots, `${name}-${theme}-1600x900.png`) })
  }
}

/** What is wrong, without the refusals that the walk provokes; an installation without a graph says 404. */
const refusals = (wrong) => wrong.filter((each) => !/status of (401|404|409)/.test(each))

const { page, wrong, close } = await opened('/settings?part=users')
{
  await page.waitForSelector('.sheet')
  const before = await page.textContent('.account > span')
  const created = page.waitForResponse((each) => each.request().method() === 'POST' && each.url().endsWith('/api/users'))
  await create(page, 'ada', 'admin')
  await created
  await page.waitForTimeout(1200) // within a second, every process knows that there are users
  await page.reload()
  await page.getByRole('dialog').waitFor()
  const after = await signIn(page, 'ada')
  await page.getByLabel('Role of ada').selectOption('viewer')
  await page.getByRole('button', { name: 'Give the role' }).press('Enter')
  const lastAdmin = await page.textContent('td .failure p')
  await create(page, IMAGE, 'viewer')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2)
  await create(page, 'eve', 'viewer')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3)
  await page.getByRole('row', { name: 'img' }).getByRole('button', { name: 'Remove' }).press('Enter')
  const really = await page.textContent('.danger')
  const axe = await violations(page)
  await pictures(page, 'some users')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2)
  tell('users', { wrong: refusals(wrong), before, after, lastAdmin, really, axe, images: await page.locator('img').count() })
}
{
  const works = async (key) => (await fetch(`${url}/api/datasets`, { headers: { Authorization: `Bearer ${key}` } })).status
  // what a key may do is known to every process within a second
  const settled = async (key, wanted) => {
    for (let left = 30; left > 0 && (await works(key)) !== wanted; left -= 1) await page.waitForTimeout(100)
    return works(key)
  }
  await page.getByRole('button', { name: 'API keys' }).press('Enter')
  await page.getByLabel('Name', { exact: true }).fill('reporting')
  await page.getByLabel('read').press('Space')
  await page.getByRole('button', { name: 'Create the key' }).press('Enter')
  const key = await page.textContent('.once code')
  await pictures(page, 'a new key')
  const axe = await violations(page)
  const first = await works(key)
  await page.getByRole('button', { name: 'Rotate' }).press('Enter')
  await page.getByRole('button', { name: 'Replace the secret of reporting' }).press('Enter')
  await page.waitForFunction((former) => document.querySelector('.once code').textContent !== former, key)
  const second = await page.textContent('.once code')
  const rotated = [await settled(key, 401), await settled(second, 200)]
  await page.reload()
  await page.waitForSelector(NEW_KEY)
  const again = await page.locator('.once').count()
  await page.getByRole('button', { name: 'Revoke' }).press('Enter')
  await page.getByRole('button', { name: 'Revoke reporting for good' }).press('Enter')
  await page.getByText('revoked').waitFor()
  tell('keys', { wrong: refusals(wrong), axe, first, rotated, again, revoked: await settled(second, 401) })
}
{
  await page.goto(`${url}/incidents?open=new`)
  await page.getByLabel('Title').fill('typed before the session ended')
  await page.getByLabel('Severity').selectOption('HIGH')
  await page.getByLabel('Components that').fill('checkout')
  await page.keyboard.press('Enter')
  await page.context().clearCookies()
  await page.getByRole('button', { name: 'Open the incident' }).press('Enter')
  await page.getByRole('dialog').waitFor()
  const axe = await violations(page)
  await pictures(page, 'signed out')
  await signIn(page, 'ada')
  const title = await page.inputValue('input[name=title]')
  await page.getByRole('button', { name: 'Open the incident' }).press('Enter')
  await page.waitForSelector('.progress-line')
  tell('session', { wrong: refusals(wrong), axe, title, opened: await page.textContent('h1') })
}
{
  await page.getByRole('button', { name: 'Sign out' }).press('Enter')
  await page.getByRole('dialog').waitFor()
  const left = await page.locator('.progress-line').count()
  const who = await signIn(page, 'eve')
  await page.waitForSelector('.progress-line')
  const actions = await page.getByRole('button', { name: 'Acknowledge' }).count()
  await page.goto(`${url}/settings?part=users`)
  await page.waitForSelector('td.line')
  const parts = await page.locator('.page > .segments button').allTextContents()
  await page.goto(`${url}/incidents`)
  await page.waitForSelector('td.title')
  const open = await page.getByRole('link', { name: 'Open an incident' }).count()
  tell('viewer', { wrong: refusals(wrong), who, left, actions, parts, open })
}
await close()
await browser.close()
