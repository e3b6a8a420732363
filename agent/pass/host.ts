import type { Fact } from "../facts.ts";
import { type Filesystem, readFilesystems } from "../host/disk.ts";
import { configuredDataRoot, containerdRoot } from "../host/docker-files.ts";
import { type HostFacts, systemFacts } from "../host/facts.ts";
import { type Lock, lockIsHeld, takeLock } from "../host/lock.ts";
import { type MountName, nameMounts } from "../host/mounts.ts";
import { appendLedger, type Ledger, type LedgerLine, loadLedger } from "../state/ledger.ts";
import {
  type LoadedState,
  loadState,
  type PassRecord,
  type State,
  setAside,
  updateState,
} from "../state/state.ts";

/** What a pass and a preview of one touch of this host, besides the engine. */
export interface HostPorts {
  readFilesystems(paths: readonly string[], required: (path: string) => boolean): Promise<Fact<Filesystem>[]>;
  nameMounts(paths: readonly string[]): Promise<ReadonlyMap<string, MountName>>;
  /** `data-root` of Docker's configuration; `null`: not set, or not readable. */
  configuredDataRoot(): string | null;
  /** Where a containerd that the engine did not start keeps its data, by the engine's data root and that one's socket. */
  containerdRoot(dataRoot: string, socket: string): string;
  readonly facts: HostFacts;
  readonly lockFile: string;
  /** Without waiting; `null`: somebody else holds it. */
  takeLock(): Promise<Fact<Lock | null>>;
  /** Without taking it. */
  lockIsHeld(): Promise<Fact<boolean>>;
  loadState(): LoadedState;
  /** Records a pass and changes the state as it stands now; the new one. Throws what the filesystem says. */
  updateState(pass: PassRecord, change: (before: State) => State): State;
  /**
   * The ledger of uses of this engine (`null`: of the last one in it), and adding to it, which throws what the
   * filesystem says.
   */
  loadLedger(engine: string | null, now: number): Ledger;
  appendLedger(lines: readonly LedgerLine[], now: number): void;
  /** The new path of a state file that was not understood; `null` where it could not be moved. */
  setAside(now: number): string | null;
}

/** The real ones. */
export function hostPorts(stateDir: string, lockFile: string): HostPorts {
  return {
    readFilesystems,
    nameMounts,
    configuredDataRoot,
    containerdRoot,
    facts: systemFacts,
    lockFile,
    takeLock: () => takeLock(lockFile),
    lockIsHeld: () => lockIsHeld(lockFile),
    loadState: () => loadState(stateDir),
    updateState: (pass, change) => updateState(stateDir, pass, change),
    loadLedger: (engine, now) => loadLedger(stateDir, engine, now),
    appendLedger: (lines, now) => appendLedger(stateDir, lines, now),
    setAside: (now) => setAside(stateDir, now),
  };
}
