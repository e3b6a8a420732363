import type { Labels } from "./engine/types.ts";
import type { LabelRule } from "./settings/settings.ts";

/** The first of the rules that these labels fulfil. */
export function matchingLabel(labels: Labels, rules: readonly LabelRule[]): LabelRule | undefined {
  return rules.find(
    ({ key, value }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value),
  );
}
