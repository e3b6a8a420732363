declare const __VERSION__: string | undefined;

/** Of package.json, put in by the build (yargs would search for it from the working directory at every start). */
export const VERSION = typeof __VERSION__ === "string" ? __VERSION__ : "0.0.0-unbuilt";
