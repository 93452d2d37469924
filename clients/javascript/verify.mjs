// Verifies an evidence bundle of an AgentGuard audit log: no dependencies, no server, no database.
//
//   node verify.mjs FILE [--key FILE]… [--checkpoint FILE]
//
// Exit codes: 0 verified, 1 failed, 2 usage error, 3 not checkable. In a browser, import verify().

const ORDER = ["format", "entry", "payload", "inclusion", "signature", "checkpoint", "witnesses", "anchor"];
const MEMBERS = ["entry", "handovers", "key", "payload", "receipt", "salt", "schema"];
const RECEIPT = { block_hash: 32, block_number: 0, block_time: 0, chain_id: 0, contract: 20, data: 96, tx_hash: 32 };
const LEAF = ["action", "actor", "evidence", "graph_version", "object", "payload_commitment", "schema", "time"];
const EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; // SHA-256 of nothing
const HANDOVER = "agentguard key hand-over v1"; // part of the signed bytes

class NotCheckable extends Error {}

function demand(condition, problem) {
  if (!condition) throw new Error(problem);
}

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (a, b) => hex(a) === hex(b);
const isText = (value) => typeof value === "string";
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const hasMembers = (value, names) => isObject(value) && Object.keys(value).sort().join() === names.join();
const isHex = (text, bytes) => isText(text) && text.length === 2 * bytes && /^[0-9a-f]*$/.test(text);

function join(...parts) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function sha256(...parts) {
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", join(...parts)));
}

function base64(text) {
  demand(/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0, `${text.slice(0, 80)} is not base64`);
  const bytes = globalThis.atob(text);
  demand(globalThis.btoa(bytes) === text, `${text.slice(0, 80)} is not canonical base64`);
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

function decimal(text) {
  const valid = isText(text) && /^(0|[1-9][0-9]{0,18})$/.test(text) && BigInt(text) < 1n << 63n;
  demand(valid, `${text} is not a decimal number below 2^63`);
  return BigInt(text);
}

// JSON with one spelling (RFC 8785): JavaScript writes numbers and strings that way.
function canonical(value, levels = 100) {
  if (isText(value)) demand(value.isWellFormed(), "a text has a lone surrogate");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  demand(levels > 0, "there are too many levels");
  if (Array.isArray(value)) return `[${value.map((member) => canonical(member, levels - 1))}]`;
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${canonical(key)}:${canonical(value[key], levels - 1)}`)}}`;
}

function parseCanonical(text, part) {
  const value = JSON.parse(text);
  demand(canonical(value) === text, `the ${part} is not in its canonical form`);
  return value;
}

function parseText(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  demand(bytes.length <= 1 << 20, "the file is too large");
  demand(!/[\x00-\x09\x0b-\x1f]/.test(text) && text.endsWith("\n"), "the file has control characters or no end");
  return text;
}

async function parseKey(text) {
  const [, name, id, encoded] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text.trim()) ?? [];
  demand(encoded !== undefined && isName(name), "a key is not name+id+base64");
  const typed = base64(encoded);
  demand(typed.length === 33 && typed[0] === 1, "a key is not an Ed25519 key");
  const own = hex(await sha256(utf8(`${name}\n`), typed)).slice(0, 8);
  demand(own === id, `a key has the id ${own}, not ${id}`);
  return { name, id, raw: typed.slice(1), text: `${name}+${id}+${encoded}` };
}

const isName = (name) => name !== "" && !/[\s+\x00-\x1f\x85]/.test(name);

// C2SP signed-note: a text, an empty line, signature lines.
function parseNote(text) {
  demand(
    text.endsWith("\n") && !/[\x00-\x09\x0b-\x1f]/.test(text),
    "a signed note is malformed: control characters, or no end",
  );
  const end = text.lastIndexOf("\n\n");
  const lines = text.slice(end + 2, -1).split("\n");
  demand(end >= 0 && lines.length <= 100, "a signed note is malformed: no signatures, or too many");
  const signatures = lines.map((line) => {
    const [, name, encoded] = /^— ([^ ]+) (.*)$/.exec(line) ?? [];
    demand(encoded !== undefined && isName(name), `${line} is not a signature`);
    const bytes = base64(encoded);
    demand(bytes.length > 4, "a signature is too short");
    return { name, id: hex(bytes.slice(0, 4)), bytes: bytes.slice(4) };
  });
  return { text: text.slice(0, end + 1), signatures };
}

