import { groupBy } from "../collections.ts";
import type { ImageDetail } from "../engine/types.ts";
import { namesOne, namesTag } from "../settings/globs.ts";
import { matchingLabel } from "../settings/labels.ts";
import type { NameGlob, RetentionRule } from "../settings/settings.ts";
import { parseReference } from "./usage.ts";

export interface Member {
  readonly image: ImageDetail;
  /** Its exact names that the rule names; none: only a digest names it. */
  readonly references: readonly string[];
}

export interface Family {
  readonly rule: RetentionRule;
  readonly members: readonly Member[];
}

/** An image with other names keeps all of its layers: taking ours away gives nothing back. */
export const losesAllTags = ({ image, references }: Member) => image.tags.length <= references.length;

/** Images that the rule's repositories name, and that carry none of its labels. Pure. */
export function unlabelled({ match }: RetentionRule, images: readonly ImageDetail[]): ImageDetail[] {
  if (match.repositories.length === 0 || match.labels.length === 0) return [];
  const named = { match: { repositories: match.repositories, labels: [] } };
  return images.filter(
    (image) =>
      matchingLabel(image.labels, match.labels) === undefined &&
      image.tags.some((tag) => namesReference(named, tag)),
  );
}

/**
 * Which rule names which images. A name belongs to the first rule that names it, so an image with several names may be
 * in several families, and each takes only its own names. An image that only a digest names belongs to a family whose
 * rule names its repository with any tag; one without any name is not for retention but for the prune.
 */
export function claim(rules: readonly RetentionRule[], images: readonly ImageDetail[]): Family[] {
  const free = new Map(images.map((image) => [image, new Set(image.tags)]));
  const taken = new Set<ImageDetail>();
  return rules.map((rule) => ({
    rule,
    members: images.flatMap((image) => {
      if (!hasLabel(rule, image)) return [];
      if (image.tags.length === 0) {
        if (taken.has(image) || !namedByDigest(rule, image)) return [];
        taken.add(image);
        return [{ image, references: [] }];
      }
      const references = [...(free.get(image) ?? [])].filter((reference) => namesReference(rule, reference));
      for (const reference of references) free.get(image)?.delete(reference);
      return references.length === 0 ? [] : [{ image, references }];
    }),
  }));
}

/** Whether the rule's labels and names fit the image, whoever owns them. */
export function fits(rule: RetentionRule, image: ImageDetail): boolean {
  const named = image.tags.some((tag) => namesReference(rule, tag)) || namedByDigest(rule, image);
  return hasLabel(rule, image) && (named || rule.match.repositories.length === 0);
}

function hasLabel({ match }: RetentionRule, { labels }: ImageDetail): boolean {
  return match.labels.length === 0 || matchingLabel(labels, match.labels) !== undefined;
}

function namesReference(rule: Pick<RetentionRule, "match">, reference: string): boolean {
  const { name, tag } = parseReference(reference);
  return namesTag(rule, name, tag ?? "latest");
}

/** Of one repository: the engine takes an image with digests of two only by force. */
function namedByDigest({ match }: RetentionRule, { digests }: ImageDetail): boolean {
  const [name, ...more] = new Set(digests.map((digest) => parseReference(digest).name));
  return (
    name !== undefined &&
    more.length === 0 &&
    match.repositories.some(({ repository, tag }) => tag === null && repository.test(name))
  );
}

/** Whether one of the globs names the image, by a tag or by a digest of a repository that is named with any tag. */
export function isNamedBy(globs: readonly NameGlob[], { tags, digests }: ImageDetail): boolean {
  return (
    tags.some((reference) => {
      const { name, tag } = parseReference(reference);
      return namesOne(globs, name, tag ?? "latest");
    }) ||
    digests.some((digest) => {
      const { name } = parseReference(digest);
      return globs.some(({ repository, tag }) => tag === null && repository.test(name));
    })
  );
}

/** The family by the value of its rule's `perGroup` label; one group where there is no such label. */
export function groupsOf({ rule: { perGroup }, members }: Family): Member[][] {
  if (perGroup === null) return [[...members]];
  const groupOf = ({ image: { labels } }: Member) =>
    Object.hasOwn(labels, perGroup) ? labels[perGroup] : null;
  return [...groupBy(members, groupOf).values()];
}
