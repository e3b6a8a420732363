/** A label an object may carry. */
export interface LabelRule {
  readonly key: string;
  /** `undefined`: any value. */
  readonly value: string | undefined;
  /** As the operator wrote it. */
  readonly text: string;
}

/** `"ci.run"` or `"ci.run=yes"` -> LabelRule; `undefined` for a text that names no key. */
export function parseLabelRule(raw: string): LabelRule | undefined {
  const at = raw.indexOf("=");
  const key = at === -1 ? raw : raw.slice(0, at);
  if (key.trim() === "" || key !== key.trim()) return undefined;
  return { key, value: at === -1 ? undefined : raw.slice(at + 1), text: raw };
}

/** The first of the rules that these labels fulfil. */
export function matchingLabel(labels: Readonly<Record<string, string>>, rules: readonly LabelRule[]) {
  return rules.find(
    ({ key, value }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value),
  );
}
