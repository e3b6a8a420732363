import type { IncomingMessage } from "node:http";
import Docker from "dockerode";
import { type Began, type ClientOptions, Door, type EngineRequest, type OutgoingRequest } from "./door.ts";

type BuildRequest = (
  options: OutgoingRequest,
  context: { readonly began: Began },
  data: unknown,
  callback: (error: unknown, response?: IncomingMessage) => void,
) => void;

/** docker-modem reads these even when socketPath is given, and where one tells of TLS, files of keys as well. */
const ENGINE_VARIABLES = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_PATH_PREFIX"];

/**
 * The only importer of dockerode. Its requests leave by our own door.
 *
 * Why the answers are read there (docker-modem 5.0, measured): a socket that dies in mid-body leaves the modem's own
 * promise unsettled for ever, and a body that is not JSON comes back as a Buffer instead of an error.
 */
export class DockerodeClient extends Door {
  readonly #modem: Docker["modem"];

  constructor(options: ClientOptions) {
    super(options);
    for (const name of ENGINE_VARIABLES) delete process.env[name];
    this.#modem = new Docker({ socketPath: options.socketPath }).modem as Docker["modem"];
    // Private in the types, but the last step before node:http, which every request of the modem takes. Ours stands in
    // for it: the modem's own follows redirects, to any host and scheme, and leaves their answers unread.
    const buildRequest: BuildRequest = (outgoing, { began }, data, callback) =>
      void this.send(outgoing, data, began).then((response) => callback(null, response), callback);
    Object.assign(this.#modem, { buildRequest });
  }

  protected override open(request: EngineRequest, began: Began): Promise<IncomingMessage> {
    const query = request.query ?? {};
    const bare = Object.keys(query).length === 0;
    const options =
      bare && request.body === undefined
        ? {}
        : { options: { _query: query, _body: request.body ?? {} } as object };
    return new Promise((resolve, reject) => {
      this.#modem.dial(
        {
          // Without the trailing "?" the modem drops the query; with it and no options it cuts the last character.
          path: `${this.versioned(request)}${bare ? "" : "?"}`,
          method: request.method,
          ...options,
          isStream: true,
          statusCodes: {},
          // Ours: the modem hands all of this to buildRequest.
          ...{ began },
        },
        (error, response) => {
          if (response === undefined) reject(error);
          else resolve(response as IncomingMessage);
        },
      );
    });
  }
}
