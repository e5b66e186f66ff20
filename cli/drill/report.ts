/** The report of a drill: one HTML file, which loads nothing. */
import type { History, Mark } from './history.ts';
import type { Verdict } from './verdict.ts';

export interface Reported {
  readonly drill: string;
  readonly does: string;
  readonly consistency: string;
  readonly clients: number;
  readonly regions: readonly string[];
  readonly history: History;
  readonly verdict: Verdict;
}

/** The attempts in one Region that ended within one second. */
export interface Second {
  acknowledged: number;
  refused: number;
  failed: number;
  /** Of the attempts that got an answer, in milliseconds. */
  readonly latenciesMs: number[];
}

const OUTCOMES = ['acknowledged', 'refused', 'failed'] as const;

/** @returns by the second in which an attempt ended */
export function seconds(history: History, region: string, count: number): Second[] {
  const found = Array.from(
    { length: count },
    (): Second => ({ acknowledged: 0, refused: 0, failed: 0, latenciesMs: [] }),
  );
  for (const { attempts } of history.calls)
    for (const { region: at, startMs, endMs, outcome } of attempts) {
      const second = found[Math.floor(endMs / 1_000)];
      if (at !== region || !second) continue;
      second[outcome] += 1;
      if (outcome !== 'failed') second.latenciesMs.push(endMs - startMs);
    }
  return found;
}

