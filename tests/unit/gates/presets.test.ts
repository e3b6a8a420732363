import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PRESETS, type RunnerPreset } from "../../../agent/gates/presets.ts";
import { compilePattern } from "../../../agent/settings/patterns.ts";
import { PRESET_NAMES } from "../../../agent/settings/schema.ts";

type PresetName = (typeof PRESET_NAMES)[number];

const READ = readFileSync(new URL("../../../docs/development/ci-runners.md", import.meta.url), "utf8");

interface Seen {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly networks?: readonly string[];
}

interface Marks {
  readonly name: boolean;
  readonly label: boolean;
  readonly network: boolean;
}

/** Compiled once: the presets and what they are asked make thousands of pairs. */
const compiled = new Map(
  Object.values(PRESETS)
    .flatMap(({ containers, networks }) => [...containers, ...networks])
    .map((source) => [source, compilePattern(source)]),
);

function hits(sources: readonly string[], value: string): boolean {
  return sources.some((source) => compiled.get(source)!.test(value));
}

function marks(preset: RunnerPreset, seen: Seen): Marks {
  const labels = seen.labels ?? {};
  return {
    name: hits(preset.containers, seen.name),
    label: preset.labels.some((rule) => {
      const cut = rule.indexOf("=");
      if (cut < 0) return Object.hasOwn(labels, rule);
      return labels[rule.slice(0, cut)] === rule.slice(cut + 1);
    }),
    network: (seen.networks ?? []).some((network) => hits(preset.networks, network)),
  };
}

function matches(preset: RunnerPreset, seen: Seen): boolean {
  const found = marks(preset, seen);
  return found.name || found.label || found.network;
}

const UUID = "3f0c1c9e-8a43-4b0e-9d53-0c7a5e6f1b22";
const HEX32 = "53269bd575974817b43f4733536b200c";
const HEX64 = HEX32 + HEX32;
const ULID = "01K3A7Q2W8ZC4D5E6F7G8H9JKM";
const GITLAB_RUN = "runner-t1na-b3d-project-4211-concurrent-0-0a1b2c3d4e5f6071";
const GITLAB_LABELS = {
  "com.gitlab.gitlab-runner.managed": "true",
  "com.gitlab.gitlab-runner.job.id": "789",
};
const DRONE = "drone-Ab3dEf6hIj9LmN2pQr5t";
const JAVA = { "org.testcontainers": "true", "org.testcontainers.lang": "java" };

/** Which marks of the preset each object has to show: n(ame), l(abel), w (network). */
const LIVE: Record<PresetName, readonly (readonly [string, Seen])[]> = {
  "gitlab-runner": [
    ["nl", { name: `${GITLAB_RUN}-build`, labels: GITLAB_LABELS, networks: ["bridge"] }],
    ["nl", { name: `${GITLAB_RUN}-predefined`, labels: GITLAB_LABELS }],
    ["nl", { name: `${GITLAB_RUN}-docker-0`, labels: GITLAB_LABELS }],
    ["nl", { name: `${GITLAB_RUN}-library__postgres-1-wait-for-service`, labels: GITLAB_LABELS }],
    ["l", { name: `runner-${HEX32}-cache-${HEX32}-set-permission-0a1b2c3d4e5f6071`, labels: GITLAB_LABELS }],
    ["w", { name: "brave_noether", networks: ["runner-t1nab3dx-4211-0-789"] }],
  ],
  drone: [
    ["nlw", { name: DRONE, labels: { "io.drone": "true", "io.drone.step.name": "test" }, networks: [DRONE] }],
    ["l", { name: "renamed", labels: { "io.drone": "true" } }],
  ],
  woodpecker: [
    [
      "nlw",
      {
        name: `wp_${ULID}`,
        labels: { wp_uuid: ULID, wp_step: "test" },
        networks: [`wp_${ULID.toLowerCase()}_17_default`],
      },
    ],
    ["nl", { name: `wp_${UUID}`, labels: { wp_uuid: UUID } }],
  ],
  "gitea-act-runner": [
    ["n", { name: "GITEA-ACTIONS-TASK-121_WORKFLOW-Build-and-Push-Docker-Image_JOB-build" }],
    [
      "nw",
      {
        name: `GITEA-ACTIONS-TASK-121-WORKFLOW-ci-JOB-build-${HEX64}`,
        networks: [`GITEA-ACTIONS-TASK-121-WORKFLOW-ci-JOB-build-${HEX64}-build-network`],
      },
    ],
  ],
  "forgejo-runner": [
    ["nw", { name: `FORGEJO-ACTIONS-TASK-12_WORKFLOW-${HEX64}_JOB-test`, networks: [`WORKFLOW-${HEX32}`] }],
    ["n", { name: `FORGEJO-ACTIONS-TASK-12-WORKFLOW-${HEX32}-${HEX64}`, networks: ["bridge"] }],
  ],
  "github-actions": [
    ["nw", { name: `${HEX32}_node20bookworm_a1b2c3`, networks: [`github_network_${HEX32}`] }],
    ["nw", { name: `${HEX32}_ghcriobuild_base1_09f00d`, networks: [`github_network_${UUID}`] }],
    ["n", { name: `e75bc${HEX32}_1a2b3c`, networks: ["bridge"] }],
    ["w", { name: "alpine320_1a2b3c", networks: [`github_network_${HEX32}`] }],
  ],
  testcontainers: [
    ["l", { name: "boring_hopper", labels: { ...JAVA, "org.testcontainers.sessionId": UUID } }],
    ["l", { name: `reaper_${HEX64}`, labels: { "org.testcontainers.sessionId": HEX64 } }],
    ["l", { name: "quirky_bell", labels: { "org.testcontainers.session-id": UUID } }],
    ["n", { name: `testcontainers-ryuk-${UUID}`, labels: JAVA }],
  ],
  buildx: [
    ["n", { name: `buildx_buildkit_builder-${UUID}0` }],
    ["n", { name: `buildx_buildkit_builder-${UUID}12` }],
  ],
};

