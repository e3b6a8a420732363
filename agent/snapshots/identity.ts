import { createHash } from "node:crypto";
import type { ImageSummary, Labels } from "../engine/types.ts";
import {
  SNAPSHOT_LABEL,
  SNAPSHOT_NAMESPACE,
  SNAPSHOT_PROJECT_LABEL,
  SNAPSHOT_TTL_LABEL,
  SNAPSHOT_WORK_ITEM_LABEL,
} from "../settings/rules.ts";
import { CENTURY } from "../settings/values.ts";
import { parseDuration, type Seconds } from "../units.ts";

/**
 * Whose work a snapshot holds. Both are data and may be any text: what identifies a snapshot is its labels, and its
 * name is made from them. Labels alone are not enough: they are handed down to images built on a snapshot.
 */
export interface Identity {
  readonly project: string;
  readonly workItem: string;
}

/** One image of a work item; each commit moves this tag on to the next. */
export const SNAPSHOT_TAG = "latest";

const CREATED_LABEL = `${SNAPSHOT_LABEL}.created`;

/** Long enough that two of a host never meet, short enough to read out. */
const HASH_DIGITS = 16;
/** For people only; the hash tells apart. */
const SLUG_LENGTH = 24;

/** Why this text cannot name a project or work item; `null`: it can. */
export function problemOfName(option: string, text: string | undefined): string | null {
  if (text === undefined || text.trim() === "") return `${option} is missing or empty`;
  // Where an argument is not UTF-8, node puts this character, and two names would become one.
  return text.includes("\ufffd") ? `${option} is not valid UTF-8` : null;
}

/** `"24h"` -> seconds, from 1 s to a century. */
export function parseTtl(text: string): Seconds | undefined {
  const seconds = parseDuration(text);
  return seconds === undefined || seconds < 1 || seconds > CENTURY ? undefined : seconds;
}

/** 86400 -> `"24h"`: what {@link parseTtl} reads back as the same. */
export function formatTtl(seconds: Seconds): string {
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

/** `{project: "Acme_Web", workItem: "42"}` -> `"ci-snapshot/acme-web-42-…"`; no two identities share one. */
export function repositoryOf({ project, workItem }: Identity): string {
  // As JSON: a list of texts in only one spelling, whatever they hold.
  const text = JSON.stringify([project, workItem]);
  const hash = createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
  const parts = [slug(project), slug(workItem), hash].filter((part) => part !== "");
  return `${SNAPSHOT_NAMESPACE}/${parts.join("-")}`;
}

export const referenceOf = (identity: Identity): string => `${repositoryOf(identity)}:${SNAPSHOT_TAG}`;

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replace(/^-+|-+$/g, "");
}

/** All at every commit: those of the container's own snapshot can be overridden, but not taken away. */
export function snapshotLabels(identity: Identity, createdAt: number, ttl: string): Labels {
  return {
    [SNAPSHOT_LABEL]: "1",
    [SNAPSHOT_PROJECT_LABEL]: identity.project,
    [SNAPSHOT_WORK_ITEM_LABEL]: identity.workItem,
    [CREATED_LABEL]: new Date(createdAt).toISOString(),
    [SNAPSHOT_TTL_LABEL]: ttl,
  };
}

/** When its commit was asked for, as written there. */
export const createdOf = (labels: Labels): string | undefined => labels[CREATED_LABEL];

/** The identity that the labels name, whatever image carries them. */
export function identityOf(labels: Labels): Identity | null {
  const {
    [SNAPSHOT_LABEL]: mark,
    [SNAPSHOT_PROJECT_LABEL]: project,
    [SNAPSHOT_WORK_ITEM_LABEL]: workItem,
  } = labels;
  return mark !== "1" || project === undefined || workItem === undefined ? null : { project, workItem };
}

export const carries = (labels: Labels, { project, workItem }: Identity): boolean => {
  const found = identityOf(labels);
  return found !== null && found.project === project && found.workItem === workItem;
};

/**
 * The identity of a snapshot and its own names; `null` for an image that is none: it lacks the labels, or has them
 * from the snapshot it was built on, and with them no name of that snapshot's repository.
 */
export function snapshotOf({
  labels,
  tags,
}: Pick<ImageSummary, "labels" | "tags">): { identity: Identity; references: readonly string[] } | null {
  const identity = identityOf(labels);
  if (identity === null) return null;
  const repository = repositoryOf(identity);
  const references = tags.filter((tag) => tag.startsWith(`${repository}:`));
  return references.length === 0 ? null : { identity, references };
}
