/** The name of the rule for what `snapshots commit` makes. */
export const SNAPSHOT_RULE = "snapshots";

/** The rule for whatever no other one names: the last tier of a pass. No rule of the settings can have this name. */
export const CACHE_RULE = "cache.evict";

/** What the log calls a rule of retention: `"retention/workers"`, and `"cache/evict"` for the last tier. */
export const ruleId = ({ name }: { readonly name: string }): string =>
  name === CACHE_RULE ? "cache/evict" : `retention/${name}`;
