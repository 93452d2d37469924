// Types of verify.mjs.

export type Outcome = "verified" | "failed" | "not checkable";

export interface Check {
  name: string;
  outcome: Outcome;
  /** What was found; of a failure, the first step that differs. */
  detail: string;
}

/** Checks a bundle, a `.tlog-proof` file. Rejects where a given key or checkpoint is malformed. */
export function verify(
  bytes: Uint8Array,
  trust?: { keys?: string[]; checkpoint?: string | null },
): Promise<{ outcome: Outcome; checks: Check[] }>;
