import { useEffect, useRef, type ReactNode } from 'react'

/** A dialog over the page; the browser keeps the focus in it, and Esc closes it. */
export function Modal({ label, className, onClose, children }: { label: string; className?: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    if (!element?.open) element?.showModal()
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog} className={`panel modal ${className ?? ''}`} aria-label={label} onClose={() => { if (!dialog.current?.open) onClose() }}
      onClick={(event) => { if (event.target === dialog.current) dialog.current.close() }}
    >
      {children}
    </dialog>
  )
}
