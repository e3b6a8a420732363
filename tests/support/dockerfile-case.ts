/** A Dockerfile and the labels of the image that it makes. It begins with `FROM scratch`, so that any engine can build it. */
export interface DockerfileCase {
  readonly name: string;
  readonly text: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Of the image; null: the builder refuses the file. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** Labels whose value the builder knows and the file does not tell. */
  readonly untold?: readonly string[];
  /**
   * Who agrees; default: both builders of every engine. "buildkit": the classic builder does it otherwise.
   * "recent": BuildKit as of Docker 28; older ones refuse the file or take it otherwise.
   */
  readonly by?: "buildkit" | "recent";
}

/** Lines with a line end each. */
export const file = (...lines: string[]): string => lines.map((line) => `${line}\n`).join("");
