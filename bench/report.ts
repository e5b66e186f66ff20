/** A measurement: what was measured, how it came out, and against what it is held. */
export interface Row {
  readonly figure: string;
  readonly measured: string;
  /** What it was to be, if anything; `missed` where it is not. */
  readonly target?: string;
  readonly missed?: boolean;
}

export interface Section {
  readonly title: string;
  /** What the figures mean, and how they were taken. */
  readonly note: string;
  readonly rows: readonly Row[];
}

export function toMarkdown({ title, note, rows }: Section): string {
  const lines = rows.map(({ figure, measured, target = '', missed }) => {
    const verdict = target === '' ? '' : missed ? `${target}: **missed**` : `${target}: met`;
    return `| ${figure} | ${measured} | ${verdict} |`;
  });
  return [`## ${title}`, '', note, '', '| figure | measured | target |', '|---|---|---|', ...lines, ''].join(
    '\n',
  );
}

/** Median, least and greatest of some values. */
export function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const text = (value: number) => value.toFixed(digits);
  return `${text(median(values))} (${text(sorted[0]!)}–${text(sorted.at(-1)!)})`;
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
