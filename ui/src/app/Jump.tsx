// Finds a component or a page by its name, and goes there.
import { useId, useMemo, useState, type KeyboardEvent } from 'react'
import { useLocation } from 'wouter'
import { useColumns } from '../api/queries'
import { KIND_WORDS } from '../graph/kinds'
import { score } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Failure } from '../parts/states'
import { shown } from '../parts/Text'
import { find, type Found } from './find'
import { Modal } from './Modal'
import { useView } from './view'

export function Jump({ onClose }: { onClose: () => void }) {
  const { selection, change, to } = useView()
  const [location, navigate] = useLocation()
  const columns = useColumns(selection, 'both')
  const [text, setText] = useState('')
  const [active, setActive] = useState(0)
  const list = useId()
  const found = useMemo(() => find(text, columns.data), [text, columns.data])
  const at = Math.min(active, found.length - 1)

  const go = (chosen: Found | undefined) => {
    if (!chosen) return
    onClose()
    if ('page' in chosen) navigate(to(chosen.page.path))
    else {
      const sel = columns.data?.components.id[chosen.component] ?? null
      if (location === '/') change({ sel, centre: null, open: null })
      else navigate(to('/', { sel }))
    }
  }
  const press = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (event.key === 'Enter') go(found[at])
    else if (by && found.length) setActive((at + by + found.length) % found.length)
    else return
    event.preventDefault()
  }
  return (
    <Modal label="Find a component or a page" className="jump" onClose={onClose}>
      <input
        role="combobox" aria-expanded="true" aria-controls={list} aria-activedescendant={found.length ? `${list}-${at}` : undefined} aria-label="Name of a component or a page"
        placeholder="Name of a component or a page" autoFocus value={text} onChange={(e) => { setText(e.target.value); setActive(0) }} onKeyDown={press}
      />
      {columns.error && <Failure error={columns.error} retry={() => void columns.refetch()} />}
      <p className="note" role="status">{text.trim() && found.length === 0 && !columns.isPending ? 'Nothing has such a name.' : ''}</p>
      <ul role="listbox" id={list} aria-label="Found">
        {found.map((each, i) => (
          <li key={'page' in each ? each.page.path : each.component} id={`${list}-${i}`} role="option" aria-selected={i === at} onClick={() => go(each)} onMouseMove={() => setActive(i)} ref={i === at ? intoView : undefined}>
            {'page' in each ? <>{each.page.title}<small>Page</small></> : <Component columns={columns.data} position={each.component} />}
          </li>
        ))}
      </ul>
    </Modal>
  )
}

const intoView = (element: HTMLElement | null) => element?.scrollIntoView({ block: 'nearest' })

function Component({ columns, position: i }: { columns: ReturnType<typeof useColumns>['data']; position: number }) {
  const c = columns?.components
  const kind = c?.kind[i] ?? 'agent'
  return (
    <>
      <Shape kind={kind} risk={c?.risk[i] ?? null} size={18} />
      <bdi className="clip">{shown(c?.name[i] ?? '')}</bdi>
      <small className="clip">{KIND_WORDS[kind]}{c?.service[i] && <> in <bdi>{shown(c.service[i] ?? '')}</bdi></>}, risk {score(c?.risk[i])}</small>
    </>
  )
}
