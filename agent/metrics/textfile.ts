import { mountPoint } from "../host/disk.ts";
import { type AuditEvent, event } from "../log/events.ts";
import type { MeasuredPass } from "./metrics.ts";

/**
 * Writes the metrics where `metrics.textfile` asks for them. What writes them is a file of its own beside the bundle,
 * for a quiet pass without metrics would pay for it (docs/development/decisions/0010-metrics.md). No trouble here
 * changes what a pass comes to.
 * @returns what the log is to say: `null` when they are written, or not wanted
 */
export async function exportMetrics(pass: Omit<MeasuredPass, "mountPoint">): Promise<AuditEvent | null> {
  const { textfile } = pass.settings.metrics;
  if (textfile === null) return null;
  try {
    const { writeMetrics } = require("./ci-docker-prune.metrics.cjs") as typeof import("./metrics.ts");
    await writeMetrics(textfile, { ...pass, mountPoint });
    return null;
  } catch (error) {
    return event("metrics.unwritable", { file: textfile, reason: (error as Error).message });
  }
}
