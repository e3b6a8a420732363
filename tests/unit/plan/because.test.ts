import { expect, it } from "vitest";
import { explain } from "../../../agent/plan/cache.ts";
import type { Because } from "../../../agent/plan/own-history.ts";

const DAY = 86_400;
const BASE: Because = {
  ...{ uses: 1, idle: 5 * DAY, superseded: true, supersededBy: "sha256:2", alike: 62 },
  ...{ cameBack: 0.012, expectedBack: 0.02, savesNext: 0 },
};

it.each<[string, Partial<Because>, string]>([
  [
    "superseded",
    {},
    "used once, superseded by app:1.4, idle 5d; of 62 images like this 1 % came back within 3 days",
  ],
  [
    "in use",
    { uses: 7, superseded: false, cameBack: 0.9, idle: 3600 },
    "used 7 times, named by the newest run of a project, idle 1h; of 62 images like this 90 % came back within 3 days",
  ],
  [
    "no newer one",
    { uses: 2, supersededBy: null, cameBack: 0.001, savesNext: 0.124 },
    "used twice, named by no project's newest run, idle 5d; of 62 images like this less than 1 % came back within 3 days; a next version is expected to reuse 12 % of it",
  ],
  [
    "a short ledger",
    { alike: 0, cameBack: 0 },
    "used once, superseded by app:1.4, idle 5d; no image here was idle as long before",
  ],
])("%s", (_, part, text) => {
  expect(explain({ ...BASE, ...part }, () => "app:1.4")).toBe(text);
});
