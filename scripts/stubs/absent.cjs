// Stands in for parts of libraries that this program never reaches: dockerode's ssh:// and https:// hosts (ssh2, https),
// BuildKit sessions (@grpc/*, protobufjs, crypto) and build contexts (tar-fs, zlib), and pino's worker-thread transports
// (thread-stream), whose files are not in a bundle. Those of dockerode cost 80 ms to load and ssh2's native parts break
// bundling depending on how npm installed them. Whoever does reach one gets a clear error. What the agent itself takes
// from node has "node:" before its name and is not meant.
const absent = (name) =>
  new Proxy(() => {}, {
    get: (_, property) =>
      property === "__esModule" || typeof property === "symbol" ? undefined : absent(name),
    apply: refuse,
    construct: refuse,
  });
function refuse() {
  throw new Error("this part of a library is not in the bundle (see scripts/stubs)");
}
module.exports = absent();
