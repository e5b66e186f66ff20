/**
 * Where the time of a CPU profile goes, by layer. A sample belongs to the innermost frame that a rule names;
 * one whose whole stack is Node's own is the HTTP server's.
 */
import type { Profiler } from 'node:inspector';

interface Rule {
  readonly layer: string;
  /** Matches a frame's URL, followed by `#` and the function's name. */
  readonly frame: RegExp;
}

const TRANSPORT = 'transport: HTTP server, sockets, scheduling';
/** V8's own names for entries that are not functions. */
const UNNAMED: ReadonlyMap<string, string> = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'outside JavaScript'],
]);

const RULES: readonly Rule[] = [
  { layer: 'calls of the stores', frame: /^node:_http_(client|agent)|\/lambda\/adapters\/aws\// },
  { layer: TRANSPORT, frame: /^node:(_http_|net#|internal\/(streams|stream_base|http))/ },
  // These come before the code that they call: the same parts read proofs, bodies and events.
  { layer: 'proof form, checks 1–3', frame: /\/protocol\/proof\/(form|request)\.ts/ },
  { layer: 'claims and fingerprint, check 6', frame: /\/protocol\/proof\/claims\.ts/ },
  {
    layer: 'signature, check 4',
    frame:
      /\/protocol\/proof\/signature\.ts|\/node_modules\/jose\/|^node:internal\/crypto\/(webcrypto|webidl|mac#)|#(findSigner|material)$/,
  },
  {
    layer: 'nonce, check 7 and a fresh one',
    frame:
      /\/protocol\/nonce(-request)?\.ts|\/lambda\/request\/(nonces|keyset-cache)\.ts|#(findNonce|replayNonce)$/,
  },
  {
    layer: 'body and schema, check 8',
    frame: /\/lambda\/schema\/|\/protocol\/body\.ts|\/node_modules\/ajv|#(validate\d*|formats?)$/,
  },
  { layer: 'ledger, check 10', frame: /\/(lambda\/adapters|protocol)\/ledger\.ts/ },
  {
    layer: 'quota, checks 9 and 11',
    frame:
      /\/(lambda\/request|protocol)\/quota\.ts|\/lambda\/(adapters\/limits|request\/(consumption|read-limit))\.ts/,
  },
  {
    layer: 'registry, check 12',
    frame: /\/lambda\/adapters\/(registry|events)\.ts|#(registrationId|decideRegister)$/,
  },
  {
    layer: 'client record',
    frame:
      /\/lambda\/(adapters\/client(s|-items)|request\/client-(cache|keys|root))\.ts|\/lru-cache\/|\/protocol\/client\.ts/,
  },
  { layer: 'stand-in store', frame: /\/bench\/store\// },
  {
    layer: 'embedded store',
    frame: /\/local\/(dynamodb\/|aws\/dynamodb)/,
  },
  { layer: 'AWS endpoint', frame: /\/local\/aws\// },
  { layer: 'AWS SDK', frame: /\/node_modules\/(@aws-sdk|@smithy|@aws-crypto|@aws)\// },
  { layer: 'gateway emulation', frame: /\/local\/(gateway|router|server|error-pages)/ },
  {
    layer: 'event from the request',
    frame: /\/lambda\/http\/event\.ts|\/bench\/processes\/(function-server|server)\.ts/,
  },
  {
    layer: 'answer',
    frame: /\/lambda\/(http|handlers)\/|\/lambda\/request\/proof-gate\.ts|#(entityTag|canonicalJson)$/,
  },
  // Parts that several layers share have no rule: their time belongs to the caller.
  {
    layer: 'other code of ours',
    frame: /\/(lambda|protocol|local|bench)\/(?!(json|bytes|adapters\/dynamodb)\.ts)/,
  },
];

/** @returns each layer's share of the samples in which the thread was busy */
export function layersOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Record<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);

  const known = new Map<number, string | undefined>();
  const layerOf = (id: number | undefined): string | undefined => {
    if (id === undefined) return undefined;
    if (!known.has(id)) known.set(id, named(byId.get(id)!) ?? layerOf(parents.get(id)));
    return known.get(id);
  };

  const spent = new Map<string, number>();
  let busy = 0;
  for (const [i, id] of samples.entries()) {
    const { functionName } = byId.get(id)!.callFrame;
    if (functionName === '(idle)') continue;
    const layer = UNNAMED.get(functionName) ?? layerOf(id) ?? TRANSPORT;
    const time = timeDeltas[i] ?? 0;
    spent.set(layer, (spent.get(layer) ?? 0) + time);
    busy += time;
  }
  const shares = [...spent].map(([layer, time]) => [layer, time / busy] as const);
  return Object.fromEntries(shares.sort(([, a], [, b]) => b - a));
}

function named({ callFrame: { url, functionName } }: Profiler.ProfileNode): string | undefined {
  const frame = `${url}#${functionName}`;
  return RULES.find((rule) => rule.frame.test(frame))?.layer;
}
