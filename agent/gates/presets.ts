import type { Settings } from "../settings/settings.ts";

/** What marks a live CI run of one runner product; why, and where that was read: docs/development/ci-runners.md. */
export interface RunnerPreset {
  /** Patterns, anchored at the start, for container names without the leading slash. */
  readonly containers: readonly string[];
  /** "key" (any value) or "key=value". */
  readonly labels: readonly string[];
  /** Patterns, anchored at the start, for names of networks a container is attached to. */
  readonly networks: readonly string[];
}

export const PRESETS: Readonly<Record<Settings["liveRuns"]["presets"][number], RunnerPreset>> = {
  "gitlab-runner": {
    containers: ["^runner-[a-z0-9-]+-project-[0-9]+-concurrent-[0-9]+-[0-9a-f]{16}-"],
    labels: ["com.gitlab.gitlab-runner.job.id"],
    networks: ["^runner-[a-z0-9-]+-[0-9]+-[0-9]+-[0-9]+$"],
  },
  drone: {
    containers: ["^drone-[A-Za-z0-9]{20}$"],
    labels: ["io.drone=true"],
    networks: ["^drone-[A-Za-z0-9]{20}$"],
  },
  woodpecker: {
    containers: [
      "^wp_[0-9A-HJKMNP-TV-Z]{26}$",
      "^wp_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    ],
    labels: ["wp_uuid"],
    networks: ["^wp_[0-9a-hjkmnp-tv-z]{26}_[0-9]+_default$"],
  },
  "gitea-act-runner": {
    containers: ["^GITEA-ACTIONS-TASK-[A-Za-z0-9]"],
    labels: [],
    networks: ["^GITEA-ACTIONS-TASK-[A-Za-z0-9].*-network$"],
  },
  "forgejo-runner": {
    containers: ["^FORGEJO-ACTIONS-TASK-[A-Za-z0-9]"],
    labels: [],
    networks: ["^WORKFLOW-[0-9a-f]{32}$"],
  },
  "github-actions": {
    containers: ["^[0-9a-f]{32}_[A-Za-z0-9_]*_[0-9a-f]{6}$", "^[a-f][0-9a-f]{15,37}_[0-9a-f]{6}$"],
    labels: [],
    networks: ["^github_network_[0-9a-f-]{32,36}$"],
  },
  testcontainers: {
    containers: ["^testcontainers-ryuk-[0-9a-f-]{36}$"],
    labels: ["org.testcontainers.sessionId", "org.testcontainers.session-id"],
    networks: [],
  },
  buildx: {
    containers: [
      "^buildx_buildkit_builder-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[0-9]+$",
    ],
    labels: [],
    networks: [],
  },
};
