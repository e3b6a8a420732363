import type { ContainerSummary, Service, SwarmState } from "../engine/types.ts";
import type { Fact } from "../facts.ts";

/** One look at what runs on this host. Each part is known or unknown by itself. */
export interface Observation {
  readonly swarm: Fact<SwarmState>;
  /** Known and empty where there is no swarm; unknown on a worker. */
  readonly services: Fact<readonly Service[]>;
  /** Global services that desire no task now and have rejected or failed ones waiting: they only look settled. */
  readonly failingGlobals: Fact<ReadonlySet<string>>;
  /** Containers that run or are about to. */
  readonly live: Fact<readonly ContainerSummary[]>;
  /** Of those, by id, what is past the limit of a rule of `orphans`: it is nobody's run any more. */
  readonly overdue: ReadonlySet<string>;
  /** Of those, by id, builders of buildx in which no build goes on. */
  readonly idleBuilders: ReadonlySet<string>;
  /** Of a worker that judges by its own task containers: those whose health check has not spoken yet. */
  readonly starting: Fact<readonly ContainerSummary[]>;
}

/** Every task container carries it, on managers and workers, and outlives its service by some seconds. */
export const SERVICE_NAME_LABEL = "com.docker.swarm.service.name";
