// The three parts of prom-client 15 that agent/metrics/metrics.ts uses. The whole package loads @opentelemetry/api,
// tdigest and the metrics of this very process: 66 KB and 13 ms, against 10 KB and 2 ms.
exports.Registry = require("../../node_modules/prom-client/lib/registry.js");
exports.Counter = require("../../node_modules/prom-client/lib/counter.js");
exports.Gauge = require("../../node_modules/prom-client/lib/gauge.js");
