import type { ContainerSummary, ImageSummary, Service } from "../engine/types.ts";

/** Whoever may need an image: every container there is, whatever its state, and every service. */
export interface Users {
  readonly containers: readonly Pick<ContainerSummary, "names" | "id" | "imageId" | "imageName" | "labels">[];
  readonly services: readonly Pick<Service, "name" | "images">[];
}

/** Who uses the image, as `"container build-7"` or `"service ci_web"`; `null`: nobody. Pure. */
export function userOf(image: Pick<ImageSummary, "id" | "tags" | "digests">, users: Users): string | null {
  const container = users.containers.find(
    ({ imageId, imageName }) => imageId === image.id || (imageName !== "" && names(imageName, image)),
  );
  if (container !== undefined) return `container ${container.names[0] ?? container.id.slice(0, 12)}`;
  const service = users.services.find(({ images }) => images.some((reference) => names(reference, image)));
  return service === undefined ? null : `service ${service.name}`;
}

/** Whether a reference, as a container or a service spec holds it, means this image; in doubt it does. */
function names(
  reference: string,
  { id, tags, digests }: Pick<ImageSummary, "id" | "tags" | "digests">,
): boolean {
  // Of twelve digits or more it may be an id, or a name all the same: a repository may be called by a commit.
  if (/^(?:sha256:)?[0-9a-f]{12,64}$/.test(reference) && id.startsWith(idOf(reference))) return true;
  const { name, tag, digest } = parseReference(reference);
  if (digest !== null && (digest === id || digests.some((own) => own.endsWith(`@${digest}`)))) return true;
  if (tag === null && digest !== null) return false;
  return tags.some((own) => {
    const mine = parseReference(own);
    return mine.name === name && mine.tag === (tag ?? "latest");
  });
}

const idOf = (text: string) => (text.startsWith("sha256:") ? text : `sha256:${text}`);

/** Short names and `docker.io/library/…` are the same; a service spec may hold either. */
export function parseReference(text: string): { name: string; tag: string | null; digest: string | null } {
  const [tagged = "", digest = null] = text.split("@", 2);
  const colon = tagged.lastIndexOf(":");
  const hasTag = colon > tagged.lastIndexOf("/");
  const name = (hasTag ? tagged.slice(0, colon) : tagged).replace(
    /^(?:index\.)?docker\.io\/(?:library\/)?/,
    "",
  );
  return { name, tag: hasTag ? tagged.slice(colon + 1) : null, digest };
}
