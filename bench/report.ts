/** A measurement: what was measured, the result, and its target. */
export interface Row {
  readonly figure: string;
  readonly measured: string;
  /** The target, if there is one; `missed` if the figure does not meet it. */
  readonly target?: string;
  readonly missed?: boolean;
  /** What a plot shows of this row, in the section's unit. */
  readonly values?: readonly number[];
  /** It is a limit that this project is compared with, and does not set. */
  readonly limit?: boolean;
}

export interface Section {
  readonly title: string;
  /** The meaning of the figures, and how they were taken. */
  readonly note: string;
  readonly rows: readonly Row[];
  /** Of the values that are plotted. */
  readonly unit?: string;
  /** Remarks, e.g. why a target was missed and what would close the gap. */
  readonly remarks?: readonly string[];
}

/** A part of the bench. What it measures is kept, and its tables can be made from that at any time. */
export interface Part<Raw> {
  measure(): Promise<Raw>;
  sections(raw: Raw): readonly Section[];
}

/** A part's last measurement, as it is kept. */
export interface Kept {
  /** `YYYY-MM-DD`, UTC. */
  readonly date: string;
  readonly machine: string;
  /** How processes are kept to cores. */
  readonly cores: string;
  readonly raw: unknown;
}

/** @returns one line for each figure that has a target */
export function targetLines({ title, rows }: Section): string[] {
  return rows.flatMap(({ figure, measured, target, missed }) =>
    target === undefined
      ? []
      : [`${title}: ${figure}: ${measured} [${target}: ${missed ? 'MISSED' : 'met'}]`],
  );
}

export function toMarkdown({ title, note, rows, remarks = [] }: Section): string {
  const lines = rows.map(({ figure, measured, target = '', missed }) => {
    const verdict = target === '' ? '' : missed ? `${target}: **missed**` : `${target}: met`;
    return `| ${figure} | ${measured} | ${verdict} |`;
  });
  const table = ['| figure | measured | target |', '|---|---|---|', ...lines];
  return [`## ${title}`, '', note, '', ...table, '', ...remarks.flatMap((text) => [text, ''])].join('\n');
}

/** Median, least and greatest of some values. */
export function spread(values: readonly number[], digits: number): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`;
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** The values below which so many percent lie. */
export function percentiles(values: readonly number[]): Readonly<Record<'50' | '95' | '99', number>> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * sorted.length)] ?? Number.NaN;
  return { 50: at(0.5), 95: at(0.95), 99: at(0.99) };
}

/** Slope of the least-squares line through some points. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** Value by value: those of one round meet the machine in the same state. */
export const ratios = (values: readonly number[], over: readonly number[]): number[] =>
  values.map((value, i) => value / over[i]!);

export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
