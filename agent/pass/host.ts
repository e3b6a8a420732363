import { readFilesystems } from "../host/disk.ts";
import { configuredDataRoot, containerdRoot } from "../host/docker-files.ts";
import { systemFacts } from "../host/facts.ts";
import { lockIsHeld, takeLock } from "../host/lock.ts";
import { nameMounts } from "../host/mounts.ts";
import { readHostUsage } from "../host/usage.ts";
import { appendLedger, type LedgerLine, loadLedger } from "../state/ledger.ts";
import { loadState, type PassRecord, type State, setAside, updateState } from "../state/state.ts";

/** What a pass and a preview of one touch of this host, besides the engine. */
export type HostPorts = Readonly<ReturnType<typeof hostPorts>>;

export const hostPorts = (stateDir: string, lockFile: string) => ({
  readFilesystems,
  nameMounts: (paths: readonly string[]) => nameMounts(paths),
  configuredDataRoot: () => configuredDataRoot(),
  containerdRoot: (dataRoot: string, socket: string) => containerdRoot(dataRoot, socket),
  facts: systemFacts,
  readHostUsage,
  lockFile,
  takeLock: () => takeLock(lockFile),
  lockIsHeld: () => lockIsHeld(lockFile),
  loadState: () => loadState(stateDir),
  updateState: (pass: PassRecord, change: (before: State) => State) => updateState(stateDir, pass, change),
  loadLedger: (engine: string | null, now: number) => loadLedger(stateDir, engine, now),
  appendLedger: (lines: readonly LedgerLine[], now: number) => appendLedger(stateDir, lines, now),
  setAside: (now: number) => setAside(stateDir, now),
});