const isBy = (signature, key) => signature.name === key.name && signature.id === key.id;

// Unknown signatures are ignored; of the known ones, there is at least one and all of them hold.
async function verifyNote(note, keys) {
  const signers = [];
  for (const signature of note.signatures) {
    for (const key of keys.filter((one) => isBy(signature, one))) {
      demand(
        await ed25519(key.raw, utf8(note.text), signature.bytes),
        `the signature of ${key.name} (key ${key.id}) does not hold`,
      );
      signers.push(`${key.name} (key ${key.id})`);
    }
  }
  demand(
    signers.length > 0,
    `no signature is by ${keys.map((key) => `${key.name} (key ${key.id})`).join(", ") || "a known key"}`,
  );
  return signers.join(", ");
}

async function ed25519(raw, message, signature) {
  const { subtle } = globalThis.crypto;
  const key = await subtle.importKey("raw", raw, "Ed25519", false, ["verify"]).catch(() => null);
  return key !== null && signature.length === 64 && subtle.verify("Ed25519", key, signature, message);
}

// C2SP tlog-checkpoint: origin, size, root hash, extension lines.
function parseCheckpoint(note) {
  const [origin, size, root, ...extensions] = note.text.slice(0, -1).split("\n");
  demand(root !== undefined && ![origin, size, root, ...extensions].includes(""), "a checkpoint has too few lines");
  const checkpoint = { note, origin, size: decimal(size), root: base64(root) };
  demand(checkpoint.root.length === 32, "a root hash is not 32 bytes long");
  const plausible = checkpoint.size > 0n || hex(checkpoint.root) === EMPTY_ROOT;
  demand(plausible, "a checkpoint has a root hash that is not that of an empty tree");
  return checkpoint;
}

// C2SP tlog-proof, with the entry in its extra data.
async function parseBundle(bytes) {
  const text = parseText(bytes);
  const end = text.indexOf("\n\n");
  const [header, extra, index, ...proof] = text.slice(0, end).split("\n");
  demand(end >= 0 && header === "c2sp.org/tlog-proof@v1", "the proof is malformed");
  demand(extra?.startsWith("extra ") && index?.startsWith("index "), "the proof is malformed: no extra data or index");
  const bundle = parseCanonical(parseText(join(base64(extra.slice(6)), [10])).slice(0, -1), "bundle");
  demand(hasMembers(bundle, MEMBERS) && bundle.schema === 1, "the bundle has other members, or its schema is not 1");
  demand(
    isText(bundle.entry) && Array.isArray(bundle.handovers) && bundle.handovers.every(isText),
    "the bundle has no entry",
  );
  const disclosed = isText(bundle.payload) && isHex(bundle.salt, 32);
  demand(disclosed || (bundle.payload === null && bundle.salt === null), "payload and salt do not go together");
  if (bundle.receipt !== null) checkReceipt(bundle.receipt);
  const key = bundle.key === null ? null : await parseKey(bundle.key);
  demand(key === null || key.text === bundle.key, "spaces surround the key");
  const hashes = proof.map(base64);
  demand(
    hashes.every((hash) => hash.length === 32),
    "a hash of the proof is not 32 bytes long",
  );
  return {
    ...bundle,
    key,
    index: decimal(index.slice(6)),
    hashes,
    checkpoint: parseCheckpoint(parseNote(text.slice(end + 2))),
  };
}

function checkReceipt(receipt) {
  demand(hasMembers(receipt, Object.keys(RECEIPT)), "the anchor receipt is malformed");
  for (const [name, bytes] of Object.entries(RECEIPT)) {
    if (bytes === 0) decimal(receipt[name]);
    else
      demand(
        isText(receipt[name]) && receipt[name].startsWith("0x") && isHex(receipt[name].slice(2), bytes),
        `the anchor receipt's ${name} is malformed`,
      );
  }
  demand(BigInt(receipt.block_time) < 253402300800n, "the anchor receipt's block_time is after the year 9999");
}

function parseEntry(text) {
  const entry = parseCanonical(text, "audit entry");
  demand(entry?.schema === 1, "the audit entry's schema is not 1");
  const optional = [entry.object, entry.graph_version].every((value) => value === null || isText(value));
  demand(
    hasMembers(entry, LEAF) && hasMembers(entry.actor, ["id", "kind"]) && optional,
    "the audit entry has other members",
  );
  const texts = [entry.action, entry.actor.id, entry.actor.kind];
  demand(
    texts.every(isText) && Array.isArray(entry.evidence) && entry.evidence.every(isText),
    "the audit entry is malformed",
  );
  demand(isHex(entry.payload_commitment, 32), "the audit entry has no payload commitment");
  decimal(entry.time);
  return entry;
}

