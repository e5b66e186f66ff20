// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of other files
/** Mutants of events: each removes the code behind one guarantee. */
import { type Mutant, mutant } from '../mutant.ts';

const CHANGE = 'lambda/callbacks/change.ts';
const OUTBOX = 'lambda/callbacks/outbox.ts';
const READ = 'lambda/callbacks/read-events.ts';
const EVENTS = 'lambda/adapters/events.ts';

const TABLE_STREAM = 'lambda/callbacks/table-stream.ts';

export const EVENTS_MUTANTS: readonly Mutant[] = [
  ...(
    [
      ["found.MultiRegionConsistency !== 'STRONG'", 'true'],
      [
        'found.StreamSpecification?.StreamEnabled ? found.LatestStreamArn : undefined',
        'found.LatestStreamArn',
      ],
      ['(isReady || !isTurnedOn)', 'true'],
      ["name === 'AccessDeniedException' &&", "name === '' &&"],
      ["'ResourceInUseException', ", ''],
      ['isReady && !isTurnedOn) {', 'isReady) {'],
    ] as const
  ).map(([find, replace]) =>
    mutant('stream-in-each-region', TABLE_STREAM, find, replace, 'test/lambda/callbacks/find-stream.test.ts'),
  ),
  ...(
    [
      ['Number(its[2]) < Number(own[2])', 'Number(its[2]) !== Number(own[2])'],
      ['if (!isInUse && !isBefore) continue;', 'if (!isInUse) continue;'],
      ['source.isInUse ? ((await options.copiedMs()) ?? 0) : 0', '(await options.copiedMs()) ?? 0'],
      ['source.streamMs - LONGEST_CLOCK_ERROR_MS', '0'],
    ] as const
  ).map(([find, replace]) =>
    mutant('changes-of-tables-before', OUTBOX, find, replace, 'test/lambda/callbacks/outbox.test.ts'),
  ),
  mutant(
    'changes-of-tables-before',
    'lib/callbacks/outbox.ts',
    '`Mapping-${kind}-${generation}`',
    '`Mapping-${kind}-${generation === inUse.generation}`',
    'test/lib/stacks/stacks.test.ts',
  ),
  mutant(
    'stream-in-each-region',
    'local/dynamodb/dynamodb.ts',
    'if (streams) table.turnOnStream(region);',
    'if (streams) for (const each of regions) table.turnOnStream(each);',
    'test/local/dynamodb/stream.test.ts',
  ),
  mutant(
    'event-of-change',
    CHANGE,
    'return old && !isDeleted(old) ?',
    'return true ?',
    'test/lambda/callbacks/change.test.ts',
  ),
  mutant(
    'event-conflict',
    CHANGE,
    'const record = [textOf(notice, OF), lost];',
    'const record = [textOf(notice, OF)];',
    'test/lambda/callbacks/change.test.ts',
  ),
  mutant(
    'event-conflict',
    CHANGE,
    'return isOfOneRegion(lost, version) ? undefined : { of, version, lost };',
    'return { of, version, lost };',
    'test/lambda/callbacks/change.test.ts',
  ),
  mutant(
    'event-conflict',
    CHANGE,
    "return { ...conflict, changedMs: numberOf(notice, 'found_at') };",
    'return conflict;',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'event-conflict',
    OUTBOX,
    '      await allOf(conflicts.map(({ conflict }) => announce!(conflict)));\n',
    '',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'event-conflict',
    'lambda/entry/compose/callbacks.ts',
    'const announce = isEventual(env) ?',
    'const announce = (isEventual(env) || true) ?',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'event-conflict',
    'lambda/adapters/notices.ts',
    "        ConditionExpression: 'attribute_not_exists(pk)',\n",
    '',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'event-cursor',
    'protocol/event.ts',
    "bytes.toString('latin1', 15)",
    "bytes.toString('ascii', 15)",
    'test/protocol/event.test.ts',
  ),
  mutant(
    'event-cursor',
    EVENTS,
    '...written(nowMs, cursorMs(held?.heard, nowMs)),',
    '...written(nowMs),',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'event-cursor',
    'protocol/heard.ts',
    'if (!before || heardMs - before.heardMs <= LATE_MS)',
    'if (!before || heardMs >= before.heardMs)',
    'test/lambda/callbacks/regions.test.ts',
  ),
  mutant(
    'registry-copy',
    'cli/registry/items.ts',
    '[PROBE_PREFIX, CONFLICT_PREFIX, HEARTBEAT_PREFIX]',
    '[PROBE_PREFIX]',
    'test/cli/registry.test.ts',
  ),
  mutant(
    'event-of-change',
    'protocol/event.ts',
    "lengthPrefixed('countersign/event/v1', ...record, version)",
    "[...record, version].join('')",
    'test/protocol/event.test.ts',
  ),
  mutant(
    'outbox-complete',
    OUTBOX,
    'Math.min(...left.map(({ index }) => index))',
    'Math.max(...left.map(({ index }) => index))',
    'test/lambda/callbacks/outbox.test.ts',
  ),
  mutant('outbox-complete', OUTBOX, '!dynamodb.OldImage && ', '', 'test/lambda/callbacks/outbox.test.ts'),
  mutant(
    'event-readers',
    OUTBOX,
    'left = left.filter((_, i) => !isWritten[i]);',
    'left = [];',
    'test/lambda/callbacks/outbox.test.ts',
  ),
  mutant(
    'event-readers',
    EVENTS,
    "'attribute_not_exists(pk) OR id = :id'",
    "'attribute_not_exists(pk) OR attribute_exists(pk) OR id = :id'",
    'test/local/dynamodb/contract.test.ts',
  ),
  mutant(
    'event-readers',
    EVENTS,
    "'#last = :settled AND taken_at <= :abandoned'",
    "'#last = :settled'",
    'test/lambda/callbacks/outbox.test.ts',
  ),
  mutant(
    'event-readers',
    READ,
    'if (isMissing && writtenAtMs > nowMs - KEPT_MS)',
    'if (isMissing && writtenAtMs < nowMs - KEPT_MS)',
    'test/lambda/callbacks/outbox.test.ts',
  ),
  mutant(
    'event-readers',
    READ,
    '|| lowest.writtenAtMs >= atMs - DISORDER_MS) return 0;',
    ') return 0;',
    'test/lambda/callbacks/outbox.test.ts',
  ),
  mutant(
    'event-cursor',
    'lambda/handlers/events.ts',
    'cursor.atMs - OTHER_REGION_MS',
    'cursor.atMs',
    'test/lambda/handlers/events.test.ts',
  ),
  mutant(
    'event-cursor',
    'lambda/handlers/events.ts',
    '(page.passed || from.isOther)',
    'page.passed',
    'test/lambda/handlers/events.test.ts',
  ),
  mutant(
    'event-rebuild',
    'lambda/callbacks/rebuild.ts',
    '.sort((a, b) => a.changedMs - b.changedMs)',
    '',
    'test/lambda/callbacks/rebuild.test.ts',
  ),
  mutant(
    'event-rebuild',
    'lambda/callbacks/rebuild.ts',
    ' && event.changedMs <= untilMs',
    '',
    'test/lambda/callbacks/rebuild.test.ts',
  ),
  mutant(
    'event-rebuild',
    'lambda/callbacks/outbox.ts',
    'if (after === undefined || (await events.has(after)))',
    'if (true as boolean)',
    'test/lambda/callbacks/rebuild.test.ts',
  ),
  mutant(
    'event-rebuild',
    'lambda/callbacks/outbox.ts',
    'for (const each of silent) await keepSilent(options, each.silent);',
    '',
    'test/lambda/callbacks/rebuild.test.ts',
  ),
  mutant(
    'event-rebuild',
    'lambda/callbacks/rebuild.ts',
    'made.filter((_, i) => !known[i])',
    'made',
    'test/lambda/callbacks/rebuild.test.ts',
  ),
];