export function report({ drill, does, consistency, clients, regions, history, verdict }: Reported): string {
  const lastMs = Math.max(
    0,
    ...history.calls.map(({ endMs }) => endMs),
    ...history.marks.map(({ atMs }) => atMs),
  );
  const count = Math.floor(lastMs / 1_000) + 1;
  const plots = regions.map((region) => ({ region, seen: seconds(history, region, count) }));
  const most = Math.max(1, ...plots.flatMap(({ seen }) => seen.map((each) => total(each))));
  const slowest = Math.max(
    1,
    ...plots.flatMap(({ seen }) => seen.map(({ latenciesMs }) => p95(latenciesMs) ?? 0)),
  );
  const { passed, broken } = verdict;
  const numbers: readonly (readonly [string, string])[] = [
    ['clients', String(clients)],
    ['acknowledged', String(verdict.acknowledged)],
    ['lost', `${verdict.lost}${consistency === 'eventual' ? ' (eventual mode promises no zero)' : ''}`],
    ['without an event', verdict.eventsMissed === null ? 'not counted' : String(verdict.eventsMissed)],
    ['duplicated', String(verdict.duplicated)],
    ['errors that clients saw', String(verdict.clientErrors)],
    ['most attempts for one registration', String(verdict.maxAttempts)],
    ['recovery', verdict.recoveryMs === null ? 'does not apply' : `${verdict.recoveryMs} ms`],
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Drill ${text(drill)}: ${passed ? 'passed' : 'failed'}</title>
<style>${STYLE}</style>
<main>
<h1>Drill ${text(drill)}: <span class="${passed ? 'good' : 'bad'}">${passed ? 'passed' : 'failed'}</span></h1>
<p>It ${text(does)}. ${text(consistency)} consistency, ${text(new Date(performance.timeOrigin + history.startMs).toISOString())}.</p>
${broken.length === 0 ? '' : `<h2>What did not hold</h2>\n<ul>${broken.map((each) => `<li class="bad">${text(each)}`).join('')}</ul>\n`}<table>${numbers.map(([name, value]) => `<tr><th>${text(name)}<td>${text(value)}`).join('')}</table>
<p class="legend">Each second: requests to register that were <b class="acknowledged">acknowledged</b>, <b class="refused">refused</b>, or <b class="failed">failed</b> without an answer; the <b class="latency">line</b> is the 95th percentile of the latency.</p>
${plots.map(({ region, seen }) => `<h2>${text(region)}</h2>\n${plot(region, seen, history.marks, most, slowest)}`).join('\n')}
<ol>${history.marks.map(({ atMs, text: what }) => `<li>${(atMs / 1_000).toFixed(1)} s: ${text(what)}`).join('')}</ol>
</main>
</html>
`;
}

const WIDTH = 880;
const HEIGHT = 170;
const LEFT = 46;
const RIGHT = 62;
const TOP = 18;
const BOTTOM = 22;

function plot(
  region: string,
  seen: readonly Second[],
  marks: readonly Mark[],
  most: number,
  slowest: number,
): string {
  const x = (second: number) => LEFT + (second / seen.length) * (WIDTH - LEFT - RIGHT);
  const y = (part: number) => HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
  const width = Math.max(0.5, x(1) - x(0) - 1);
  const bars = seen.flatMap((second, i) => {
    let below = 0;
    const parts = OUTCOMES.flatMap((outcome) => {
      const from = below;
      below += second[outcome];
      if (second[outcome] === 0) return [];
      const height = (y(from / most) - y(below / most)).toFixed(1);
      return `<rect class="${outcome}" x="${x(i).toFixed(1)}" y="${y(below / most).toFixed(1)}" width="${width.toFixed(1)}" height="${height}"/>`;
    });
    const what = OUTCOMES.map((outcome) => `${second[outcome]} ${outcome}`).join(', ');
    return parts.length === 0 ? [] : `<g><title>second ${i}: ${what}</title>${parts.join('')}</g>`;
  });
  // A second without an answer is a gap in the line.
  let path = '';
  let isDrawing = false;
  for (const [i, { latenciesMs }] of seen.entries()) {
    const ms = p95(latenciesMs);
    if (ms !== undefined)
      path += `${isDrawing ? 'L' : 'M'}${x(i + 0.5).toFixed(1)} ${y(ms / slowest).toFixed(1)}`;
    isDrawing = ms !== undefined;
  }
  const lines = marks.map(({ atMs, text: what }, i) => {
    const at = x(atMs / 1_000).toFixed(1);
    return `<g class="mark"><title>${text(what)}</title><line x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${at}" y="${TOP - 5}" text-anchor="middle">${i + 1}</text></g>`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${text(region)}, second by second">
<path class="axis" d="M${LEFT} ${y(0)}H${WIDTH - RIGHT}"/>
<text x="${LEFT - 6}" y="${y(1) + 4}" text-anchor="end">${most} /s</text><text x="${LEFT - 6}" y="${y(0) + 4}" text-anchor="end">0</text>
<text x="${WIDTH - RIGHT + 6}" y="${y(1) + 4}">${Math.round(slowest)} ms</text>
<text x="${LEFT}" y="${HEIGHT - 6}">0 s</text><text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${seen.length} s</text>
${bars.join('')}
<path class="latency" d="${path}"/>
${lines.join('')}
</svg>`;
}

const total = (second: Second): number => second.acknowledged + second.refused + second.failed;

function p95(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const text = (value: string): string => value.replace(/[&<>"]/g, (character) => ENTITIES[character]!);

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5b6675; --paper: #fff; --rule: #d7dde5; --acknowledged: #2f7d5b; --refused: #c98a1b; --failed: #c2392f; --latency: #3a5fc8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --dim: #98a4b5; --paper: #12161c; --rule: #333d4a; --acknowledged: #4fae86; --refused: #e0a83e; --failed: #ea6a5f; --latency: #8aa6ff; } }
body { margin: 2rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 56rem; margin: auto; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 1.2rem 0 0.3rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: normal; color: var(--dim); padding: 0.1rem 2rem 0.1rem 0; } td { font-variant-numeric: tabular-nums; }
.good, b.acknowledged { color: var(--acknowledged); } .bad, b.failed { color: var(--failed); } b.refused { color: var(--refused); } b.latency { color: var(--latency); }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--dim); }
rect.acknowledged { fill: var(--acknowledged); } rect.refused { fill: var(--refused); } rect.failed { fill: var(--failed); }
path.latency { fill: none; stroke: var(--latency); stroke-width: 1.5; } path.axis { stroke: var(--rule); } .mark line { stroke: var(--ink); stroke-dasharray: 3 3; } .mark text { fill: var(--ink); }
`;
