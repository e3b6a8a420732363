import { execFile } from "node:child_process";

/** The timer that starts the passes, as systemd knows it. */
export interface Timer {
  readonly unit: string;
  readonly installed: boolean;
  /** It is started, so it will fire. */
  readonly active: boolean;
  /** Milliseconds since the epoch; `null`: not planned, or not told. */
  readonly next: number | null;
  readonly last: number | null;
}

const UNIT = "ci-docker-prune.timer";
const PROPERTIES = ["LoadState", "ActiveState", "NextElapseUSecRealtime", "LastTriggerUSec"];

/** `null` where there is no systemd, or it does not answer in time. Never throws. */
export function readTimer(deadlineSeconds = 2): Promise<Timer | null> {
  const args = ["show", UNIT, ...PROPERTIES.map((name) => `--property=${name}`)];
  // Times are written in systemctl's own time zone; its --timestamp=unix is younger (248) than what is in use.
  const env = { PATH: process.env.PATH ?? "", TZ: "UTC", LC_ALL: "C" };
  const options = { timeout: deadlineSeconds * 1000, killSignal: "SIGKILL", env } as const;
  return new Promise((resolve) => {
    execFile("systemctl", args, options, (error, stdout) =>
      resolve(error === null ? parseTimer(stdout) : null),
    );
  });
}

/** What `systemctl show` printed, a property a line. Pure. */
export function parseTimer(text: string): Timer | null {
  const property = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1]?.trim();
  const state = property("LoadState");
  if (state === undefined) return null;
  return {
    unit: UNIT,
    installed: state === "loaded",
    active: property("ActiveState") === "active",
    next: moment(property("NextElapseUSecRealtime")),
    last: moment(property("LastTriggerUSec")),
  };
}

/** `"Sun 2026-11-22 00:00:00 UTC"` -> milliseconds; `"n/a"`, `""` and whatever else -> `null`. */
function moment(text = ""): number | null {
  const match = /^(?:[A-Z][a-z]{2} )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC$/.exec(text);
  const at = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`);
  return Number.isNaN(at) ? null : at;
}
