import { formatDuration } from "../units.ts";
import { row, warning } from "./row.ts";

/** What the commands of `auth` say. Registries by name (`"docker.io"`); `target` is the client's config file. */

interface Checked {
  readonly registry: string;
  readonly username: string | null;
  /** `"accepted"`, or what went wrong (auth/check.ts). */
  readonly result: string;
  readonly reason: string;
  readonly rateLimit: {
    readonly limit: number;
    readonly remaining: number;
    readonly windowSeconds: number | null;
    readonly source: string | null;
  } | null;
  readonly rateLimitReason: string | null;
}

export const AUTH_EVENTS = {
  "auth.applied": row<{
    readonly target: string;
    readonly added: readonly string[];
    readonly changed: readonly string[];
    readonly removed: readonly string[];
    /** No longer wanted, and changed by somebody else since we wrote them. */
    readonly left: readonly string[];
    /** The file was readable for others, and no longer is. */
    readonly closedToOthers: boolean;
  }>({
    level: "info",
    msg: "the registry credentials are in place",
    notice: () => true,
    say: (fields, { mark }) => {
      const parts = (["added", "changed", "removed", "left"] as const).flatMap((what) =>
        fields[what].length === 0 ? [] : [`${what} ${fields[what].join(", ")}`],
      );
      if (fields.closedToOthers) parts.push("closed to other users");
      return `${mark("✓", "green")}registry credentials in ${fields.target}: ${parts.join("; ")}`;
    },
  }),
  "auth.unchanged": row<{
    readonly target: string;
    readonly registries: number;
    readonly left: readonly string[];
  }>({
    level: "info",
    msg: "the registry credentials were in place already",
    say: ({ target, left }, { mark }) => {
      const others = left.length === 0 ? "" : `; left ${left.join(", ")}`;
      return `${mark("✓", "green")}registry credentials in ${target}: nothing to change${others}`;
    },
  }),
  "auth.shadowed": warning<{
    readonly target: string;
    readonly registry: string;
    /** The key that does it. */
    readonly by: string;
    readonly helper: string;
  }>(
    "the Docker client will not use these credentials: it asks a helper instead",
    ({ target, registry, by, helper }) =>
      `${registry}: ${by} in ${target} names the helper "${helper}", which the Docker client asks instead`,
  ),
  /** `reason` holds no secret: auth/redact.ts. */
  "auth.failed": row<{ readonly target: string; readonly reason: string }>({
    level: "error",
    msg: "the registry credentials could not be put in place",
    say: ({ reason }, { mark }) => `${mark("✗", "red")}registry credentials: ${reason}`,
  }),
  "auth.checked": row<Checked>({
    level: ({ result }) => (result === "accepted" ? "info" : "error"),
    msg: "a registry was asked whether it takes the stored credentials",
    say: (checked, { mark }) => {
      const sign = checked.result === "accepted" ? mark("✓", "green") : mark("✗", "red");
      return `${sign}${describeCheck(checked)}`;
    },
  }),
};

/** `"docker.io as ci: the credentials work; 176 of 200 pulls in 6h left"` */
export function describeCheck({ registry, username, reason, rateLimit, rateLimitReason }: Checked): string {
  const told = `${registry}${username === null ? "" : ` as ${username}`}: ${reason}`;
  if (rateLimit === null)
    return rateLimitReason === null ? told : `${told}; pull allowance: ${rateLimitReason}`;
  const { limit, remaining, windowSeconds } = rateLimit;
  const span = windowSeconds === null ? "" : ` in ${formatDuration(windowSeconds)}`;
  return `${told}; ${remaining} of ${limit} pulls${span} left`;
}
