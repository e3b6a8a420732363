/**
 * How registries are called: by people, in Docker's config.json, and towards the engine's `/auth`.
 *
 * Docker Hub is the odd one: images name it docker.io, and the client looks its credentials up under the address of an
 * API that is long gone. An entry under "docker.io" is never found. Every other registry goes by `host[:port]`.
 * Source: docker/cli, cli/command/registry.go (authConfigKey), cli/config/credentials/file_store.go; the same from
 * 1.11 to 29.
 */
export const HUB = "https://index.docker.io/v1/";

const HUB_NAMES = ["docker.io", "index.docker.io", "registry-1.docker.io", HUB];

const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{1,5})?$/;

/** `"docker.io"` -> {@link HUB}; `"registry.example.org:5000"` stays; `undefined` for what is no registry. */
export function serverKey(registry: string): string | undefined {
  if (HUB_NAMES.includes(registry)) return HUB;
  return HOST.test(registry) ? registry : undefined;
}

/**
 * The registry for which the client finds an entry under this key: `"https://ghcr.io"` -> `"ghcr.io"`; `null`: a name
 * of Docker Hub other than {@link HUB}, under which no pull looks. Source: docker/cli,
 * cli/config/credentials/file_store.go (Get, ConvertToHostname).
 */
export function lookedUpAs(key: string): string | null {
  if (key === HUB) return HUB;
  const host = hostNameOf(key);
  return HUB_NAMES.includes(host) ? null : host;
}

/** `"https://ghcr.io/v2/"` -> `"ghcr.io"` */
export const hostNameOf = (key: string): string => key.replace(/^[a-z]+:\/\//, "").split("/")[0] ?? "";

/** The other way: {@link HUB} -> `"docker.io"`. */
export function registryName(key: string): string {
  return key === HUB ? "docker.io" : key;
}
