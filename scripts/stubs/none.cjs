// Stands in for what a library looks for and can do without: supports-color (docker-modem's debug). Left outside, node
// would look for it in NODE_PATH, $HOME and beside the bundle, and run what it finds there as root.
module.exports = {};
