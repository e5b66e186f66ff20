/** Alarms and health checks as CloudWatch and Route 53 run them (docs/aws-truths.md, "Names and health"). */
import { describe, expect, it, test } from 'vitest';
import {
  type AlarmState,
  alarmCheck,
  alarmData,
  answers,
  endpointCheck,
  isHealthy,
  NEW_CHECKS,
  NEW_ENDPOINT_CHECK,
} from '../../../local/dns/health-check.ts';

const MINUTE = 60_000;
const at = (minute: number, value: number) => ({ atMs: minute * MINUTE + 1, value });

describe('the data of an alarm', () => {
  test.each<[string, ReturnType<typeof at>[], number, AlarmState]>([
    ['none', [], 9, 'INSUFFICIENT_DATA'],
    ['of now', [at(9, 1)], 9, 'ALARM'],
    ['of two periods ago', [at(7, 1)], 9, 'ALARM'],
    ['that is too old: missing stays missing', [at(6, 1)], 9, 'INSUFFICIENT_DATA'],
    ['whose newest period is fine', [at(8, 1), at(9, 0)], 9, 'OK'],
    ['whose newest period is not', [at(8, 0), at(9, 1)], 9, 'ALARM'],
    ['of one period: its maximum', [at(9, 1), at(9, 0)], 9, 'ALARM'],
  ])('%s', (_, points, minute, state) => {
    expect(alarmData(points, minute * MINUTE + MINUTE - 1, MINUTE)).toBe(state);
  });
});

it("without data, an alarm's check keeps its last status, or is healthy, depending on its setting", () => {
  for (const was of [true, false]) {
    expect(alarmCheck(was, 'INSUFFICIENT_DATA', 'LastKnownStatus')).toBe(was);
    expect(alarmCheck(was, 'INSUFFICIENT_DATA', 'Healthy')).toBe(true);
    expect([alarmCheck(was, 'ALARM', 'Healthy'), alarmCheck(was, 'OK', 'LastKnownStatus')]).toEqual([
      false,
      true,
    ]);
  }
});

it("an endpoint's check changes once as many results in a row as its threshold contradict it", () => {
  const after = (results: boolean[], threshold?: number) =>
    results.reduce((check, passed) => endpointCheck(check, passed, threshold), NEW_ENDPOINT_CHECK).healthy;
  expect([after([]), after([false]), after([false, true])]).toEqual([true, false, true]);
  expect([after([false, false], 3), after([false, false, false], 3)]).toEqual([true, false]);
  expect(after([false, false, true, false, false], 3)).toBe(true);
});

it('a Region is healthy if both of its checks are', () => {
  const bad = { healthy: false, contrary: 0 };
  expect([
    isHealthy(NEW_CHECKS),
    isHealthy({ ...NEW_CHECKS, endpoint: bad }),
    isHealthy({ ...NEW_CHECKS, notEvacuated: false }),
  ]).toEqual([true, false, false]);
});

it('DNS answers with the healthy Regions, or with all of them if none is healthy', () => {
  expect(answers(['a', 'b', 'c'], (region) => region !== 'a')).toEqual(['b', 'c']);
  expect(answers(['a', 'b'], () => false)).toEqual(['a', 'b']);
});
