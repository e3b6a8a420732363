import { orUnknown } from "../engine/tolerant.ts";
import type { EngineInfo } from "../engine/types.ts";
import { type Fact, known } from "../facts.ts";
import { bootedAt } from "../observe/clock.ts";
import { type Engine, observeEngine } from "../observe/engine.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import type { PassPorts } from "./context.ts";
import { readPressure, rememberedRoots, rootsAreKnown } from "./pressure.ts";

type SurveyPorts = Pick<PassPorts, "reader" | "clock" | "host">;
type RootPorts = Pick<PassPorts, "host" | "clock">;

/**
 * Measures the disk, with the folders where the engine keeps its data. The state remembers those; the engine is asked
 * where it does not, where a remembered one cannot be read, and once a day: it may keep nothing there any more.
 * @returns also what the engine said; `null` where it was not asked
 */
export async function surveyDisk(ports: SurveyPorts, { disk }: Settings, state: State) {
  const remembered = await readPressure(ports.host, disk, rememberedRoots(state));
  const sure = remembered.verdict.verdict !== "unknown";
  if (sure && rootsAreKnown(state, remembered, ports.clock.now()))
    return { pressure: remembered, asked: null };
  const asked = await meet(ports);
  return { pressure: await readPressure(ports.host, disk, rootsNow(ports, asked, state)), asked };
}

/** Who answers at the socket, on a host that was booted at some time. */
export async function meet(ports: SurveyPorts): Promise<Fact<Engine>> {
  const engine = await observeEngine(ports.reader);
  return engine.known ? known({ ...engine.value, bootedAt: bootedAt(ports) }) : engine;
}

/** Where the engine keeps its data: as it says; else as the state remembers, or as the host's files tell. */
export function rootsNow(ports: RootPorts, engine: Fact<Engine>, state: State): string[] {
  if (engine.known) return rememberedRoots(rootsOf(ports, engine.value.info));
  if (state.engineRoot !== null) return rememberedRoots(state);
  const dataRoot = ports.host.configuredDataRoot();
  return dataRoot === null ? [] : [dataRoot];
}

/** The same of an engine that answers, as the state remembers it. */
export function rootsOf(
  { host, clock }: RootPorts,
  { rootDir, imageStore, containerdSocket = null }: EngineInfo,
): Pick<State, "engineRoot" | "containerdRoot" | "engineAskedAt"> {
  const outside = imageStore === "containerd" && containerdSocket !== null && !isOwn(containerdSocket);
  const containerdRoot = outside ? host.containerdRoot(rootDir, containerdSocket) : null;
  return { engineRoot: rootDir, containerdRoot, engineAskedAt: clock.now() };
}

/** A containerd that the engine starts has its socket below the engine's: `/run/docker/containerd/containerd.sock`. */
const isOwn = (socket: string): boolean =>
  socket.endsWith("/containerd/containerd.sock") && !/^(?:\/var)?\/run\/containerd\//.test(socket);

/**
 * More networks than `prune.networksAbove`, used or not. The disk says nothing of addresses: below the watermark the
 * engine is asked in those passes that meet it, which is once a day. An engine that does not tell has few.
 */
export async function hasManyNetworks(
  { reader }: Pick<SurveyPorts, "reader">,
  { prune }: Settings,
  engine: Fact<Engine> | null,
): Promise<boolean> {
  const above = prune.networksAbove;
  if (!engine?.known || above === null) return false;
  const networks = await orUnknown("the networks", () => reader.networks());
  return networks.known && networks.value.length > above;
}
