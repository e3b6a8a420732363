import pc from "picocolors";
import { historyScreen } from "../agent/cli/history.ts";
import { week } from "./unit/history/support.ts";
import { NOW } from "./unit/support.ts";

process.env.TZ = "UTC";
const h = { passes: week(), source: "the state in /var/lib/x", since: null, skipped: null, unreadable: null };
console.log(
  historyScreen(h, { wanted: ["/"], limit: 20 }, { width: 80, unicode: true }, pc.createColors(false), NOW),
);
console.log();
console.log(
  historyScreen(
    { ...h, skipped: { invalid: 3, tooLong: 1, others: 7, withoutMessage: 0, notUnderstood: 0, tooMany: 0 } },
    { wanted: ["/"], limit: 4 },
    { width: null, unicode: false },
    pc.createColors(false),
    NOW,
  ),
);
