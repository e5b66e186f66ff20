/** Text from others reaches the terminal as text only: no escape sequence takes effect. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { printTable } from '../../cli/print.ts';
import { printable, printableOut } from '../../cli/printable.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory, whileWaiting } from './cli.ts';

/** Cursor, colours, title, C1, order, invisible characters, line breaks, and a line that looks like ours. */
const HOSTILE =
  '\u001b[2J\u001b]0;t\u0007\u009b31m\u202egnp\u202c\u2066\u200e\u061c\u200b\u00ad\ufeff\u2028\u{e0041}\ufff9\u3164\u2800\u115f\u{e0101}\r\b\u007f\t\nAll is well.';
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const expectSafe = (output: string) => {
  expect(output.replaceAll('\n', '')).not.toMatch(UNSAFE);
  expect(output).not.toMatch(/^All is well\.$/m);
};

describe('text from others', () => {
  const unicode = fc.string({ unit: 'binary' });
  const anything = fc.oneof(
    unicode,
    fc.constant(HOSTILE),
    fc.string({ unit: fc.constantFrom('\ud800', '\udc00', 'a') }),
  );

  it('has visible characters only, and escaping twice changes nothing more', () =>
    fc.assert(
      fc.property(anything, (given) => {
        const shown = printable(given);
        expect(shown.replace(/\u200c|\u200d|\ufe0e|\ufe0f/g, '')).not.toMatch(UNSAFE);
        expect(printable(shown)).toBe(shown);
      }),
    ));

  it('stays the same within JSON', () =>
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), anything, (value, given) => {
        const document = { value, given, [given]: value };
        expect(JSON.parse(printable(JSON.stringify(document)))).toEqual(JSON.parse(JSON.stringify(document)));
      }),
    ));

  it('is shown with the escapes of JSON; scripts and emoji that need joiners keep them', () => {
    expect(printable('a\u001b[1m\n\r\t\u009b\u202e\u{e0041}')).toBe(
      'a\\u001b[1m\\n\\r\\t\\u009b\\u202e\\udb40\\udc41',
    );
    const legible = 'Zoë 李 नमस्ते می‌خواهم 👩‍💻';
    expect(printable(legible)).toBe(legible);
  });

  it('adds no line of its own: only line breaks at the end of our own text count', async () => {
    const stream = new PassThrough();
    const out = printableOut(stream);
    for (const line of ['\n', 'a\nb\n', '\n\nc\n\n', '', 'd']) out.write(line);
    expect(String(stream.read())).toBe('\na\\nb\n\n\nc\n\nd');
  });

  it('keeps tables in line', () => {
    let written = '';
    printTable(
      { stdout: { write: (line: string) => (written += line) } } as never,
      ['name', 'n'],
      [
        ['\u001b[1m', '1'],
        ['ab', '2'],
      ],
    );
    expect(written).toBe('name       n\n\\u001b[1m  1\nab         2\n');
  });
});

