/**
 * Refuses an older Node with a clear message. Otherwise the HTTP library would fail to load with an obscure
 * error.
 */
const OLDEST = [22, 19] as const;

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
  throw new Error(
    `@countersign/sdk needs Node ${OLDEST.join('.')} or later, and this is ${process.versions.node}`,
  );