async function checkPayload(bundle) {
  if (bundle.payload === null) throw new NotCheckable("the bundle has no payload: it was removed or is not disclosed");
  let entry;
  try {
    entry = parseEntry(bundle.entry);
  } catch {
    throw new NotCheckable("the entry is malformed");
  }
  const salt = Uint8Array.from(bundle.salt.match(/../g), (byte) => parseInt(byte, 16));
  const commitment = hex(await sha256(salt, utf8(bundle.payload)));
  demand(commitment === entry.payload_commitment, "the payload and its salt are not those of the entry");
  parseCanonical(bundle.payload, "payload");
  return "the payload is the one that the entry commits to";
}

// RFC 9162 §2.1.3: the siblings on the way from the root to the leaf, then hashed upwards.
async function checkInclusion({ entry, index, hashes, checkpoint }) {
  demand(index < checkpoint.size, `a tree of ${checkpoint.size} leaves has no leaf ${index}`);
  const left = [];
  for (let start = 0n, end = checkpoint.size; end - start > 1n;) {
    let split = 1n;
    while (2n * split < end - start) split *= 2n;
    left.unshift(index >= start + split);
    if (left[0]) start += split;
    else end = start + split;
  }
  demand(hashes.length === left.length, `the proof has ${hashes.length} hashes, not ${left.length}`);
  let hash = await sha256([0], utf8(entry));
  for (const [step, sibling] of hashes.entries()) {
    hash = left[step] ? await sha256([1], sibling, hash) : await sha256([1], hash, sibling);
  }
  demand(same(hash, checkpoint.root), "the inclusion proof leads to another root hash");
  return `the entry is number ${index} of ${checkpoint.size} in ${checkpoint.origin}`;
}

async function parseHandover(text) {
  const note = parseNote(text);
  const [header, origin, oldLine, newLine, sizeLine] = note.text.split("\n");
  demand(header === HANDOVER && sizeLine !== undefined, "a handover note is malformed");
  const [from, to] = [await parseKey(oldLine.slice(4)), await parseKey(newLine.slice(4))];
  const size = decimal(sizeLine.slice(5));
  const written = `${HANDOVER}\n${origin}\nold ${from.text}\nnew ${to.text}\nsize ${size}\n`;
  demand(
    written === note.text && from.name === origin && to.name === origin && from.text !== to.text,
    "a handover note is malformed",
  );
  for (const key of [from, to]) await verifyNote(note, [key]);
  return { from, to, size, text: note.text };
}

// The keys that handovers connect with the given ones; a replaced key signs no larger size.
async function verifySignature({ checkpoint, handovers }, given) {
  const steps = await Promise.all(handovers.map(parseHandover));
  const successor = new Map();
  for (const step of steps) {
    const known = successor.get(step.from.text) ?? step;
    demand(known.text === step.text, `two handovers lead from key ${step.from.id} of ${step.from.name}`);
    successor.set(step.from.text, step);
  }
  const reached = new Map(given.map((key) => [key.text, key]));
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const { from, to } of steps) {
      if (reached.has(from.text)) reached.set(to.text, to);
      if (reached.has(to.text)) reached.set(from.text, from);
    }
  }
  const keys = [...reached.values()];
  const names = keys.map((key) => key.name);
  demand(
    names.includes(checkpoint.origin),
    `the checkpoint belongs to the log '${checkpoint.origin}', the key to '${names}'`,
  );
  const limit = (key) => successor.get(key.text)?.size ?? checkpoint.size;
  const signs = (key) => checkpoint.note.signatures.some((signature) => isBy(signature, key));
  const current = keys.filter((key) => checkpoint.size <= limit(key));
  const replaced = keys.find((key) => signs(key) && !current.some(signs));
  if (replaced)
    throw new Error(`key ${replaced.id} was replaced at size ${limit(replaced)}, and signed size ${checkpoint.size}`);
  return verifyNote(
    checkpoint.note,
    current.filter((key) => key.name === checkpoint.origin),
  );
}

async function checkSignature(bundle, keys) {
  if (keys.length > 0) return `signed by ${await verifySignature(bundle, keys)}, which leads back to a trusted key`;
  if (bundle.key === null) throw new NotCheckable("no key is given");
  const signers = await verifySignature(bundle, [bundle.key]);
  throw new NotCheckable(`consistent with the key inside the bundle (${signers}); give a key that you trust`);
}

