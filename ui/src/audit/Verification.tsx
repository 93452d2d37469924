// Verifies one entry in this browser, against what the person trusts.
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { BASE } from '../api/client'
import { Failure } from '../parts/states'
import { Text } from '../parts/Text'
import { bundleOf, keepTrust, keptTrust, verified, type Report } from './verifier'

const OUTCOMES = {
  verified: { mark: '✓', style: 'good', words: 'Verified: the entry is in the log that you trust.' },
  failed: { mark: '✗', style: 'bad', words: 'Failed' },
  'not checkable': { mark: '?', style: 'unsure', words: 'Not checkable' },
} as const

export function Verification({ index }: { index: number }) {
  const [trust, setTrust] = useState(keptTrust)
  const checking = useMutation({
    mutationFn: async () => {
      keepTrust(trust)
      return verified(await bundleOf(index), trust)
    },
  })
  const file = `entry-${index}.tlog-proof`
  return (
    <section className="panel actions">
      <h2>Verify in this browser</h2>
      <p className="note">The server hands over the entry with its proof; this browser does the calculation. Whoever runs the server can give you a page that lies: <code>agentguard audit verify</code> and <code>verify.mjs</code> check the same file elsewhere.</p>
      <form onSubmit={(e) => { e.preventDefault(); checking.mutate() }}>
        <label>The log’s key, which you got from somebody you trust
          <textarea value={trust.key} rows={3} placeholder="name+id+base64" spellCheck={false} onChange={(e) => setTrust({ ...trust, key: e.target.value })} />
        </label>
        <details open={trust.checkpoint !== ''}>
          <summary>A checkpoint that you kept</summary>
          <label>Signed checkpoint
            <textarea value={trust.checkpoint} rows={5} spellCheck={false} onChange={(e) => setTrust({ ...trust, checkpoint: e.target.value })} />
          </label>
        </details>
        <div className="buttons">
          <button type="submit" className="primary" disabled={checking.isPending}>{checking.isPending ? 'Verifying …' : 'Verify'}</button>
          <a className="button" href={`${BASE}/api/audit/proof/${index}?format=tlog-proof`} download={file}>Download the proof</a>
        </div>
      </form>
      {checking.error && <Failure error={checking.error} />}
      {checking.data && <Found report={checking.data} />}
      <h3>Elsewhere, without this server</h3>
      <pre tabIndex={0} aria-label="Command"><code>{`agentguard audit verify ${file} --key audit-log.key`}</code></pre>
    </section>
  )
}

function Found({ report }: { report: Report }) {
  const { mark, style, words } = OUTCOMES[report.outcome]
  const decisive = report.checks.find((c) => c.outcome === 'failed') ?? report.checks.find((c) => c.outcome === 'not checkable' && (c.name === 'signature' || c.name === 'browser'))
  return (
    <div role="status">
      <p className={`outcome ${style}`}><span aria-hidden="true">{mark}</span> {words}{report.outcome !== 'verified' && decisive && <>: <Text of={decisive.detail} />.</>}</p>
      <table>
        <thead><tr><th>Check</th><th>Outcome</th><th>What was found</th></tr></thead>
        <tbody>
          {report.checks.map((c) => <tr key={c.name}><td>{c.name}</td><td className={`line ${OUTCOMES[c.outcome].style}`}>{c.outcome}</td><td className="breaks"><Text of={c.detail} /></td></tr>)}
        </tbody>
      </table>
    </div>
  )
}
