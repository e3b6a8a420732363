import { spawn } from "node:child_process";

/** The timer that starts the passes, as systemd knows it. */
export interface Timer {
  readonly unit: string;
  /** systemd has such a unit. */
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
export async function readTimer(deadlineSeconds = 2): Promise<Timer | null> {
  return new Promise((resolve) => {
    // Times are written in systemctl's own time zone; its --timestamp=unix is younger (248) than what is in use.
    const child = spawn("systemctl", ["show", UNIT, ...PROPERTIES.map((name) => `--property=${name}`)], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { PATH: process.env.PATH ?? "", TZ: "UTC", LC_ALL: "C" },
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    const timer = setTimeout(() => end(null), deadlineSeconds * 1000);
    const end = (found: Timer | null) => {
      clearTimeout(timer);
      child.kill();
      resolve(found);
    };
    child.once("error", () => end(null));
    child.once("close", (code) => end(code === 0 ? parseTimer(text) : null));
  });
}

/** What `systemctl show` printed, a property a line. Pure. */
export function parseTimer(text: string): Timer | null {
  const found = new Map(
    text.split("\n").flatMap((line) => {
      const at = line.indexOf("=");
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1).trim()] as const] : [];
    }),
  );
  const state = found.get("LoadState");
  if (state === undefined) return null;
  return {
    unit: UNIT,
    installed: state === "loaded",
    active: found.get("ActiveState") === "active",
    next: moment(found.get("NextElapseUSecRealtime")),
    last: moment(found.get("LastTriggerUSec")),
  };
}

/** `"Sun 2026-11-22 00:00:00 UTC"` -> milliseconds; `"n/a"`, `""` and whatever else -> `null`. */
function moment(text = ""): number | null {
  const match = /^(?:[A-Z][a-z]{2} )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC$/.exec(text);
  const at = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`);
  return Number.isNaN(at) ? null : at;
}