function checkCheckpoint({ checkpoint }, trusted) {
  if (trusted === null) throw new NotCheckable("no trusted checkpoint is given");
  demand(
    checkpoint.origin === trusted.origin,
    `the checkpoint belongs to the log '${checkpoint.origin}', the trusted one to '${trusted.origin}'`,
  );
  if (checkpoint.size !== trusted.size)
    throw new NotCheckable(`the trusted checkpoint has size ${trusted.size}, the bundle's ${checkpoint.size}`);
  demand(
    same(checkpoint.root, trusted.root),
    `fork: the trusted checkpoint has another root hash at size ${checkpoint.size}`,
  );
  return `the checkpoint is the trusted one, of size ${checkpoint.size}`;
}

async function checkAnchor({ receipt, checkpoint }) {
  if (receipt === null) throw new NotCheckable("the bundle has no anchor receipt");
  const parts = [
    hex(await sha256(utf8(checkpoint.origin))),
    checkpoint.size.toString(16).padStart(64, "0"),
    hex(checkpoint.root),
  ];
  ["log", "size", "root hash"].forEach((name, at) => {
    const held = receipt.data.slice(2 + 64 * at, 66 + 64 * at);
    demand(held === parts[at], `the anchor receipt is for another ${name}`);
  });
  throw new NotCheckable(`the receipt is for this checkpoint; ask chain ${receipt.chain_id} for ${receipt.tx_hash}`);
}

async function outcome(name, check) {
  try {
    return { name, outcome: "verified", detail: await check() };
  } catch (error) {
    return { name, outcome: error instanceof NotCheckable ? "not checkable" : "failed", detail: error.message };
  }
}

// bytes: Uint8Array of the file; keys: verifier key strings; checkpoint: a signed checkpoint's text.
export async function verify(bytes, { keys = [], checkpoint = null } = {}) {
  const trustedKeys = await Promise.all(keys.map(parseKey));
  const trusted = checkpoint === null ? null : parseCheckpoint(parseNote(checkpoint));
  let bundle;
  const format = await outcome("format", async () => {
    bundle = await parseBundle(bytes);
    return "the file is an evidence bundle";
  });
  if (format.outcome === "failed") return { outcome: "failed", checks: [format] };
  const work = {
    entry: () => parseEntry(bundle.entry).action,
    payload: () => checkPayload(bundle),
    inclusion: () => checkInclusion(bundle),
    signature: () => checkSignature(bundle, trustedKeys),
    checkpoint: () => checkCheckpoint(bundle, trusted),
    witnesses: () => Promise.reject(new NotCheckable("this verifier knows no witnesses")),
    anchor: () => checkAnchor(bundle),
  };
  const checks = [format];
  for (const name of ORDER.slice(1)) checks.push(await outcome(name, async () => work[name]()));
  const is = (name, wanted) => checks.some((check) => check.name === name && check.outcome === wanted);
  if (checks.some((check) => check.outcome === "failed")) return { outcome: "failed", checks };
  const vouched = is("signature", "verified") || is("checkpoint", "verified");
  const asked = trusted === null || is("checkpoint", "verified"); // what is given must hold, too
  return { outcome: vouched && asked ? "verified" : "not checkable", checks };
}

async function main(words) {
  const { readFileSync } = await import("node:fs");
  const trust = { keys: [] };
  const files = [];
  while (words.length > 0) {
    const word = words.shift();
    if (word === "--key") trust.keys.push(readFileSync(words.shift(), "utf8"));
    else if (word === "--checkpoint") trust.checkpoint = readFileSync(words.shift(), "utf8");
    else files.push(word);
  }
  if (files.length !== 1 || files[0].startsWith("-"))
    throw new Error("usage: node verify.mjs FILE [--key FILE]… [--checkpoint FILE]");
  const report = await verify(readFileSync(files[0]), trust);
  for (const check of report.checks) console.log(`${check.name.padEnd(10)} ${check.outcome}: ${check.detail}`);
  console.log(`${"result".padEnd(10)} ${report.outcome}`);
  return { verified: 0, failed: 1, "not checkable": 3 }[report.outcome];
}

if (/verify\.mjs$/.test(globalThis.process?.argv?.[1] ?? "")) {
  process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    return 2;
  });
}
