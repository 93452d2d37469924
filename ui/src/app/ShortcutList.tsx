import { Modal } from './Modal'
import { SHORTCUTS, switchSingleKeys, useSingleKeys } from './shortcuts'

/** All shortcuts, and the switch for those of a single key. */
export function ShortcutList({ onClose }: { onClose: () => void }) {
  const on = useSingleKeys()
  return (
    <Modal label="Keyboard shortcuts" onClose={onClose}>
      <h2>Keyboard shortcuts</h2>
      <table>
        <thead className="unseen"><tr><th>Keys</th><th>What they do</th></tr></thead>
        <tbody>
          {SHORTCUTS.map(({ keys, does, single }) => (
            <tr key={keys} className={single && !on ? 'off' : undefined}>
              <td className="line">{keys.split(' ').map((key, i) => <kbd key={i}>{key}</kbd>)}</td>
              <td>{does}{single && !on && ' (switched off)'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label className="choice"><input type="checkbox" checked={on} onChange={(e) => switchSingleKeys(e.target.checked)} />Shortcuts of single keys; this browser keeps the choice</label>
      <form method="dialog"><button type="submit">Close</button></form>
    </Modal>
  )
}
