import { type Fact, known, unknown } from "../facts.ts";
import type { Seconds } from "../units.ts";
import { readFile } from "./files.ts";

/** What only the host itself knows, handed in so that no decision depends on the machine it is tested on. */
export interface HostFacts {
  /** How long the host is up, time in suspend counted: CLOCK_BOOTTIME. No container runs longer than that. */
  uptime(): Fact<Seconds>;
  /** Tells this boot of the host from others. */
  bootId(): Fact<string>;
}

/** Source: proc(5). /proc/uptime: `"350735.47 234388.90"`; /proc/sys/kernel/random/boot_id: a UUID. */
export const systemFacts: HostFacts = {
  uptime() {
    const seconds = readProc("the host's uptime", "/proc/uptime", /^(\d+\.\d+) /);
    return seconds.known ? known(Number(seconds.value)) : seconds;
  },
  bootId: () => readProc("the host's boot", "/proc/sys/kernel/random/boot_id", /^([0-9a-f-]{36})\n?$/),
};

function readProc(what: string, path: string, form: RegExp): Fact<string> {
  try {
    const text = readFile(path, { maxBytes: 4096 }).bytes.toString("latin1");
    const value = form.exec(text)?.[1];
    return value === undefined ? unknown(what, `${path} reads otherwise than it should`) : known(value);
  } catch (error) {
    return unknown(what, (error as Error).message);
  }
}
