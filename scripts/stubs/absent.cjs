// Stands in for parts of libraries that this program never reaches: dockerode's ssh:// hosts (ssh2), BuildKit sessions
// (@grpc/*, protobufjs) and build contexts (tar-fs), and pino's worker-thread transports (thread-stream), whose files
// are not in a bundle. Those of dockerode cost 70 ms to load and ssh2's native parts break bundling depending on how npm
// installed them. Whoever does reach one gets a clear error.
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
