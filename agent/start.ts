#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Script } from "node:vm";
import { load } from "./load.ts";

/** Bytes before the bytecode; as many as keep it aligned. */
const HEAD = 128;

/** `require`, for the files of the bundle as well. Throws what reading and running a file throws. */
function requireCompiled(id: string): unknown {
  if (!id.startsWith("./ci-docker-prune.")) return require(id);
  const filename = `${__dirname}/${id.slice(2)}`;
  const source = readFileSync(filename, "utf8");
  const cachedData = bytecode(filename, source);
  // To the letter what scripts/compile.mjs has compiled: V8 refuses bytecode of a source that is longer or shorter.
  const text = `(function(exports,require,module,__filename,__dirname){${source}\n})`;
  const script = new Script(text, { filename, ...(cachedData === null ? {} : { cachedData }) });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, requireCompiled, module, filename, __dirname);
  return module.exports;
}

/**
 * `null`: there is none that is whole, of this very source, for this version of node. It is to be known before V8 is
 * asked: that looks at the lengths alone, and runs what a lost block has left of its own bytecode.
 */
function bytecode(filename: string, source: string): Buffer | null {
  const [digest] = /\w+$/.exec(source.slice(-64)) ?? [];
  try {
    const file = readFileSync(filename.replace(/cjs$/, "code"));
    const code = file.subarray(HEAD);
    const head = file.toString("latin1", 0, HEAD).trimEnd();
    return head === `${digest} ${process.version} ${process.arch} ${sumOf(code)}` ? code : null;
  } catch {
    return null;
  }
}

/** Of one word in 512 bytes: a lost block shows, and all of them would take as long as what the bytecode saves. */
function sumOf(code: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 4 <= code.length; at += 512) sum = (Math.imul(sum, 31) + code.readUInt32LE(at)) | 0;
  return sum;
}

/**
 * The file that is started. It takes the other files of the bundle with the bytecode that scripts/compile.mjs has made
 * of them: node would take 5 ms to compile what a quiet pass needs, and 100 ms for a pass that talks to the engine.
 */
load(() => requireCompiled("./ci-docker-prune.main.cjs") as typeof import("./main.ts"))?.main();
