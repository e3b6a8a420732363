/** The gates of a pass, in the order in which they are asked. */
export type GateName = "disk-pressure" | "lock" | "live-run" | "converging";

/** `open`: this gate lets the pass go on. `closed`: not now. `unknown`: it could not be told, hence not now. */
export interface Verdict {
  readonly gate: GateName;
  readonly verdict: "open" | "closed" | "unknown";
  /** One sentence for people. */
  readonly reason: string;
  /** What was observed and compared; sizes in bytes, ages in seconds. */
  readonly facts: Readonly<Record<string, unknown>>;
}
