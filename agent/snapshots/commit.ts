import { StopGuard } from "../act/guard.ts";
import { type Cleared, removeNameless } from "../act/nameless.ts";
import { remove, removeContainer } from "../act/remove.ts";
import { EngineError } from "../engine/errors.ts";
import { ALL_STATES, type EngineReader } from "../engine/reader.ts";
import { unlessGone } from "../engine/tolerant.ts";
import type { ImageDetail, Labels } from "../engine/types.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Clock } from "../host/clock.ts";
import type { Bytes } from "../units.ts";
import {
  carries,
  createdOf,
  type Identity,
  referenceOf,
  repositoryOf,
  SNAPSHOT_TAG,
  snapshotLabels,
} from "./identity.ts";
import { applyLimits, type Host, type LimitsReport } from "./limits.ts";
import { findSnapshot, type Named, pickContainer, refusal, type SnapshotPorts } from "./look.ts";

export interface CommitRequest {
  /** Id, name, or the start of an id. */
  readonly container: string;
  readonly removeContainer: boolean;
  /** What to commit it as, or why the command line does not say. */
  readonly as: { readonly identity: Identity; readonly ttl: string } | { readonly problem: string };
}

export interface Committed {
  readonly identity: Identity;
  readonly name: string;
  readonly id: string;
  readonly ttl: string;
  /** As the engine counts it, layers that other images share included; `null`: not told. */
  readonly sizeBytes: Bytes | null;
  /** Of its own layer: what the commit added to the disk; `null`: not told. */
  readonly newBytes: Bytes | null;
}

/** What became of a container that was to go. */
interface Removal {
  readonly gone: boolean;
  /** Why it is still there; for what is gone: how it went. */
  readonly reason: string;
  /** The engine did not answer. */
  readonly away: boolean;
}

export interface CommitReport {
  readonly outcome:
    | "committed"
    /** The command line does not say what to do. */
    | "usage"
    /** There is no such container, or it did not end well. */
    | "refused"
    | "failed"
    /** It was asked for, and the engine's answer was not waited for or was lost. */
    | "unknown";
  /** Why, for anything but a commit. */
  readonly reason: string;
  /** The container, as the command line names it. */
  readonly asked: string;
  readonly container: Named | null;
  readonly snapshot: Committed | null;
  /** `null`: not asked for, or nobody knows which. */
  readonly removal: Removal | null;
  /** What the name stood for before, and the nameless below it; `null`: there was nothing. */
  readonly predecessor: Cleared | null;
  /** `null`: nothing was committed. */
  readonly limits: LimitsReport | null;
  readonly exitCode: ExitCode;
}

type Attempt = Pick<CommitReport, "outcome" | "reason" | "snapshot"> & {
  /** The engine did not answer. */
  readonly away: boolean;
  readonly before: ImageDetail | null;
};

/**
 * Keeps the work of a container that ended well as an image, and leaves nothing behind: not the container, where it is
 * to go, whatever else happens; not the image that had the name before; nothing that is beyond the limits.
 */
export async function commitContainer(ports: SnapshotPorts, host: Host, request: CommitRequest) {
  const found = await locate(ports.reader, request.container);
  const container = "container" in found ? found.container : null;
  const removeAsAsked = async () => (request.removeContainer ? await removeWhatWasNamed(ports, found) : null);
  const attempt = await attempted(ports, found, request.as).catch(async (bug) => {
    await removeAsAsked();
    throw bug;
  });
  const removal = await removeAsAsked();
  const { outcome, reason, snapshot, before } = attempt;
  const predecessor =
    snapshot === null || before === null || before.id === snapshot.id
      ? null
      : await clearPredecessor(ports, snapshot, before);
  const limits = snapshot === null ? null : await applyLimits(ports, host, snapshot.id);
  const exitCode = exitOf(attempt, { removal, predecessor, limits }, ports.stop.aborted);
  const asked = request.container;
  return { outcome, reason, asked, container, snapshot, removal, predecessor, limits, exitCode };
}

type Located =
  | { readonly container: Named }
  | { readonly problem: string; readonly away: boolean; readonly absent: boolean };

async function locate(reader: EngineReader, text: string): Promise<Located> {
  try {
    await reader.version();
    const picked = pickContainer(text, await reader.containers(ALL_STATES));
    if (picked.found === "one") return picked;
    if (picked.found === "none")
      return { problem: `there is no container "${text}"`, away: false, absent: true };
    const names = picked.names.join(", ");
    return { problem: `"${text}" is the start of several ids: ${names}`, away: false, absent: false };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { problem: `the engine could not be asked: ${error.message}`, away: true, absent: false };
  }
}

async function attempted(ports: SnapshotPorts, found: Located, as: CommitRequest["as"]): Promise<Attempt> {
  if ("problem" in as) return ended("usage", as.problem);
  if ("container" in found) return await attemptCommit(ports, found.container.id, as);
  return ended(found.away ? "failed" : "refused", found.problem, found.away);
}

