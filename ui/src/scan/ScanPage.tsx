// Reads files of traces, and says how to send them live.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { Link } from 'wouter'
import { answered, api, upload, type Schemas } from '../api/client'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { count, percent, plural, time } from '../parts/numbers'
import { Failure } from '../parts/states'
import { Text } from '../parts/Text'
import { Exporters } from './Exporters'

const EVERY = 1000

export function ScanPage() {
  const me = useMe()
  return (
    <div className="page">
      <h1>Scan</h1>
      <div className="columns">
        <section className="panel">
          <h2>Upload a file</h2>
          {may(me.data, 'operate') ? <Upload /> : <p className="note">Uploading needs the permission “operate”, which you do not have.</p>}
        </section>
        <section className="panel"><h2>Send traces as they happen</h2><Exporters /></section>
      </div>
      <Jobs />
    </div>
  )
}

function Upload() {
  const queries = useQueryClient()
  const [sent, setSent] = useState<number | null>(null)
  const [job, setJob] = useState<string | null>(null)
  const [error, setError] = useState<unknown>(null)
  const stop = useRef<AbortController | null>(null)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    const file = given.get('file')
    const dataset = String(given.get('dataset') ?? '').trim()
    if (!(file instanceof File) || !file.size) return
    stop.current = new AbortController()
    setError(null)
    setJob(null)
    setSent(0)
    try {
      const query = new URLSearchParams({ background: 'true', ...(dataset ? { dataset } : {}) })
      const accepted = (await upload(`/api/scan?${query}`, file, setSent, stop.current.signal)) as { id: string }
      setJob(accepted.id)
      void queries.invalidateQueries({ queryKey: ['jobs'] })
    } catch (failure) {
      if (!(failure instanceof DOMException)) setError(failure)
    } finally {
      setSent(null)
    }
  }

  return (
    <>
      <p className="note">OTLP as JSON lines or protobuf, or an export of Jaeger, Zipkin, Tempo, Langfuse, Phoenix or MLflow; plain, gzip or zstd.</p>
      <form className="upload" onSubmit={submit}>
        <label>File<input type="file" name="file" required /></label>
        <label>Dataset <input name="dataset" placeholder="a new one" maxLength={100} /></label>
        <button type="submit" className="primary" disabled={sent !== null}>Upload and scan</button>
        {sent !== null && <button type="button" onClick={() => stop.current?.abort()}>Cancel</button>}
      </form>
      {sent !== null && <Progress words="Uploading" share={sent} />}
      {error !== null && <Failure error={error} />}
      {job && <Reading id={job} />}
    </>
  )
}

const Progress = ({ words, share }: { words: string; share: number }) => (
  <label className="progress">{words} {percent(Math.round(share * 100) / 100)}<progress max={1} value={share} /></label>
)

function Reading({ id }: { id: string }) {
  const queries = useQueryClient()
  const { to } = useView()
  const job = useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) => answered<Schemas['JobDocument']>(api.GET('/api/jobs/{job_id}', { params: { path: { job_id: id } }, signal })),
    refetchInterval: (query) => (unfinished(query.state.data?.state) ? EVERY : false),
  })
  const state = job.data?.state
  useEffect(() => {
    if (state === 'succeeded') for (const key of ['datasets', 'columns', 'jobs']) void queries.invalidateQueries({ queryKey: [key] })
  }, [state, queries])
  if (job.error) return <Failure error={job.error} retry={() => void job.refetch()} />
  if (!job.data) return null
  const { progress, result, error } = job.data
  if (error) return <Failure error={new Error(error.message)} />
  if (state === 'cancelled') return <p role="status">Cancelled. A graph that it had stored by then stays, under its dataset.</p>
  if (!result || !('coverage' in result)) return <><Progress words={state === 'queued' ? 'Waiting' : 'Reading'} share={progress.total > 0 ? progress.done / progress.total : 0} /><Cancel id={id} /></>
  return (
    <div role="status">
      <p>
        Read {plural(result.coverage.spans_read, 'span')} of {plural(result.coverage.traces, 'trace')}: {plural(result.total_components, 'component')}, {plural(result.total_agents, 'agent')} among them.{' '}
        <Link href={to('/', { dataset: result.dataset })}>Show <Text of={result.dataset} /> in the fleet</Link>
      </p>
      {result.refusals_total > 0 && (
        <>
          <h3>{plural(result.refusals_total, 'part')} could not be used</h3>
          <ul className="plain">{result.refusals.map((r, i) => <li key={i}><code><Text of={r.origin} /></code> <Text of={r.message} /> {r.spans > 0 && `(${plural(r.spans, 'span')})`}</li>)}</ul>
        </>
      )}
    </div>
  )
}

const unfinished = (state: string | undefined) => state === undefined || state === 'queued' || state === 'running'

function Cancel({ id }: { id: string }) {
  const me = useMe()
  const queries = useQueryClient()
  const cancelling = useMutation({
    mutationFn: () => answered<Schemas['JobDocument']>(api.POST('/api/jobs/{job_id}/cancel', { params: { path: { job_id: id } } }) as never),
    onSettled: () => { for (const key of ['job', 'jobs']) void queries.invalidateQueries({ queryKey: [key] }) },
  })
  if (!may(me.data, 'operate')) return null
  return (
    <>
      <button type="button" disabled={cancelling.isPending} onClick={() => cancelling.mutate()}>Cancel</button>
      {cancelling.error && <Failure error={cancelling.error} />}
    </>
  )
}

function Jobs() {
  const jobs = useQuery<Schemas['JobsDocument']>({
    queryKey: ['jobs'],
    refetchInterval: (query) => (query.state.data?.jobs.some((j) => unfinished(j.state)) ? EVERY : false),
    queryFn: ({ signal }) => answered<Schemas['JobsDocument']>(api.GET('/api/jobs', { params: { query: { kind: ['scan'] } }, signal })),
  })
  return (
    <section className="panel">
      <h2>Scans in the background</h2>
      {jobs.error && <Failure error={jobs.error} retry={() => void jobs.refetch()} />}
      {jobs.data?.jobs.length === 0 && <p className="note">None yet.</p>}
      {jobs.data && jobs.data.jobs.length > 0 && (
        <table>
          <thead><tr><th>Submitted</th><th>State</th><th className="n">Read</th><th>By</th><th>Error</th><th><span className="unseen">Cancel</span></th></tr></thead>
          <tbody>
            {jobs.data.jobs.map((j) => (
              <tr key={j.id}>
                <td>{time(j.created_at)}</td><td>{j.state}</td>
                <td className="n">{j.progress.unit ? `${count(j.progress.done)} of ${count(j.progress.total)} ${j.progress.unit}` : '–'}</td>
                <td><Text of={j.submitted_by ?? '–'} /></td><td>{j.error && <Text of={j.error.message} />}</td>
                <td>{unfinished(j.state) && <Cancel id={j.id} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
