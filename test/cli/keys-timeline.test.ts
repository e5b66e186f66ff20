/** The exact text of the timeline of one purpose's keys. */
import { expect, test } from 'vitest';
import { timeline } from '../../cli/keys/timeline.ts';
import type { KeySummary, KeysetSummary } from '../../lambda/contract/keys.ts';
import type { KeyState } from '../../protocol/keyset.ts';
import { keysetSummary } from './keyset-summary.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-23T12:00:00Z');

/** Times in hours from now. */
const key = (kid: string, state: KeyState, activates: number, retires: number | null): KeySummary => ({
  kid,
  alg: 'HKDF-SHA-256',
  state,
  activates_at: new Date(NOW + activates * HOUR).toISOString(),
  retires_at: retires === null ? null : new Date(NOW + retires * HOUR).toISOString(),
  vault_version: 1,
});

const draw = (
  keys: readonly KeySummary[],
  pending: string | null = null,
  rest: Partial<KeysetSummary> = {},
  columns?: number,
): string[] => timeline(keysetSummary(keys, { pending, ...rest }), NOW, '', columns);

const SUMS = [
  'nonce: a new key signs 1 d 2 h after its creation; the old key goes 1 d 1 h later',
  '  to signing  1 d 2 h: 1 h to publish it (X), and 1 d 1 h until every copy has it',
  '  to removal  1 d 1 h until no copy signs with the old key, and all it signed has expired',
];
const OUTLOOK = '  after a rotation now, the new key signs in 1 d 2 h; the newest key goes in 2 d 3 h';

test('a key that signs, one that is next, and one that is retired', () => {
  const keys = [
    key('ZZZZZZ', 'retired', -1_500, -700),
    key('AAAAAA', 'current', -700, 50),
    key('BBBBBB', 'next', 25, null),
  ];
  expect(draw(keys)).toEqual([
    ...SUMS,
    '                                now',
    '  ZZZZZZ  │                      ┊                              retired 29 d 4 h ago',
    '  AAAAAA  ═══════════════════════╪════════════··········│       current, retires in 2 d 2 h',
    '  BBBBBB                         ------------════════════════▶  next, signs in 1 d 1 h',
    OUTLOOK,
  ]);
});

test('a previous key that still verifies what it signed', () => {
  expect(draw([key('AAAAAA', 'previous', -720, 20), key('BBBBBB', 'current', -5, null)])).toEqual([
    ...SUMS,
    '                                          now',
    '  AAAAAA  ═══════════════════════════════···············│       previous, retires in 20 h',
    '  BBBBBB                                ═══╪═════════════════▶  current',
    OUTLOOK,
  ]);
});

test('no line is wider than a terminal, whatever the times', () => {
  for (const hours of [0.016, 0.9997, 23.9997, 239.99, 4_319.99]) {
    const keys = [
      key('ZZZZZZ', 'retired', -3 * hours, -hours),
      key('AAAAAA', 'previous', -2 * hours, hours),
      key('BBBBBB', 'current', -hours, 2 * hours),
      key('CCCCCC', 'next', hours, 3 * hours),
      key('DDDDDD', 'next', 2 * hours, null),
    ];
    for (const columns of [60, 80, 100, 400])
      for (const line of draw(keys, null, {}, columns).filter((line) => /^ {2}[A-Z]{6} /.test(line)))
        expect(line.length, line).toBeLessThanOrEqual(Math.min(columns, 100));
    for (const line of draw(keys)) expect(line.length, line).toBeLessThanOrEqual(100);
  }
});

test('on a terminal of 40 columns every line is folded, and what stands beside a key follows it', () => {
  const keys = [key('AAAAAA', 'current', -700, 50), key('BBBBBB', 'next', 25, null)];
  const lines = draw(keys, null, {}, 40);
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(40);
  const unfolded = (text: readonly string[]) => text.join(' ').replaceAll(/\s+/g, ' ');
  const prose = (text: readonly string[]) => unfolded(text.filter((line) => !/[═┊]|^ *now$/.test(line)));
  for (const sum of SUMS) expect(unfolded(lines)).toContain(unfolded([sum]).trim());
  expect(prose(lines)).toContain(' current, retires in 2 d 2 h next, signs in 1 d 1 h after a rotation now');
  expect(lines.filter((line) => /^ {2}[AB]{6} {2}.*[═╪]/.test(line))).toHaveLength(2);
  // A command is not cut: a part of it could do more than the whole.
  const revoked = draw([key('AAAAAA', 'revoked', -5, 50)], null, {}, 40);
  expect(revoked).toContain('    countersign keys revoke nonce makes one that signs');
});

test('a keyset without keys, during a rotation', () => {
  expect(draw([])).toEqual([...SUMS, '  no keys: countersign keys init']);
  expect(draw([key('AAAAAA', 'current', -1, null)], 'v2').at(-1)).toBe(
    '  a rotation is in progress or was interrupted',
  );
});

test('a key that every Region refuses signs nothing, whatever its times; the next key then signs before its time', () => {
  const keys = [key('AAAAAA', 'revoked', -5, 50), key('BBBBBB', 'current', 25, null)];
  expect(draw(keys)).toEqual([
    ...SUMS,
    '             now',
    '  AAAAAA      ┊                                                 revoked',
    '  BBBBBB      ╪══════════════════════════════════════════════▶  current',
    '  after a rotation now, the new key signs in 1 d 2 h; the newest key goes in 2 d 3 h',
  ]);
});

test('if no key is accepted, the next one signs at once', () => {
  const keys = [key('AAAAAA', 'revoked', -5, 50), key('BBBBBB', 'revoked', 25, null)];
  expect(draw(keys).slice(-2)).toEqual([
    '  after a rotation now, the new key signs at once: no other is live',
    '  no key signs: countersign keys revoke nonce makes one that signs',
  ]);
});

test('the time of the next rotation, and why the last one failed', () => {
  const at = new Date(NOW - 3 * HOUR).toISOString();
  const rest = {
    next_rotation_at: new Date(NOW + 48 * HOUR).toISOString(),
    last_failure: { at, action: 'createSecret', reason: 'https://vault is sealed: unseal Vault' },
  };
  expect(draw([key('AAAAAA', 'current', -1, null)], null, rest).slice(-2)).toEqual([
    '  next rotation: 2026-11-25 12:00Z in 2 d',
    '  last rotation failed 2026-11-23 09:00Z 3 h ago, createSecret: https://vault is sealed: unseal Vault',
  ]);
});

test('keys that were promoted to a Region which is not deployed for it', () => {
  const line = /^ {2}no new key is made: the keys were promoted to local-b, which is not deployed/;
  const keys = [key('AAAAAA', 'current', -700, null)];
  const drawn = (managed_by: string) => draw(keys, null, { promoted_to: 'local-b', managed_by });
  expect(drawn('local-a')).toContainEqual(expect.stringMatching(line));
  expect(drawn('local-b')).not.toContainEqual(expect.stringMatching(line));
  expect(draw(keys)).not.toContainEqual(expect.stringMatching(line));
});
