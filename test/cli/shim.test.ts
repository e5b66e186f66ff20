import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const shim = fileURLToPath(new URL('../../cli/countersign.mjs', import.meta.url));

test('the command runs as a program of its own, with its output and its exit code', async () => {
  const { stdout } = await run(process.execPath, [shim, '--help']);
  expect(stdout).toContain('Usage: countersign');
  await expect(run(process.execPath, [shim, 'register'])).rejects.toMatchObject({ code: 2, stdout: '' });
});

test('an older Node hands over to the one that the project brings', async () => {
  // The version is all that the shim goes by.
  const older = `Object.defineProperty(process.versions, 'node', { value: '20.0.0' });
    process.argv.splice(1, 0, ${JSON.stringify(shim)});
    await import(${JSON.stringify(shim)});`;
  const args = ['--input-type=module', '--eval', older, '--', 'register'];
  await expect(run(process.execPath, args)).rejects.toMatchObject({
    code: 2,
    stderr: "error: missing required argument 'file'\n",
  });
});
