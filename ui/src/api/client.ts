// The one place that talks HTTP.
import createClient, { type Middleware } from 'openapi-fetch'
import type { components, paths } from '../../../clients/typescript/schema'

export type Schemas = components['schemas']

/** The path below which the UI and the API are served, without a slash at its end. */
export const BASE = location.pathname.slice(0, location.pathname.lastIndexOf('/'))

const KEY = 'agentguard.key'

/** What proves who asks: a session's token for changes, or an API key for this tab. */
export const credentials = { csrf: null as string | null, key: sessionStorage.getItem(KEY) }

export function keepKey(key: string | null) {
  credentials.key = key
  if (key) sessionStorage.setItem(KEY, key)
  else sessionStorage.removeItem(KEY)
}

/** A refusal of the API: its sentence, code and status. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly members: Record<string, unknown> = {},
  ) {
    super(message)
  }
}

export const UNREACHABLE = 'unreachable'

function headers(method: string): Record<string, string> {
  return {
    ...(credentials.key ? { Authorization: `Bearer ${credentials.key}` } : {}),
    ...(credentials.csrf && method !== 'GET' ? { 'X-CSRF-Token': credentials.csrf } : {}),
  }
}

const withCredentials: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(headers(request.method))) request.headers.set(name, value)
    return request
  },
}

export const api = createClient<paths>({ baseUrl: location.origin + BASE })
api.use(withCredentials)

/** Return the document of an answer; throw its Problem. */
export async function answered<T>(asking: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let outcome
  try {
    outcome = await asking
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, UNREACHABLE, 'The server cannot be reached.')
  }
  if (outcome.data !== undefined && outcome.response.ok) return outcome.data
  throw problemOf(outcome.response.status, outcome.error)
}

function problemOf(status: number, document: unknown): Problem {
  const found = (typeof document === 'object' && document ? document : {}) as Record<string, unknown>
  const detail = typeof found.detail === 'string' ? found.detail : `The server answered with status ${status}.`
  return new Problem(status, typeof found.code === 'string' ? found.code : 'unknown', detail, found)
}

/** Follow a stream of server-sent events until it ends; throws a Problem where it is refused. */
async function follow(path: string, tell: (event: string, data: unknown) => void, signal: AbortSignal) {
  const response = await fetch(BASE + path, { headers: headers('GET'), signal })
  if (!response.ok || !response.body) throw problemOf(response.status, await response.json().catch(() => null))
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (rest + value).split(/\r?\n\r?\n/)
    rest = parts.pop() ?? ''
    for (const part of parts) tellOne(part, tell)
  }
}

const AGAIN_AFTER = 5000

/** Follow a stream until it is stopped, again whenever it breaks off; returns what stops it. */
export function keepFollowing(path: string, tell: (event: string, data: unknown) => void): () => void {
  const stop = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const run = () => {
    const again = () => { if (!stop.signal.aborted) timer = setTimeout(run, AGAIN_AFTER) }
    follow(path, tell, stop.signal).then(again, again)
  }
  run()
  return () => { stop.abort(); clearTimeout(timer) }
}

function tellOne(part: string, tell: (event: string, data: unknown) => void) {
  const lines = part.split(/\r?\n/)
  const field = (name: string) =>
    lines.filter((l) => l.startsWith(`${name}:`)).map((l) => l.slice(name.length + 1).trimStart()).join('\n')
  const data = field('data')
  if (data) tell(field('event') || 'message', JSON.parse(data))
}

/** Send a file and tell how much of it has gone; returns the answer's document. */
export function upload(path: string, file: File, told: (share: number) => void, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', BASE + path)
    for (const [name, value] of Object.entries(headers('POST'))) request.setRequestHeader(name, value)
    request.upload.onprogress = (e) => e.lengthComputable && told(e.loaded / e.total)
    request.onerror = () => reject(new Problem(0, UNREACHABLE, 'The server cannot be reached.'))
    request.onabort = () => reject(new DOMException('aborted', 'AbortError'))
    request.onload = () => {
      const document = parsed(request.responseText)
      if (request.status < 300 && document !== undefined) resolve(document)
      else reject(problemOf(request.status, document))
    }
    signal.addEventListener('abort', () => request.abort())
    const form = new FormData()
    form.append('file', file)
    request.send(form)
  })
}

/** Return the JSON document; undefined for what a proxy answers instead. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text || 'null')
  } catch {
    return undefined
  }
}