/** Never by force: one that runs stays. A signal does not keep it, but shortens the wait for an answer. */
async function removeWhatWasNamed(ports: SnapshotPorts, found: Located): Promise<Removal> {
  if (!("container" in found)) return { gone: found.absent, reason: found.problem, away: found.away };
  const { reader, clock, stop } = ports;
  const { id } = found.container;
  const stays = (reason: string, away = false): Removal => ({ gone: false, reason, away });
  const removal = remove(
    {
      // It goes whatever it is now, also where it cannot be inspected.
      look: async () => null,
      send: async () => void (await removeContainer(ports, id, false)),
      find: () => reader.container(id, false),
    },
    new StopGuard(new AbortController().signal),
  );
  const waited = await withinGrace(removal, stop, clock);
  if (!waited.settled)
    return stays("told to stop while its removal was under way: the engine may still finish it");
  const outcome = waited.value;
  if (outcome.fate === "gone") return { gone: true, reason: "it was gone already", away: false };
  if (outcome.fate === "kept") return stays(outcome.error?.message ?? outcome.kept.reason);
  if (outcome.fate === "failed") return stays(outcome.error.message, outcome.error.endsThePass);
  return { gone: true, reason: "removed", away: false };
}

function ended(outcome: CommitReport["outcome"], reason: string, away = false): Attempt {
  return { outcome, reason, away, snapshot: null, before: null };
}

async function attemptCommit(
  ports: SnapshotPorts,
  id: string,
  { identity, ttl }: { readonly identity: Identity; readonly ttl: string },
): Promise<Attempt> {
  const { reader, writer, clock, stop } = ports;
  const labels = snapshotLabels(identity, clock.now(), ttl);
  const committed = async (image: string, before: ImageDetail | null): Promise<Attempt> => ({
    outcome: "committed",
    reason: "",
    away: false,
    before,
    snapshot: {
      identity,
      name: referenceOf(identity),
      id: image,
      ttl,
      ...(await measure(reader, identity, image)),
    },
  });
  let sent = false;
  let before: ImageDetail | null = null;
  try {
    const detail = await unlessGone(reader.container(id, false));
    const refused = detail === null ? "it is gone" : refusal(detail);
    if (refused !== null) return ended("refused", refused);
    before = await findSnapshot(reader, identity);
    if (stop.aborted) return ended("failed", "told to stop before it was begun");
    sent = true;
    const commit = writer.commit(id, repositoryOf(identity), SNAPSHOT_TAG, labels);
    const waited = await withinGrace(commit, stop, clock);
    if (!waited.settled) return ended("unknown", "told to stop while the engine was committing it");
    return await committed(waited.value, before);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const untold = sent && (error.endsThePass || error.kind === "malformed");
    if (!untold) return ended("failed", error.message, error.endsThePass);
    // The answer was lost: the name says whether it was done.
    const now = await findSnapshot(reader, identity).catch(onlyEngine);
    return now !== null && createdOf(now.labels) === createdOf(labels)
      ? await committed(now.id, before)
      : ended("unknown", error.message, true);
  }
}

function onlyEngine(error: unknown): null {
  if (error instanceof EngineError) return null;
  throw error;
}

async function clearPredecessor(
  ports: SnapshotPorts,
  { id, identity }: Committed,
  before: ImageDetail,
): Promise<Cleared> {
  const guard = new StopGuard(ports.stop);
  const ofItem = (labels: Labels) => carries(labels, identity);
  const cleared = await removeNameless(ports, guard, before.id, ofItem);
  if (cleared.left?.id !== before.id || cleared.left.because !== "in-use") return cleared;
  const now = await ports.reader.image(id).catch(onlyEngine);
  // A resumed run: the classic store keeps it below the new one, whose layers it holds; evict and the limits know.
  return now?.parentId === before.id
    ? { ...cleared, left: { ...cleared.left, because: "built-on", reason: "the new one is built on it" } }
    : cleared;
}

/** What a commit takes; that it cannot be told fails no commit. */
async function measure(reader: EngineReader, identity: Identity, id: string) {
  // The list's: an inspection on the containerd store leaves out what is unpacked (28.5).
  const listed = await reader.namedImages({ reference: [referenceOf(identity)] }).catch(onlyEngine);
  const steps = await reader.history(id).catch(onlyEngine);
  return {
    sizeBytes: listed?.find((image) => image.id === id)?.sizeBytes ?? null,
    newBytes: steps?.at(-1)?.sizeBytes ?? null,
  };
}

/** A container that was to be removed and is still there decides: nothing else tells the router of it. */
type Results = Pick<CommitReport, "removal" | "predecessor" | "limits">;

function exitOf(
  { outcome, away }: Attempt,
  { removal, predecessor, limits }: Results,
  stopped: boolean,
): ExitCode {
  if (removal !== null && !removal.gone) return removal.away ? Exit.unavailable : Exit.incomplete;
  if (outcome === "usage") return Exit.usage;
  if (outcome === "refused") return Exit.refused;
  if (away || limits?.unknown) return Exit.unavailable;
  const failed =
    ["failed", "away"].includes(predecessor?.left?.because ?? "") || (limits !== null && limits.failed > 0);
  return outcome !== "committed" || failed || stopped ? Exit.incomplete : Exit.ok;
}

/** Seconds that a request under way still gets after the command was told to stop; launchers kill after 10 or more. */
const GRACE = 4;

type Waited<T> = { readonly settled: true; readonly value: T } | { readonly settled: false };

/** Waits for `work`; after being told to stop no longer than {@link GRACE}. The engine may go on with it. */
async function withinGrace<T>(work: Promise<T>, stop: AbortSignal, clock: Clock): Promise<Waited<T>> {
  let onStop = () => {};
  const late = new Promise<Waited<T>>((resolve) => {
    onStop = () => void clock.sleep(GRACE).then(() => resolve({ settled: false }));
    if (stop.aborted) onStop();
    else stop.addEventListener("abort", onStop, { once: true });
  });
  work.catch(() => {}); // where nobody waits for it any more
  try {
    return await Promise.race([work.then((value): Waited<T> => ({ settled: true, value })), late]);
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}
