// pino's worker-thread transports need files that are not in a bundle; this program writes to standard output only.
module.exports = () => {
  throw new Error("pino transports are not in the bundle (see scripts/stubs)");
};
