import { describe, expect, it } from "vitest";
import type { ContainerSummary } from "../../../agent/engine/types.ts";
import { known, unknown } from "../../../agent/facts.ts";
import { liveRun, runRules } from "../../../agent/gates/live-run.ts";
import type { Observation } from "../../../agent/gates/observation.ts";
import { ago, container, DAY, HOUR, hexId, NOW, observation, service, settingsOf } from "../support.ts";

const UNTIL = DAY;

const ask = (changes: Partial<Observation>, rules: object = {}) =>
  liveRun(runRules(settingsOf({ liveRuns: rules }).liveRuns), observation(changes), UNTIL, NOW);

const withContainer = (changes: Partial<ContainerSummary>, rules: object = {}) =>
  ask({ live: known([container(changes)]) }, rules);

describe("the run stacks of the default rule", () => {
  it.each([
    "ab12-1f2e3d_ci_commoninternet_net_app",
    "a-000000_ci_commoninternet_net_db",
    "ghos-abcdef_ci_commoninternet_net_",
  ])("%s is a run", (name) => {
    const verdict = ask({ services: known([service({ name, createdAt: ago(HOUR) })]) });
    expect([verdict.verdict, verdict.reason]).toEqual(["closed", `a CI run is live: service ${name}`]);
  });

  it.each([
    "abcde-1f2e3d_ci_commoninternet_net_app",
    "ab-1f2e3_ci_commoninternet_net_app",
    "ab-1f2e3d4_ci_commoninternet_net_app",
    "ab-1f2e3g_ci_commoninternet_net_app",
    "AB12-1f2e3d_ci_commoninternet_net_app",
    "-1f2e3d_ci_commoninternet_net_app",
    "x_ab12-1f2e3d_ci_commoninternet_net_app",
    "ab12-1f2e3d_ci_commoninternet_org_app",
    "traefik_ci_commoninternet_net_app",
    "ci_commoninternet_net_app",
  ])("%s is not", (name) => {
    const verdict = ask({ services: known([service({ name })]) });
    expect([verdict.verdict, verdict.reason]).toEqual(["open", "no CI run is live"]);
  });

  it("count even without a single task", () => {
    const name = "ab12-1f2e3d_ci_commoninternet_net_app";
    const services = known([service({ name, status: { running: 0, desired: 0, completed: 0 } })]);
    expect(ask({ services }).verdict).toBe("closed");
  });
});

describe("a task container", () => {
  const TASK = { "com.docker.swarm.service.name": "ab12-1f2e3d_ci_commoninternet_net_app" };

  it("of a service that has just been deleted still counts", () => {
    const verdict = withContainer({ names: ["ab12-1f2e3d_app.1.x"], labels: TASK });
    expect([verdict.verdict, verdict.reason]).toEqual([
      "closed",
      "a CI run is live: container ab12-1f2e3d_app.1.x",
    ]);
  });

  it("of an infrastructure service does not", () => {
    expect(withContainer({ labels: { "com.docker.swarm.service.name": "traefik_app" } }).verdict).toBe(
      "open",
    );
  });

  it.each(["running", "paused", "restarting"])("counts while it is %s, however old", (state) => {
    expect(withContainer({ state, labels: TASK, createdAt: ago(400 * DAY) }).verdict).toBe("closed");
  });
});

describe("a container that was created and never started", () => {
  const rules = { containers: ["^job-"] };
  const created = { state: "created", names: ["job-1"] };

  it("counts while a runner may be about to start it", () => {
    expect(withContainer({ ...created, createdAt: ago(UNTIL - 1) }, rules).verdict).toBe("closed");
  });

  it("is a leftover once it is as old as prune.until", () => {
    expect(withContainer({ ...created, createdAt: ago(UNTIL) }, rules).verdict).toBe("open");
  });

  it("counts when the clock says it comes from the future", () => {
    expect(withContainer({ ...created, createdAt: ago(-HOUR) }, rules).verdict).toBe("closed");
  });
});

describe("a container whose removal goes on", () => {
  const rules = { containers: ["^job-"] };
  const removing = { state: "removing", names: ["job-1"] };

  it("counts as long as it is younger than prune.until, and the reason names its state", () => {
    const verdict = withContainer({ ...removing, createdAt: ago(UNTIL - 1) }, rules);
    expect([verdict.verdict, verdict.reason]).toEqual([
      "closed",
      "a CI run is live: container job-1 (being removed)",
    ]);
  });

  it("no longer runs once it is as old as that", () => {
    expect(withContainer({ ...removing, createdAt: ago(83 * DAY) }, rules).verdict).toBe("open");
  });
});