test('code in cli/ writes to streams through the writer only', () => {
  const root = new URL('../../cli/', import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(40);
  const found = (pattern: RegExp) =>
    files.filter((file) => pattern.test(readFileSync(new URL(file, root), 'utf8')));
  expect(found(/\bprocess\s*\.\s*(stdout|stderr)\b|\bconsole\b|['"](node:)?process['"]/)).toEqual([
    'main.ts',
  ]);
  // A bar and two counts are drawn with these, and hold numbers only.
  expect(found(/\bio\.terminal\b|[{,]\s*terminal\s*[,}]/).toSorted()).toEqual([
    'events/command.ts',
    'register/progress.ts',
    'registrations/command.ts',
  ]);
  // No file writes to descriptors 1 and 2 directly.
  expect(found(/\bwrite(File)?Sync\(\s*[12]\b|\/dev\/(stdout|stderr|tty)/)).toEqual([]);
});

describe('against the platform', () => {
  let platform: Platform;
  const directory = new Directory();

  beforeAll(async () => {
    platform = await startPlatform({ port: 0 });
    directory.announce(platform.info);
    const user = { user_id: 'hostile', display_name: HOSTILE, attributes: { [HOSTILE]: HOSTILE } };
    directory.write('in.jsonl', `${JSON.stringify(user)}\n`);
    expect(await directory.run(['register', 'in.jsonl'])).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    directory.remove();
    await platform?.stop();
  });

  it.each([[[]], [['--json']]])('a registration is shown as text %j', async (json) => {
    const shown = await directory.run(['registrations', 'show', 'dev', 'hostile', ...json]);
    expect(shown.code).toBe(0);
    expectSafe(shown.stdout);
    if (json.length > 0) expect(shown.json.data.display_name).toBe(HOSTILE);
    else expect(shown.stdout).toContain('\\u001b[2J');
  });

  it.each([
    [['registrations', 'show', 'dev', HOSTILE]],
    [['registrations', 'erase', 'dev', HOSTILE]],
    [['clients', 'show', HOSTILE]],
    [['revoke', 'client', HOSTILE]],
    [['revoke', 'key', 'dev', HOSTILE]],
    [['revoke', 'proof', HOSTILE]],
    [['register', `${HOSTILE}.csv`]],
    [['register', HOSTILE]],
    [['register', 'in.jsonl', '--api-key-file', HOSTILE]],
    [['clients', 'create', 'a-client', '--jwk', HOSTILE]],
    [['clients', 'list', '--stage', 'dev', '--region', HOSTILE]],
    [['clients', 'list', '--stage', HOSTILE, '--region', 'eu-west-1']],
    [['doctor', '--url', `http://${HOSTILE}`]],
    [['keys', 'list', 'nonce\u001b[2J']],
    [['\u001b[2J']],
    [['register', '--\u001b[2J']],
  ])('arguments come back as text: %j', async (args) => {
    const { stdout, stderr } = await directory.run(args);
    expect(stderr + stdout).not.toBe('');
    expectSafe(stderr + stdout);
  });

  it.each([
    `user_id,${JSON.stringify(HOSTILE).slice(1, -1)}\n`,
    `user_id,"${HOSTILE}","${HOSTILE}"\nx,,\n`,
    `user_id,a,"a.${HOSTILE}"\nx,,\n`,
  ])('the header of a file comes back as text', async (csv) => {
    directory.write('hostile.csv', csv);
    const { stdout, stderr } = await directory.run(['register', 'hostile.csv']);
    expectSafe(stderr + stdout);
  });
});

describe('against a hostile server', () => {
  const directory = new Directory();
  let url: string;
  const server = createServer(async (request, response) => {
    await text(request);
    const document = {
      issuer: HOSTILE,
      regions: [{ name: HOSTILE, url }],
      ...{ proof_max_life: 300, max_nonce_count: 100, nonce: 'n', expires_in: 300 },
    };
    if (/^\/(\.well-known|v1\/nonce)/.test(request.url!)) return response.end(JSON.stringify(document));
    response.writeHead(403, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'not_allowed', title: HOSTILE, detail: HOSTILE }));
  });
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    directory.remove();
    server.close();
    server.closeAllConnections();
  });

  it('doctor and register show its names and problems as text', async () => {
    const platform = await startPlatform({ port: 0 });
    const env = { COUNTERSIGN_URL: url, COUNTERSIGN_API_KEY: platform.info.clients[0]!.api_key };
    await platform.stop();
    directory.write('in.csv', 'user_id\na\n');
    for (const args of [
      ['doctor'],
      ['doctor', '--json'],
      ['register', 'in.csv'],
      ['register', 'in.csv', '--json'],
    ]) {
      const { code, stdout, stderr } = await directory.run(args, { env });
      expect(code, args.join(' ')).toBe(1);
      // The command's writer escapes them, or the SDK replaces them: its errors hold no control characters.
      expect(stdout + stderr).toMatch(/(\\u001b|\ufffd)\[2J/);
      expectSafe(stdout + stderr);
    }
  });
});

test('with TERM=dumb, and if stderr is no terminal, nothing is drawn', async () => {
  const directory = new Directory();
  const platform = await startPlatform({ port: 0 });
  directory.announce(platform.info);
  directory.write('in.csv', 'user_id\ndrawn\n');
  const register = (terminal: boolean, TERM: string) =>
    directory.run(['register', 'in.csv'], { terminal, env: { TERM } });
  expect((await register(true, 'xterm')).stderr).toContain('\u001b[');
  expect((await register(true, 'dumb')).stderr).toBe('');
  expect((await register(false, 'xterm')).stderr).toBe('');
  const erased = await directory.run(['registrations', 'erase', 'dev', 'drawn', '--wait'], {
    terminal: true,
    env: { TERM: 'dumb' },
    onReady: whileWaiting(),
  });
  expect(erased.stderr).toMatch(/^deleted; waiting until [^\r]*\n$/);
  await platform.stop();
  directory.remove();
});
