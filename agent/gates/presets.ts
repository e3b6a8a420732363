import type { PresetName } from "../settings/presets.ts";

/**
 * Named rows of run marks for common CI runners.
 *
 * A row has to match what exists only while a job is live. It must leave the runner's own long-running
 * container alone: that one is always up, and a gate that sees it would never open. No row names services: every
 * product here starts plain containers for its jobs. Sources are file and symbol at the commit read, with its date.
 *
 * A mark says nothing about jobs that leave no container behind on this engine: shell, exec and host
 * executors, and jobs run in a nested (dind) or remote engine, are invisible to all of these rows.
 */

/** What marks a live CI run of one runner product. */
export interface RunnerPreset {
  /** Patterns, anchored at the start, for container names without the leading slash. */
  readonly containers: readonly string[];
  /** "key" (any value) or "key=value". */
  readonly labels: readonly string[];
  /** Patterns, anchored at the start, for names of networks a container is attached to. */
  readonly networks: readonly string[];
}

export const PRESETS: Readonly<Record<PresetName, RunnerPreset>> = {
  /**
   * GitLab Runner (Docker executor). The label sits on build, helper (predefined), service, wait and cache-init
   * containers, all bound to one job. Names carry a 16-hex run part in 13.0 (in 12.0 they do not); the label is
   * already in 10.0. Up to 12.x cache containers have the same labels and stay behind stopped, so only running
   * containers may count. The network row needs FF_NETWORK_PER_BUILD. The native-steps bootstrap container has
   * neither name nor label. A suspended job's containers are kept and go on matching.
   *
   * Sources:
   * - https://github.com/gitlabhq/gitlab-runner/blob/d79f3e7b89/common/build.go ProjectUniqueName,
   *   ProjectUniqueShortName (2026-08-22)
   * - https://github.com/gitlabhq/gitlab-runner/blob/d79f3e7b89/executors/docker/docker.go makeContainerName,
   *   prepareContainerLabels (2026-08-22)
   * - https://github.com/gitlabhq/gitlab-runner/blob/d79f3e7b89/executors/docker/internal/labels/labels.go Labels
   *   (2026-08-22)
   * - https://github.com/gitlabhq/gitlab-runner/blob/d79f3e7b89/executors/docker/internal/networks/manager.go
   *   Create (2026-08-22)
   * - https://github.com/gitlabhq/gitlab-runner/blob/d79f3e7b89/docs/install/docker.md (daemon container is named
   *   gitlab-runner; 2026-08-22)
   */
  "gitlab-runner": {
    containers: ["^runner-[a-z0-9-]+-project-[0-9]+-concurrent-[0-9]+-[0-9a-f]{16}-"],
    labels: ["com.gitlab.gitlab-runner.job.id"],
    networks: ["^runner-[a-z0-9-]+-[0-9]+-[0-9]+-[0-9]+$"],
  },
  /**
   * Drone (Docker runner). Steps, pipeline services, the clone step and debug helpers all get the label. Usual
   * daemon names (runner, drone, drone-runner-docker) do not fit the name row, and the runner image has no io.drone
   * label.
   *
   * Sources:
   * - https://github.com/drone-runners/drone-runner-docker/blob/9ea626aa42/engine/compiler/compiler.go random,
   *   Compile (2025-01-29)
   * - https://github.com/drone-runners/drone-runner-docker/blob/9ea626aa42/engine/engine.go Setup, create
   *   (2025-01-29)
   * - https://github.com/drone/runner-go/blob/d12a958/labels/labels.go FromSystem (2022-07-26)
   * - https://docs.drone.io/runner/docker/installation/linux (how the daemon container is started)
   */
  drone: {
    containers: ["^drone-[A-Za-z0-9]{20}$"],
    labels: ["io.drone=true"],
    networks: ["^drone-[A-Za-z0-9]{20}$"],
  },
  /**
   * Woodpecker (Docker backend). Step ids are ULIDs in current versions and were UUIDs up to 2.0; the label is
   * there since 1.0. A bare wp_ prefix would also catch WordPress stacks (wp_db, network wp_default), hence the
   * full id.
   *
   * Sources:
   * - https://github.com/woodpecker-ci/woodpecker/blob/a4cb541b82/pipeline/backend/docker/convert.go
   *   toContainerName, toConfig (2026-08-22)
   * - https://github.com/woodpecker-ci/woodpecker/blob/a4cb541b82/pipeline/frontend/yaml/compiler/convert.go
   *   createProcess (2026-08-22)
   * - https://github.com/woodpecker-ci/woodpecker/blob/a4cb541b82/pipeline/frontend/builder/builder.go
   *   toInternalRepresentation (2026-08-22)
   * - https://github.com/woodpecker-ci/woodpecker/blob/v2.0.0/pipeline/frontend/yaml/compiler/convert.go
   *   createProcess (lower-case UUID names)
   */
  woodpecker: {
    containers: [
      "^wp_[0-9A-HJKMNP-TV-Z]{26}$",
      "^wp_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    ],
    labels: ["wp_uuid"],
    networks: ["^wp_[0-9a-hjkmnp-tv-z]{26}_[0-9]+_default$"],
  },
  /**
   * Gitea Runner (act_runner). Job, service and step containers share the prefix, before and after the 2026 change
   * of the name's tail. Containers carry no label; com.gitea.runner.uuid is on networks only. Job networks can
   * outlive a dead job, but count only through an attached container. Plain nektos/act names its containers
   * act-…-<64 hex>; it is left out, as act --reuse keeps them running.
   *
   * Sources:
   * - gitea.com/gitea/runner internal/app/run/runner.go ContainerNamePrefix; read at
   *   https://github.com/chhe/act_runner/blob/b235535cce/internal/app/run/runner.go (mirror, v3.3.0 line,
   *   2026-08-22)
   * - gitea.com/gitea/runner act/runner/run_context.go jobContainerName, networkNameForGitea, createContainerName;
   *   read at https://github.com/chhe/act_runner/blob/b235535cce/act/runner/run_context.go (mirror, 2026-08-22)
   * - https://github.com/project-mirrors/gitea-act-runner/blob/e6dbe2a/internal/app/run/runner.go
   *   ContainerNamePrefix (2025-12-02)
   */
  "gitea-act-runner": {
    containers: ["^GITEA-ACTIONS-TASK-[A-Za-z0-9]"],
    labels: [],
    networks: ["^GITEA-ACTIONS-TASK-[A-Za-z0-9].*-network$"],
  },
  /**
   * Forgejo Runner. Runners built before 2024-12-09 use the GITEA prefix: name the gitea-act-runner preset for
   * those too. The network name is random per job since 2025-08. No labels are set.
   *
   * Sources:
   * - code.forgejo.org/forgejo/runner internal/app/run/runner.go ContainerNamePrefix; read at
   *   https://github.com/project-mirrors/forgejo-runner/blob/0988a0cb1e/internal/app/run/runner.go (mirror, v12,
   *   2025-12-10)
   * - code.forgejo.org/forgejo/runner act/runner/run_context.go jobContainerName, ensureNetworkName; read at
   *   https://github.com/project-mirrors/forgejo-runner/blob/0988a0cb1e/act/runner/run_context.go (mirror,
   *   2025-12-10)
   * - https://github.com/project-mirrors/forgejo-runner/commit/a2ce5d9f (prefix changed from GITEA to FORGEJO,
   *   2024-12-09)
   */
  "forgejo-runner": {
    containers: ["^FORGEJO-ACTIONS-TASK-[A-Za-z0-9]"],
    labels: [],
    networks: ["^WORKFLOW-[0-9a-f]{32}$"],
  },
  /**
   * GitHub Actions self-hosted runner. Jobs without container: or services: run on the host and show only if a step
   * starts a container. The second name row is for Dockerfile actions; a docker:// action in a host job is named
   * <image>_<6 hex>, too common a form to match. Every container a runner starts carries a valueless label of 6 hex
   * digits, derived from that runner's .runner file and fixed until it is registered anew: read it off any job
   * container and add it per host to close that gap.
   *
   * Sources:
   * - https://github.com/actions/runner/blob/258d6c857d/src/Runner.Worker/Container/ContainerInfo.cs
   *   ContainerDisplayName (2026-08-17)
   * - https://github.com/actions/runner/blob/258d6c857d/src/Sdk/DTPipelines/Pipelines/JobContainer.cs Alias
   *   (2026-08-17)
   * - https://github.com/actions/runner/blob/258d6c857d/src/Runner.Worker/ContainerOperationProvider.cs
   *   StartContainersAsync (2026-08-17)
   * - https://github.com/actions/runner/blob/258d6c857d/src/Runner.Worker/Handlers/ContainerActionHandler.cs
   *   RunAsync (2026-08-17)
   * - https://github.com/actions/runner/blob/258d6c857d/src/Runner.Worker/Container/DockerCommandManager.cs
   *   DockerInstanceLabel, DockerCreate (2026-08-17)
   * - https://github.com/actions/runner-container-hooks/blob/cf62bcc/packages/docker/src/hooks/prepare-job.ts
   *   (network name with a dashed UUID, 2026-06-24)
   */
  "github-actions": {
    containers: ["^[0-9a-f]{32}_[A-Za-z0-9_]*_[0-9a-f]{6}$", "^[a-f][0-9a-f]{15,37}_[0-9a-f]{6}$"],
    labels: [],
    networks: ["^github_network_[0-9a-f-]{32,36}$"],
  },
  /**
   * Testcontainers (Java, Go, Node, Python, .NET, Rust). org.testcontainers=true is not used: reusable Java and
   * Node containers carry it for good, but no session id. Reusable .NET containers keep the session id and would
   * hold the gate; so would Go ones with Ryuk off, and anything a crashed run left with Ryuk off. With Ryuk, a
   * session's containers go shortly after its last client. Rust sets a session id only with its reusable-containers
   * feature.
   *
   * Sources:
   * - https://github.com/testcontainers/testcontainers-java/blob/deb78e1e6e/core/src/main/java/org/testcontainers/DockerClientFactory.java
   *   TESTCONTAINERS_SESSION_ID_LABEL; containers/GenericContainer.java tryStart; utility/RyukContainer.java
   *   (2026-06-22)
   * - https://github.com/testcontainers/testcontainers-go/blob/5dec9ddf82/internal/core/labels.go DefaultLabels;
   *   reaper.go newReaper (2026-08-18)
   * - https://github.com/testcontainers/testcontainers-node/blob/457707f3cd/packages/testcontainers/src/utils/labels.ts;
   *   generic-container/generic-container.ts start; reaper/reaper.ts createNewReaper (2026-08-04)
   * - https://github.com/testcontainers/testcontainers-python/blob/c958e40c/src/testcontainers/core/labels.py
   *   create_labels (2026-08-16)
   * - https://github.com/testcontainers/testcontainers-dotnet/blob/1717807a/src/Testcontainers/Clients/DefaultLabels.cs;
   *   Containers/ResourceReaper.cs (2026-07-02)
   * - https://github.com/testcontainers/testcontainers-rs/blob/7d8f95a/testcontainers/src/runners/async_runner.rs
   *   (2026-07-01)
   */
  testcontainers: {
    containers: ["^testcontainers-ryuk-[0-9a-f-]{36}$"],
    labels: ["org.testcontainers.sessionId", "org.testcontainers.session-id"],
    networks: [],
  },
  /**
   * docker buildx, per-job builders (setup-buildx-action). Only builders named builder-<uuid> count. Any other
   * builder is taken for a long-lived one: it restarts with the engine (unless-stopped) and has no label. A build
   * holds a command open in the builder's container (ExecIDs); without one the builder idles, or was left behind by
   * a killed job, and does not count. A fixed name: input, or a build in the engine's own builder, is not seen.
   *
   * Sources:
   * - https://github.com/docker/setup-buildx-action/blob/37fe631027/src/context.ts getBuilderName; action.yml
   *   cleanup, name (2026-08-17)
   * - https://github.com/docker/buildx/blob/461836ba0f/driver/driver.go BuilderName; store/nodegroup.go
   *   nextNodeName (2026-08-20)
   * - https://github.com/docker/buildx/blob/461836ba0f/driver/docker-container/factory.go defaultRestartPolicy;
   *   driver.go create (2026-08-20)
   */
  buildx: {
    containers: [
      "^buildx_buildkit_builder-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[0-9]+$",
    ],
    labels: [],
    networks: [],
  },
};
