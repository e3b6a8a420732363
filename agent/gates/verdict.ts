/** The gates of a pass in the order in which they are asked, each with the title that people read. */
export const GATE_TITLES = {
  "disk-pressure": "disk pressure",
  lock: "lock",
  "live-run": "live runs",
  converging: "services",
} as const;

export type GateName = keyof typeof GATE_TITLES;

export const GATE_NAMES = Object.keys(GATE_TITLES) as readonly GateName[];

/** `open`: this gate lets the pass go on. `closed`: not now. `unknown`: it could not be told, hence not now. */
export interface Verdict {
  readonly gate: GateName;
  readonly verdict: "open" | "closed" | "unknown";
  /** One sentence for people. */
  readonly reason: string;
  /** What was observed and compared; sizes in bytes, ages in seconds. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export const verdictsOf = (gate: GateName) => {
  const verdict =
    (verdict: Verdict["verdict"]) =>
    (reason: string, facts: Verdict["facts"] = {}): Verdict => ({ gate, verdict, reason, facts });
  return { open: verdict("open"), closed: verdict("closed"), unknown: verdict("unknown") };
};
