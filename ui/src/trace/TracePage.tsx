// One stored trace, on a page of its own: what links to evidence leads here.
import { useView } from '../app/view'
import { Text } from '../parts/Text'
import { TraceTree } from './TraceTree'

export function TracePage() {
  const { params, selection } = useView()
  const id = params.get('id')
  return (
    <div className="page">
      <h1>Trace {id && <code><Text of={id} /></code>}</h1>
      {id ? <section className="panel"><TraceTree key={id} id={id} selection={selection} span={params.get('span')} /></section> : <p className="note">No trace is chosen.</p>}
    </div>
  )
}
