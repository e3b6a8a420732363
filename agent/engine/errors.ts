/** Why an engine call failed, by status code and cause, never by message. */
export type EngineErrorKind =
  /** 404: the object is not there (any more). */
  | "gone"
  /** 409: in use, or another operation holds it. */
  | "in-use"
  /** 503: this engine is not part of a swarm, or its swarm does not answer. */
  | "unavailable"
  /** Any other status. */
  | "refused"
  /** No connection: socket absent, refused, not permitted. */
  | "unreachable"
  /** The connection ended before the answer was complete. */
  | "cut-off"
  /** No complete answer within the deadline. */
  | "timeout"
  /** An answer that is not what this endpoint gives. */
  | "malformed"
  /** We gave up waiting because we were told to stop. */
  | "stopped";

export class EngineError extends Error {
  override readonly name = "EngineError";
  constructor(
    readonly kind: EngineErrorKind,
    message: string,
    /** HTTP status where there was one. */
    readonly status?: number,
  ) {
    super(message);
  }

  /** Whether the engine as a whole does not answer, so that going on with the next object is pointless. */
  get endsThePass(): boolean {
    return ["unreachable", "cut-off", "timeout", "stopped"].includes(this.kind);
  }
}

export function kindOfStatus(status: number): EngineErrorKind {
  if (status === 404) return "gone";
  if (status === 409) return "in-use";
  if (status === 503) return "unavailable";
  return "refused";
}
