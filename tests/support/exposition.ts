/** One series of a text in Prometheus' exposition format, with its value. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: readonly Series[];
}

/** `a{b="c"} 1`; throws where a line is none of the format. For texts without timestamps. */
export function parseExposition(text: string): MetricFamily[] {
  const families: { name: string; type: string; help: string; series: Series[] }[] = [];
  for (const line of text.split("\n")) {
    const [, about, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    const family = families.at(-1);
    if (line === "") continue;
    if (about === "HELP") families.push({ name, type: "", help: rest, series: [] });
    else if (about === "TYPE" && family?.name === name) family.type = rest;
    else if (family !== undefined) family.series.push(parseSeries(line));
    else throw new Error(`not in the exposition format: ${line}`);
  }
  return families;
}

function parseSeries(line: string): Series {
  const [, name = "", inner = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === "" || Number.isNaN(Number(value))) throw new Error(`not in the exposition format: ${line}`);
  const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = "", escaped = ""]) =>
      [label, escaped.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char))] as const,
  );
  return { name, labels: Object.fromEntries(labels), value: Number(value) };
}

/** The value of the one series of this name with (at least) these labels; `undefined` where there is none. */
export function seriesValue(
  families: readonly MetricFamily[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = families
    .flatMap(({ series }) => series)
    .filter(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
  if (found.length > 1) throw new Error(`${found.length} series of ${name} ${JSON.stringify(labels)}`);
  return found[0]?.value;
}
