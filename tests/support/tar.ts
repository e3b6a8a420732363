/** Tar archives as byte streams, for images and build contexts. */

/** What ends an archive. */
export const TAR_END = Buffer.alloc(1024);

/** One file of a tar archive: header, content, padding. Two blocks of zeros end an archive ({@link TAR_END}). */
export function* tarFile(
  name: string,
  size: number,
  content: Iterable<Buffer>,
  mode = 0o644,
): Generator<Buffer> {
  yield tarHeader(name, size, "0", mode);
  yield* content;
  if (size % 512 !== 0) yield Buffer.alloc(512 - (size % 512));
}

/** A ustar header ("2" is a symbolic link, "5" a folder). Names up to 100 bytes, sizes below 8 GiB; owner root, time 0. */
export function tarHeader(
  name: string,
  size: number,
  type: "0" | "2" | "5",
  mode: number,
  link = "",
): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`name too long for a tar header: ${name}`);
  const h = Buffer.alloc(512);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  h.write(name, 0);
  h.write(octal(mode, 8), 100);
  h.write(octal(0, 8), 108);
  h.write(octal(0, 8), 116);
  h.write(octal(size, 12), 124);
  h.write(octal(0, 12), 136);
  h.write("        ", 148);
  h.write(type, 156);
  h.write(link, 157);
  h.write("ustar\0", 257);
  h.write("00", 263);
  const sum = h.reduce((a, b) => a + b, 0);
  h.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return h;
}
