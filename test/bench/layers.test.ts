import { globSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { expect, it } from 'vitest';
import { layersOf } from '../../bench/layers.ts';

type Frame = readonly [functionName: string, url: string];

/** A profile of stacks, outermost frame first, of one millisecond each. */
function profile(...stacks: (readonly Frame[])[]): Profiler.Profile {
  const nodes: Profiler.ProfileNode[] = [];
  const add = ([functionName, url]: Frame) => {
    const callFrame = { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 };
    nodes.push({ id: nodes.length + 1, callFrame, children: [] });
    return nodes.at(-1)!;
  };
  const root = add(['(root)', '']);
  const samples = stacks.map((stack) =>
    stack.reduce((parent, frame) => {
      const node = add(frame);
      parent.children!.push(node.id);
      return node;
    }, root),
  );
  return {
    nodes,
    startTime: 0,
    endTime: stacks.length * 1000,
    samples: samples.map(({ id }) => id),
    timeDeltas: samples.map(() => 1000),
  };
}

const listener: Frame = ['onRequest', 'node:_http_server'];
const form: Frame = ['parseProof', 'file:///app/protocol/proof/form.ts'];
const body: Frame = ['readRegistration', 'file:///app/lambda/schema/body.ts'];
const json: Frame = ['parseJson', 'file:///app/protocol/json.ts'];

it('the cost of a shared part counts for the layer that called it', () => {
  expect(layersOf(profile([listener, form, json], [listener, body, json]))).toEqual({
    'proof form, checks 1–3': 0.5,
    'body and schema, check 8': 0.5,
  });
});

it('idle time counts for no layer, and work that no code of ours called counts for the transport', () => {
  const stacks = [[['(idle)', ''] as const], [['(garbage collector)', ''] as const], [listener]];
  expect(layersOf(profile(...stacks))).toEqual({
    'garbage collection': 0.5,
    'transport: HTTP server, sockets, scheduling': 0.5,
  });
});

const root = new URL('../../', import.meta.url);

it.each(
  globSync(
    'lambda/{request,adapters,http,handlers,schema}/{client,keyset,nonce,quota,read,consum,proof-,ledger,limits,registr,answer,event,body}*.ts',
    { cwd: root },
  ),
)('%s, which a request passes through, has a layer', (file) => {
  const [layer] = Object.keys(layersOf(profile([listener, ['', new URL(file, root).href]])));
  expect(layer).not.toBe('other code of ours');
});

it('our own code without a rule gets its own label', () => {
  const verify: Frame = ['verifyProof', 'file:///app/protocol/proof/verify.ts'];
  expect(layersOf(profile([listener, verify]))).toEqual({ 'other code of ours': 1 });
});
