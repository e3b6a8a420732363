import { describe, expect, it } from "vitest";
import { namesTag } from "../../../agent/settings/globs.ts";
import {
  allRules,
  retentionRules,
  rulesWithoutPressure,
  SNAPSHOT_LABEL,
  SNAPSHOT_TTL_LABEL,
} from "../../../agent/settings/rules.ts";
import { settingsOf } from "../support.ts";

const rulesOf = (document: unknown) => retentionRules(settingsOf(document));

describe("the rules in force", () => {
  it("end with the one for snapshots, after the operator's own in their order", () => {
    const rule = (name: string) => ({ name, match: { labels: ["ci"] }, keepCount: 1 });
    const names = rulesOf({ retention: ["b", "a"].map(rule) }).map(({ name }) => name);
    expect(names).toEqual(["b", "a", "snapshots"]);
  });

  it("are, for snapshots, what settings.snapshots says", () => {
    const [plain] = rulesOf({});
    expect(plain).toMatchObject({
      match: { labels: [{ key: SNAPSHOT_LABEL, value: undefined }] },
      olderThan: 86_400,
      keepNewest: 0,
      keepCount: 5,
      maxTotalSize: 10e9,
      perGroup: null,
      ttlLabel: SNAPSHOT_TTL_LABEL,
      grace: 3600,
      when: "pressure",
    });
    const [other] = rulesOf({
      snapshots: { ttl: "2h", keepCount: null, maxTotalSize: null, when: "always" },
    });
    expect(other).toMatchObject({ olderThan: 7200, keepCount: null, maxTotalSize: null, when: "always" });
  });

  it("name what `snapshots commit` names, and nothing beside it", () => {
    const [rule] = rulesOf({});
    if (rule === undefined) throw new Error("no rule");
    expect(namesTag(rule, "ci-snapshot/proj-42.1f2e3d", "latest")).toBe(true);
    for (const name of ["ci-snapshot", "ci-snapshots/a", "ci-snapshot/a/b", "x/ci-snapshot/a"])
      expect(namesTag(rule, name, "latest"), name).toBe(false);
  });

  it("leave a snapshot that lives for less than an hour no longer grace than that", () => {
    expect(rulesOf({ snapshots: { ttl: "10m" } })[0]).toMatchObject({ olderThan: 600, grace: 600 });
  });
});

describe("the list of all rules", () => {
  const settings = settingsOf({
    retention: [{ name: "a", match: { labels: ["ci"] }, keepCount: 1 }],
    orphans: [{ name: "b", label: "ci", stoppedLongerThan: "1h", when: "pressure" }],
  });

  it("holds retention, snapshots and orphans", () => {
    expect(allRules(settings)).toEqual([
      { list: "retention", name: "a", when: "always" },
      { list: "retention", name: "snapshots", when: "pressure" },
      { list: "orphans", name: "b", when: "pressure" },
    ]);
  });

  it.each<readonly [string, object, readonly string[]]>([
    ["none by default", {}, []],
    ["those of snapshots, where they are told to", { snapshots: { when: "always" } }, ["snapshots"]],
  ])("has some that do not wait for pressure: %s", (_, document, names) => {
    expect(rulesWithoutPressure(settings).map(({ name }) => name)).toEqual(["a"]);
    expect(rulesWithoutPressure(settingsOf(document)).map(({ name }) => name)).toEqual(names);
  });
});
