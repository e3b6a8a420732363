import { type Fact, known, unknown } from "../facts.ts";
import type { Seconds } from "../units.ts";
import { readFile } from "./files.ts";

/** What only the host itself knows, handed in so that no decision depends on the machine it is tested on. */
export interface HostFacts {
  /** How long the host is up, time in suspend counted: CLOCK_BOOTTIME. No container runs longer than that. */
  uptime(): Fact<Seconds>;
}

/** Source: /proc/uptime, proc(5): `"350735.47 234388.90"`. */
export const systemFacts: HostFacts = {
  uptime() {
    try {
      const text = readFile("/proc/uptime", { maxBytes: 4096 }).bytes.toString("latin1");
      const seconds = /^(\d+\.\d+) /.exec(text)?.[1];
      return seconds === undefined
        ? unknown("the host's uptime", "/proc/uptime reads otherwise than it should")
        : known(Number(seconds));
    } catch (error) {
      return unknown("the host's uptime", (error as Error).message);
    }
  },
};