/** Long-running daemons, kept containers and look-alikes. */
const IDLE: Record<PresetName, readonly Seen[]> = {
  "gitlab-runner": [
    { name: "gitlab-runner", networks: ["bridge"] },
    { name: "gitlab-runner-1", labels: { "com.docker.compose.service": "gitlab-runner" } },
    { name: "runner", networks: ["gitlab-runner_default"] },
    { name: `runner-t1nab3dx-project-4211-concurrent-0-cache-${HEX32}` },
  ],
  drone: [
    {
      name: "drone-runner-docker",
      labels: { "com.centurylinklabs.watchtower.stop-signal": "SIGINT" },
      networks: ["drone_default"],
    },
    { name: "drone-runner-1", networks: ["drone"] },
    { name: "drone" },
    { name: "runner" },
  ],
  woodpecker: [
    { name: "woodpecker-agent", networks: ["woodpecker_default"] },
    { name: "woodpecker_woodpecker-agent_1" },
    { name: "wp_db", networks: ["wp_default"] },
    { name: "wp_app" },
  ],
  "gitea-act-runner": [
    { name: "act_runner", networks: ["gitea_default"] },
    { name: "gitea-runner-1" },
    { name: "gitea" },
    { name: `act-ci-build-${HEX64}` },
  ],
  "forgejo-runner": [
    { name: "forgejo-runner", networks: ["forgejo_default"] },
    { name: "forgejo" },
    { name: "docker_dind", networks: ["WORKFLOW-shared"] },
  ],
  "github-actions": [
    { name: "github-runner", networks: ["bridge"] },
    { name: "actions-runner-1", networks: ["actions_default"] },
    { name: "myapp_web_a1b2c3", networks: ["github_network"] },
    { name: "postgres_15_012345" },
  ],
  testcontainers: [
    { name: "reused", labels: { ...JAVA, "org.testcontainers.hash": "f00d" } },
    {
      name: "reused-node",
      labels: { "org.testcontainers": "true", "org.testcontainers.container-hash": "a1" },
    },
    { name: "testcontainers-cloud-agent" },
  ],
  buildx: [
    { name: "buildx_buildkit_default0" },
    { name: "buildx_buildkit_loving_mendeleev0" },
    { name: "buildx_buildkit_builder0" },
    { name: "buildx_buildkit_builder-main0" },
  ],
};

it("every name that the settings take has a row, and no other", () => {
  expect(Object.keys(PRESETS)).toEqual([...PRESET_NAMES]);
});

const ROWS = Object.entries(PRESETS) as [PresetName, RunnerPreset][];

describe.each(ROWS)("preset %s", (name, preset) => {
  it("has compiling patterns, each anchored at the start", () => {
    for (const source of [...preset.containers, ...preset.networks]) {
      expect(() => compilePattern(source)).not.toThrow();
      expect(source).toMatch(/^\^/);
      expect(source).not.toContain("|");
    }
  });

  it("has rows, well-formed labels, and sources in the docs", () => {
    const rules = [preset.containers, preset.labels, preset.networks].flat();
    expect(rules.length).toBeGreaterThan(0);
    for (const label of preset.labels) expect(label).toMatch(/^[A-Za-z0-9._-]+(=[^=]+)?$/);
    const [, section = ""] = READ.split(`\n## ${name}\n`);
    expect(section.split("\n## ")[0]).toMatch(/^- (?:.|\n)*https:\/\/[\w.-]+\/[\w.-]+\//m);
  });

  it.each(LIVE[name])("sees a live run (%s) in %o", (expected, seen) => {
    const found = marks(preset, seen);
    const shown = `${found.name ? "n" : ""}${found.label ? "l" : ""}${found.network ? "w" : ""}`;
    expect(shown).toBe(expected);
  });
});

describe("all presets together", () => {
  it("leave every daemon and look-alike of every product alone", () => {
    for (const seen of Object.values(IDLE).flat()) {
      const by = ROWS.filter(([, preset]) => matches(preset, seen)).map(([name]) => name);
      expect([seen.name, by]).toEqual([seen.name, []]);
    }
  });

  it("need no container name with a leading slash", () => {
    for (const [, preset] of ROWS) for (const source of preset.containers) expect(source).not.toContain("/");
  });
});
