import { Exit } from "./exit.ts";

/** Another file of the program; `null` where it is not there whole, which is an installation's fault and no bug. */
export function load<T extends { main: unknown }>(file: () => T): T | null {
  try {
    const loaded = file();
    if (typeof loaded.main === "function") return loaded;
    throw new Error("a file of it is empty");
  } catch (error) {
    const [reason = ""] = String((error as Error).message).split("\n");
    process.stderr.write(`ci-docker-prune: the installation is not whole, install it anew: ${reason}\n`);
    process.exitCode = Exit.unavailable;
    return null;
  }
}
