// The draft of a post-mortem: Markdown, which is shown as the text that it is.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { answered, api, type Schemas } from '../api/client'
import { save } from '../parts/save'
import { Failure, Waiting } from '../parts/states'
import { Lines } from '../parts/Text'
import type { Incident } from './api'

export function PostMortem({ incident }: { incident: Incident }) {
  const [open, setOpen] = useState(false)
  const draft = useQuery({
    queryKey: ['post-mortem', incident.id, incident.version],
    enabled: open,
    queryFn: ({ signal }) => answered<Schemas['PostMortemDocument']>(api.GET('/api/incidents/{incident_id}/post-mortem', { params: { path: { incident_id: incident.id } }, signal }) as never),
  })
  return (
    <section className="panel">
      <h2>Post-mortem</h2>
      <p className="note">A draft of what is stored; causes and lessons are for people to add.</p>
      <div className="buttons">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'Close the draft' : 'Show the draft'}</button>
        {draft.data && <button type="button" onClick={() => save(draft.data.markdown, `post-mortem-${incident.id}.md`, 'text/markdown')}>Download as Markdown</button>}
      </div>
      {open && draft.isPending && <Waiting what="the draft" />}
      {open && draft.error && <Failure error={draft.error} retry={() => void draft.refetch()} />}
      {open && draft.data && <pre className="draft" tabIndex={0} aria-label="Draft"><Lines of={draft.data.markdown} /></pre>}
    </section>
  )
}