describe("a run that is there for long", () => {
  const old = { names: ["job-1"], createdAt: ago(3 * DAY) };

  it("names the setting that would end the wait", () => {
    expect(withContainer(old, { containers: ["^job-"] }).reason).toBe(
      "a CI run is live: container job-1, 3d old; liveRuns.ignoreOlderThan sets an end to that",
    );
  });

  it.each([
    ["a container", { live: known([container(old)]) }],
    ["a service", { services: known([service({ name: "job-1", createdAt: ago(3 * DAY) })]) }],
  ])("no longer counts past liveRuns.ignoreOlderThan: %s", (_, changes) => {
    const rules = { containers: ["^job-"], services: ["^job-"] };
    expect(ask(changes, { ...rules, ignoreOlderThan: "2d" })).toMatchObject({
      verdict: "open",
      reason: "no CI run is live but 1 that no longer counts, older than liveRuns.ignoreOlderThan",
      facts: { liveCount: 0, ignoredCount: 1 },
    });
    expect(ask(changes, { ...rules, ignoreOlderThan: "4d" }).verdict).toBe("closed");
  });
});

it("a builder in which no build goes on is no run", () => {
  const builder = container({ names: ["buildx_buildkit_x"] });
  const seen = { live: known([builder]), idleBuilders: new Set([builder.id]) };
  const rules = { containers: ["^buildx_buildkit_"] };
  expect(ask(seen, rules).verdict).toBe("open");
  expect(ask({ ...seen, idleBuilders: new Set<string>() }, rules).verdict).toBe("closed");
});

describe("a container past the limit of a rule of orphans", () => {
  const rules = runRules(settingsOf({ liveRuns: { labels: ["ci.job"] } }).liveRuns);
  const job = (id: string) => container({ id: hexId(id), names: [id], labels: { "ci.job": "1" } });
  const verdict = (overdue: ReadonlySet<string>) =>
    liveRun(rules, observation({ live: known([job("a"), job("b")]), overdue }), DAY, NOW);

  it("is nobody's run any more, and says nothing of the others", () => {
    expect(verdict(new Set([hexId("a")]))).toMatchObject({
      verdict: "closed",
      reason: "a CI run is live: container b",
      facts: { liveCount: 1 },
    });
    expect(verdict(new Set([hexId("a"), hexId("b")]))).toMatchObject({ verdict: "open" });
  });
});

describe("the operator's own rules", () => {
  it("match services by a pattern anywhere in the name, as regular expressions do", () => {
    const verdict = ask({ services: known([service({ name: "my-ci-42" })]) }, { services: ["-ci-\\d+$"] });
    expect(verdict.facts.live).toMatchObject([{ kind: "service", name: "my-ci-42", rule: "-ci-\\d+$" }]);
  });

  it("replace the default pattern", () => {
    const services = known([service({ name: "ab12-1f2e3d_ci_commoninternet_net_app" })]);
    expect(ask({ services }, { services: [] }).verdict).toBe("open");
  });

  it("match containers by any of their names", () => {
    expect(withContainer({ names: ["web", "job-7"] }, { containers: ["^job-"] }).verdict).toBe("closed");
    expect(withContainer({ names: ["web", "my-job-7"] }, { containers: ["^job-"] }).verdict).toBe("open");
  });

  it("do not match services by the patterns for containers, nor containers by those for services", () => {
    expect(ask({ services: known([service({ name: "job-1" })]) }, { containers: ["^job-"] }).verdict).toBe(
      "open",
    );
    expect(withContainer({ names: ["run-1"] }, { services: ["^run-"] }).verdict).toBe("open");
  });

  it.each([
    ["ci.run", { "ci.run": "" }, "closed"],
    ["ci.run", { "ci.run": "7" }, "closed"],
    ["ci.run", { "ci.runner": "7" }, "open"],
    ["ci.run=yes", { "ci.run": "yes" }, "closed"],
    ["ci.run=yes", { "ci.run": "no" }, "open"],
    ["ci.run=", { "ci.run": "" }, "closed"],
    ["ci.run=", { "ci.run": "yes" }, "open"],
    ["constructor", {}, "open"],
  ])("take label %s on %o for a run or not: %s %s", (rule, labels, expected) => {
    expect(withContainer({ labels: labels as Record<string, string> }, { labels: [rule] }).verdict).toBe(
      expected,
    );
    const services = known([service({ labels: labels as Record<string, string> })]);
    expect(ask({ services }, { labels: [rule] }).verdict).toBe(expected);
  });

  it("are quoted in the verdict as they were written, with the age of what they found", () => {
    const verdict = withContainer(
      { names: ["job-1"], labels: { "ci.run": "yes" }, createdAt: ago(90) },
      { labels: ["ci.run=yes"] },
    );
    expect(verdict.facts.live).toEqual([
      { kind: "container", name: "job-1", rule: "ci.run=yes", ageSeconds: 90 },
    ]);
  });
});

