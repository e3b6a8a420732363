import { oncePer } from "../collections.ts";
import type { ContainerSummary, ImageSummary, Service } from "../engine/types.ts";
import { containerName } from "../text.ts";

/** Whoever may need an image: every container there is, whatever its state, and every service. */
export interface Users {
  readonly containers: readonly Pick<ContainerSummary, "names" | "id" | "imageId" | "imageName" | "labels">[];
  readonly services: readonly Pick<Service, "name" | "images">[];
}

type Named = Pick<ImageSummary, "id" | "tags" | "digests">;

/** Who uses the image, as `"container build-7"` or `"service ci_web"`; `null`: nobody. Pure. */
export function userOf(image: Named, users: Users): string | null {
  const { keys, idLengths } = indexOf(users);
  const own = ownKeys(image, idLengths);
  const at = Math.min(...own.map((key) => keys.get(key) ?? Number.POSITIVE_INFINITY));
  const container = users.containers[at];
  if (container !== undefined) return `container ${containerName(container)}`;
  const service = users.services[at - users.containers.length];
  return service === undefined ? null : `service ${service.name}`;
}

/**
 * What references may mean, and which user's comes first: containers, then services. Each reference is parsed once for
 * a look at the users, not once an image.
 */
const indexOf = oncePer((users: Users) => {
  const keys = new Map<string, number>();
  /** How long the keys are that are parts of ids. */
  const idLengths = new Set<number>();
  const meanings = [
    ...users.containers.map(({ imageId, imageName }) => [ID + imageId, ...meaningsOf(imageName)]),
    ...users.services.map(({ images }) => images.flatMap(meaningsOf)),
  ];
  for (const [at, all] of meanings.entries()) {
    for (const key of all) {
      if (!keys.has(key)) keys.set(key, at);
      if (key.startsWith(ID)) idLengths.add(key.length);
    }
  }
  return { keys, idLengths };
});

/** Everything that a reference to this image may mean. */
function ownKeys({ id, tags, digests }: Named, idLengths: ReadonlySet<number>): string[] {
  const whole = ID + id;
  return [
    ...[...idLengths].map((length) => whole.slice(0, length)),
    DIGEST + id,
    ...digests.map((digest) => DIGEST + digest.slice(digest.indexOf("@") + 1)),
    ...tags.map((tag) => tagKey(parseReference(tag))),
  ];
}

const ID = "id ";
const DIGEST = "digest ";
const tagKey = ({ name, tag }: ReturnType<typeof parseReference>) => `tag ${name}:${tag ?? "latest"}`;

/** What a reference, as a container or a service spec holds it, may mean; in doubt it means more than one thing. */
function meaningsOf(text: string): string[] {
  if (text === "") return [];
  const reference = parseReference(text);
  const { tag, digest } = reference;
  return [
    // Of twelve digits or more it may be an id, or a name all the same: a repository may be called by a commit.
    ...(/^(?:sha256:)?[0-9a-f]{12,64}$/.test(text)
      ? [`${ID}${text.startsWith("sha256:") ? text : `sha256:${text}`}`]
      : []),
    ...(digest === null ? [] : [DIGEST + digest]),
    ...(tag === null && digest !== null ? [] : [tagKey(reference)]),
  ];
}

/** Short names and `docker.io/library/…` are the same; a service spec may hold either. */
export function parseReference(text: string) {
  const [tagged = "", digest = null] = text.split("@", 2);
  const repository = repositoryOf(tagged);
  const name = repository.replace(/^(?:index\.)?docker\.io\/(?:library\/)?/, "");
  return { name, tag: repository === tagged ? null : tagged.slice(repository.length + 1), digest };
}

/** `"host:5000/app:1"` and `"app@sha256:…"` -> the repository. */
export function repositoryOf(name: string): string {
  const [tagged = ""] = name.split("@", 1);
  const colon = tagged.lastIndexOf(":");
  return colon > tagged.lastIndexOf("/") ? tagged.slice(0, colon) : tagged;
}
