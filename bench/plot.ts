/** Draws a table as bars: the median, with a line from the least value to the greatest. */
import { median, type Section } from './report.ts';

const WIDTH = 760;
const LEFT = 12;
/** Where the longest bar or line ends. The rest is for its number. */
const RIGHT = 640;
const ROW = 40;
const TOP = 44;

const STYLE = `.page { fill: #fff } text { fill: #1f2328 } .dim { fill: #57606a } .bar { fill: #0969da } .limit { fill: #8c959f } .spread { stroke: #1f2328 }
    @media (prefers-color-scheme: dark) { .page { fill: #0d1117 } text { fill: #e6edf3 } .dim { fill: #9da7b3 } .bar { fill: #4493f8 } .limit { fill: #6e7681 } .spread { stroke: #e6edf3 } }`;

/** @returns an SVG, or undefined where the table has less than two bars of one unit */
export function plot({ title, unit, rows }: Section): string | undefined {
  const bars = rows.flatMap(({ figure, values = [], limit }) =>
    values.length === 0 ? [] : [{ figure, limit, at: median(values), from: least(values), to: most(values) }],
  );
  if (unit === undefined || bars.length < 2) return undefined;
  const greatest = most(bars.map(({ to }) => to));
  // Tables whose values are all zero have bars without length.
  const x = (value: number) => LEFT + ((RIGHT - LEFT) * value) / (greatest || 1);
  const height = TOP + bars.length * ROW + 8;
  const drawn = bars.map(({ figure, limit, at, from, to }, i) => {
    const y = TOP + i * ROW;
    const middle = y + 24;
    const line =
      from < to
        ? `<path class="spread" d="M${px(x(from))} ${middle}H${px(x(to))}m0-4v8M${px(x(from))} ${middle - 4}v8"/>`
        : '';
    return `  <text x="${LEFT}" y="${y + 12}">${escaped(plain(figure))}</text>
  <rect class="${limit ? 'limit' : 'bar'}" x="${LEFT}" y="${y + 18}" width="${px(x(at) - LEFT)}" height="12"/>${line}
  <text class="dim" x="${px(x(Math.max(at, to)) + 8)}" y="${y + 28}">${short(at)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-labelledby="t">
  <title id="t">${escaped(title)}, ${escaped(unit)}</title>
  <style>
    ${STYLE}
  </style>
  <rect class="page" width="${WIDTH}" height="${height}"/>
  <text class="dim" x="${LEFT}" y="24">${escaped(unit)}</text>
${drawn.join('\n')}
</svg>
`;
}

const least = (values: readonly number[]): number => Math.min(...values);
const most = (values: readonly number[]): number => Math.max(...values);
const px = (value: number): string => String(Number(value.toFixed(1)));

/** Three digits, and no fraction above a hundred. */
const short = (value: number): string =>
  value.toLocaleString('en', value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });

/** Without Markdown's marks. */
const plain = (text: string): string => text.replaceAll('`', '');

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