describe("presets", () => {
  const gitlab = { presets: ["gitlab-runner"] };

  it("find a job by its label", () => {
    expect(withContainer({ labels: { "com.gitlab.gitlab-runner.job.id": "789" } }, gitlab).verdict).toBe(
      "closed",
    );
  });

  it("find a job by its name", () => {
    const names = ["runner-t1na-b3d-project-4211-concurrent-0-0a1b2c3d4e5f6071-build"];
    expect(withContainer({ names }, gitlab).verdict).toBe("closed");
  });

  it("find a job by its network", () => {
    const verdict = withContainer({ networks: ["bridge", "runner-t1nab3dx-4211-0-789"] }, gitlab);
    expect(verdict.facts.live).toMatchObject([{ rule: "^runner-[a-z0-9-]+-[0-9]+-[0-9]+-[0-9]+$" }]);
  });

  it("leave the runner itself alone, which is always up", () => {
    expect(withContainer({ names: ["gitlab-runner"] }, gitlab).verdict).toBe("open");
  });

  it("find nothing where they are not chosen", () => {
    expect(withContainer({ labels: { "com.gitlab.gitlab-runner.job.id": "789" } }).verdict).toBe("open");
  });

  it("stand beside the operator's own rules", () => {
    const rules = { ...gitlab, containers: ["^job-"] };
    expect(withContainer({ names: ["job-1"] }, rules).verdict).toBe("closed");
    expect(withContainer({ labels: { "com.gitlab.gitlab-runner.job.id": "1" } }, rules).verdict).toBe(
      "closed",
    );
  });
});

describe("what cannot be read", () => {
  it.each(["services", "live"] as const)("blocks: %s", (part) => {
    const verdict = ask({ [part]: unknown(part, "timeout") });
    expect([verdict.verdict, verdict.reason]).toEqual(["unknown", `${part}: timeout`]);
  });

  it("is said of both parts at once", () => {
    const verdict = ask({
      services: unknown("the services", "500"),
      live: unknown("the containers", "cut off"),
    });
    expect(verdict.reason).toBe("the services: 500; the containers: cut off");
  });

  it("does not hide a run that can be seen", () => {
    const services = known([service({ name: "ab12-1f2e3d_ci_commoninternet_net_app" })]);
    expect(ask({ services, live: unknown("the containers", "timeout") }).verdict).toBe("closed");
    const live = known([container({ names: ["job-1"] })]);
    expect(ask({ live, services: unknown("s", "500") }, { containers: ["^job-"] }).verdict).toBe("closed");
  });
});

describe("the verdict", () => {
  it("names the first match and counts the rest", () => {
    const live = Array.from({ length: 25 }, (_, at) =>
      container({ id: hexId(`${at}`), names: [`job-${at}`] }),
    );
    const verdict = ask({ live: known(live) }, { containers: ["^job-"] });
    expect(verdict.reason).toBe("a CI run is live: container job-0 and 24 more");
    expect([verdict.facts.liveCount, (verdict.facts.live as unknown[]).length]).toEqual([25, 10]);
  });

  it("names a container without a name by its short id", () => {
    const verdict = withContainer(
      { id: "f".repeat(64), names: [], labels: { "ci.run": "1" } },
      { labels: ["ci.run"] },
    );
    expect(verdict.reason).toBe("a CI run is live: container ffffffffffff");
  });

  it("is not led astray by control characters in a name: a pattern with $ still ends where the name ends", () => {
    expect(withContainer({ names: ["job-1\nx"] }, { containers: ["^job-\\d$"] }).verdict).toBe("open");
    expect(withContainer({ names: ["x\njob-1"] }, { containers: ["^job-1"] }).verdict).toBe("open");
  });
});
