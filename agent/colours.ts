import picocolors from "picocolors";

/**
 * Colours on a terminal, and where FORCE_COLOR asks for them; NO_COLOR wins. picocolors itself also colours wherever CI
 * is set, and there the output of these commands is read by programs.
 */
export function wantsColours(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  const set = (name: string) => (env[name] ?? "") !== "";
  if (set("NO_COLOR")) return false;
  return set("FORCE_COLOR") || (isTerminal && env.TERM !== "dumb");
}

export const colours = picocolors.createColors(wantsColours(process.env, process.stdout.isTTY === true));
