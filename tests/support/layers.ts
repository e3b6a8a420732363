/** Layers of crafted images. Their bytes are made when they are needed, so that big ones take no memory. */
import { createCipheriv, createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { TAR_END, tarFile, tarHeader } from "./tar.ts";

const MIB = 1024 * 1024;

/** A layer of an image as an uncompressed tar archive. */
export interface Layer {
  sha256: string;
  size: number;
  bytes(): Iterable<Buffer>;
}

const layerHashes = new Map<string, { sha256: string; size: number }>();

/** A layer whose bytes are generated when needed, so that big images take no memory. */
function makeLayer(key: string, bytes: () => Iterable<Buffer>): Layer {
  let known = layerHashes.get(key);
  if (known === undefined) {
    const hash = createHash("sha256");
    let size = 0;
    for (const chunk of bytes()) {
      hash.update(chunk);
      size += chunk.length;
    }
    known = { sha256: hash.digest("hex"), size };
    layerHashes.set(key, known);
  }
  return { ...known, bytes };
}

/**
 * One file of pseudo-random bytes, or of `fillByte`, and then of zeros, which pack to nothing. The same seed and sizes
 * give the same bytes.
 */
export function dataLayer(seed: string, sizeMiB: number, fillByte?: number, zerosMiB = 0): Layer {
  const data = Math.round(sizeMiB * MIB);
  const size = data + Math.round(zerosMiB * MIB);
  const key = createHash("sha256").update(seed).digest();
  function* content(): Generator<Buffer> {
    const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
    for (let at = 0; at < size; ) {
      const n = Math.min(MIB, (at < data ? data : size) - at);
      const zeros = Buffer.alloc(n, at < data ? (fillByte ?? 0) : 0);
      yield at < data && fillByte === undefined ? cipher.update(zeros) : zeros;
      at += n;
    }
  }
  function* bytes(): Generator<Buffer> {
    yield* tarFile(`data-${key.toString("hex").slice(0, 16)}`, size, content());
    yield TAR_END;
  }
  return makeLayer(`${key.toString("hex")}/${data}/${size}/${fillByte ?? "random"}`, bytes);
}

const APPLETS = "sh ash cat cp date dd echo env false head ls mkdir mv rm seq sleep test touch true".split(
  " ",
);

/** The machine's static busybox with links for {@link APPLETS}. */
export function busyboxLayer(): Layer {
  const path = ["/bin/busybox", "/usr/bin/busybox"].find((p) => existsSync(p));
  if (path === undefined) throw new Error("no busybox on this machine (node scripts/setup.mjs installs it)");
  const binary = readFileSync(path);
  function* bytes(): Generator<Buffer> {
    yield tarHeader("bin/", 0, "5", 0o755);
    yield* tarFile("bin/busybox", binary.length, [binary], 0o755);
    for (const applet of APPLETS) yield tarHeader(`bin/${applet}`, 0, "2", 0o777, "busybox");
    yield tarHeader("tmp/", 0, "5", 0o1777);
    yield TAR_END;
  }
  return makeLayer("busybox", bytes);
}
