// Figures of a bench run, and how they are shown.

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project aims for; empty where there is no aim. */
  readonly goal: string;
}

export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

export function printFigures(figures: readonly Figure[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    return;
  }
  const width = Math.max(...figures.map(({ name }) => name.length));
  for (const { name, value, unit, goal } of figures) {
    const shown = value >= 100 ? value.toFixed(0) : value.toFixed(2);
    process.stdout.write(
      `${name.padEnd(width)}  ${shown.padStart(9)} ${unit.padEnd(7)}${goal === '' ? '' : `  goal ${goal}`}\n`,
    );
  }
}
