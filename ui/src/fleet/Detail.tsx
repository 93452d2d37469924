// The selected component, beside the map.
import { Link } from 'wouter'
import { useComponent, useRisk, type Columns } from '../api/queries'
import { useView } from '../app/view'
import { KIND_WORDS, LEVEL_WORDS, levelOf } from '../graph/kinds'
import { count, milliseconds, score } from '../parts/numbers'
import { Factors, Neighbours } from '../component/parts'
import { Shape } from '../parts/Shape'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'

interface Props {
  columns: Columns
  position: number
  inCycle: boolean
  onFocus: () => void
  onClose: () => void
}

export function Detail({ columns, position, inCycle, onFocus, onClose }: Props) {
  const { selection, to } = useView()
  const { components: c } = columns
  const id = c.id[position] ?? ''
  const details = useComponent(id, selection)
  const risk = useRisk(id, selection)
  const spof = c.spof_workflows[position] ?? 0
  const own = c.risk[position] ?? null
  return (
    <aside className="detail" aria-label="Selected component">
      <header>
        <Shape kind={c.kind[position] ?? 'agent'} risk={own} spof={spof > 0} shadow={c.shadow[position] === true} size={40} />
        <div>
          <h2><Text of={c.name[position] ?? ''} /></h2>
          <p className="note">
            {KIND_WORDS[c.kind[position] ?? 'agent']}
            {c.service[position] && <> in <Text of={c.service[position] ?? ''} /></>}
            {c.owner[position] && <>, owner <Text of={c.owner[position] ?? ''} /></>}
          </p>
        </div>
        <button type="button" className="close" onClick={onClose} aria-label="Close">×</button>
      </header>
      <p className="tags">
        {spof > 0 && <span className="tag strong">Single point of failure of {spof} {spof === 1 ? 'workflow' : 'workflows'}</span>}
        {inCycle && <span className="tag cycle">In a cycle</span>}
        {c.shadow[position] && <span className="tag">Shadow</span>}
      </p>
      <section>
        <h3>Risk</h3>
        <p className="big"><b>{score(own)}</b> <span>{LEVEL_WORDS[levelOf(own) ?? -1] ?? 'Not scored'}</span></p>
        {risk.data?.risk && <Factors risk={risk.data.risk} />}
        {risk.isPending && <Waiting what="the risk" />}
        {risk.error && <Failure error={risk.error} retry={() => void risk.refetch()} />}
      </section>
      {details.data && (
        <>
          <dl className="tiles">
            <div><dt>runs</dt><dd>{count(details.data.invocations)}</dd></div>
            <div><dt>failed</dt><dd>{count(details.data.errors)}</dd></div>
            <div><dt>p95</dt><dd>{milliseconds(details.data.latency_ms?.p95)}</dd></div>
          </dl>
          <section>
            <h3>Called by {details.data.dependents.length}</h3>
            <Neighbours dependencies={details.data.dependents} end="source" most={6} />
          </section>
          <section>
            <h3>Calls {details.data.dependencies.length}</h3>
            <Neighbours dependencies={details.data.dependencies} end="target" most={6} />
          </section>
        </>
      )}
      {details.error && <Failure error={details.error} retry={() => void details.refetch()} />}
      <footer>
        <Link className="button primary" href={to('/what-if', { fail: id })}>Simulate its failure</Link>
        <button type="button" onClick={onFocus}>Show what is around it</button>
        <Link className="button" href={to('/component', { id })}>Open the component's page</Link>
      </footer>
    </aside>
  )
}
