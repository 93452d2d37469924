// Verification in this browser, by the verifier that shares no code with AgentGuard.
import { verify } from '../../../clients/javascript/verify.mjs'
import { answered, api } from '../api/client'

export type Report = Awaited<ReturnType<typeof verify>>

/** What a person trusts: it comes from elsewhere, or it proves nothing. */
export interface Trust {
  key: string
  checkpoint: string
}

const KEPT = 'agentguard.audit-trust'

export function keptTrust(): Trust {
  const none = { key: '', checkpoint: '' }
  try {
    return { ...none, ...(JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Trust>) }
  } catch {
    return none
  }
}

export const keepTrust = (trust: Trust) => localStorage.setItem(KEPT, JSON.stringify(trust))

export const bundleOf = (index: number) =>
  answered<ArrayBuffer>(
    api.GET('/api/audit/proof/{index}', {
      params: { path: { index }, query: { format: 'tlog-proof' } },
      parseAs: 'arrayBuffer',
    }),
  )

/** Return what the verifier finds; a browser that cannot calculate has found nothing. */
export async function verified(bundle: ArrayBuffer, { key, checkpoint }: Trust): Promise<Report> {
  const missing = await missingHere()
  if (missing) return { outcome: 'not checkable', checks: [{ name: 'browser', outcome: 'not checkable', detail: missing }] }
  const keys = key.split('\n').map((line) => line.trim()).filter(Boolean)
  return verify(new Uint8Array(bundle), { keys, checkpoint: checkpoint.trim() ? `${checkpoint.trimEnd()}\n` : null })
}

async function missingHere(): Promise<string | null> {
  if (!isSecureContext) return 'browsers calculate hashes only for pages over HTTPS or from this machine'
  const works = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']).then(() => true, () => false)
  return works ? null : 'this browser has no Ed25519 in Web Crypto; a newer one has'
}
